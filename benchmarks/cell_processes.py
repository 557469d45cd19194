"""The tables' cells by one-thread processes, against one after the other with all of torch's threads.

    python -m benchmarks.cell_processes --json                # every twelfth cell of the paper's tables
    python -m benchmarks.cell_processes table6 --every 1 --repeats 3

Each way is a fresh Python with nothing kept, its start included, by turns. At the profile of params.yaml,
whose extractors must be there (``dvc repro extractors``); those of profile embedded come with Git.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.timing import report
from models.catalogue import METHODS
from pipeline.data.load import MNIST5K_CACHE
from pipeline.settings.params import load_params
from pipeline.storage.files import project_root
from pipeline.studies.crew import train_cells
from pipeline.studies.grid import PAPER_STUDIES, check_study, list_methods, read_grid
from pipeline.studies.machine import count_cores
from pipeline.studies.planning import key_method
from pipeline.studies.recall import KeyedCell, find_extractor, load_images
from pipeline.studies.tasks import measure_cell
from pipeline.studies.threads import ONE_THREAD

WAYS = ("one by one", "by processes")


def choose_cells(studies: Sequence[str], every: int) -> list[KeyedCell]:
    """Every so-manieth of the different cells of ``studies``."""
    params, grid = load_params(), read_grid()
    distinct: dict[str, KeyedCell] = {}
    for study in studies:
        check_study(grid, study)
        for method in list_methods(study, grid):
            distinct |= {keyed.key: keyed for keyed in key_method(study, method, params, grid)}
    return list(distinct.values())[::every]


def train(cells: Sequence[KeyedCell], way: str) -> None:
    """Train all cells in the one way or the other; raises ValueError where one fails."""
    if way == WAYS[0]:
        pairs = []
        for keyed in cells:
            images, extract = load_images(keyed.cell, keyed.seen), find_extractor(keyed.cell).extract
            pairs.append(
                (keyed, measure_cell(keyed.cell, images, extract, METHODS[keyed.cell.method].load()))
            )
    else:
        pairs = list(train_cells(cells))
    for keyed, result in pairs:
        if result.error and not result.error.startswith("diverged"):
            raise ValueError(f"{keyed}: {result.error}")


def time_way(way: str, arguments: argparse.Namespace) -> float:
    """Seconds of a fresh Python that trains the cells in a way, in a folder without kept ones."""
    root = project_root()
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder, MNIST5K_CACHE)
        kept.parent.mkdir(parents=True)
        if (root / MNIST5K_CACHE).exists():
            shutil.copy(root / MNIST5K_CACHE, kept)
        if (root / "data").exists():
            Path(folder, "data").symlink_to(root / "data")
        environment = {name: value for name, value in os.environ.items() if name not in ONE_THREAD}
        command = [sys.executable, "-m", "benchmarks.cell_processes", *arguments.studies]
        command += ["--every", str(arguments.every), "--way", way]
        start = time.perf_counter()
        subprocess.run(
            command, env=environment | {"DVC_ROOT": folder, "OMP_WAIT_POLICY": "PASSIVE"}, check=True
        )
        return time.perf_counter() - start


def benchmark(arguments: argparse.Namespace) -> dict[str, Any]:
    """Time both ways by turns."""
    n_cells = len(choose_cells(arguments.studies, arguments.every))
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(arguments.repeats):
        for way in WAYS:
            seconds[way].append(time_way(way, arguments))
    medians = {way: statistics.median(values) for way, values in seconds.items()}
    return {
        "studies": arguments.studies,
        "profile": load_params().profile,
        "cells": n_cells,
        "cores": count_cores(),
        "seconds": seconds,
        "ratio": medians[WAYS[1]] / medians[WAYS[0]],
    }


def main() -> None:
    """Print one JSON object, or a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*", default=list(PAPER_STUDIES), help="of tables.yaml")
    parser.add_argument("--every", type=int, default=12, metavar="N", help="every Nth cell (%(default)s)")
    parser.add_argument("--repeats", type=int, default=1, metavar="N", help="of each way (%(default)s)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--output", type=Path, help="write the JSON object to this file as well")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        train(choose_cells(arguments.studies, arguments.every), arguments.way)
        return
    result = benchmark(arguments)
    report(arguments, result)
    if not arguments.json:
        for way, seconds in result["seconds"].items():
            print(f"{result['cells']} cells {way}: {', '.join(f'{one:.1f} s' for one in seconds)}")
        print(f"{result['ratio']:.2f} of the time on {result['cores']} cores")


if __name__ == "__main__":
    main()
