"""Stage cells: train and measure every cell of one study for one method; each finished cell is kept."""

from __future__ import annotations

import argparse
import functools
import inspect
import json
import shutil
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from pipeline.cells import CellResult
from pipeline.code_digest import digest_code
from pipeline.dataset_sources import is_there
from pipeline.datasets import Choice, ImageSet, load_dataset
from pipeline.extractor import FeatureExtractor, open_extractor
from pipeline.files import project_root, read_yaml, write_arrays, write_json
from pipeline.grid import DEFAULT_TASK, Cell, Grid, check_grid, check_study, list_cells, read_grid
from pipeline.memo import compute_key, fingerprint, load_result, save_result
from pipeline.params import Params
from pipeline.registry import METHODS
from pipeline.stage import run_stage
from pipeline.tasks import TASKS, measure_cell
from pipeline.tuning import choose_rate_factor

OUTPUT = Path("artifacts/cells")
EXTRACTORS = Path("artifacts/extractors")
MEMO = Path(".dvc/tmp/cells")
WITH_FEATURES = ("complete", "all", "validation")  # tasks that measure a Frechet distance
NO_EXTRACTOR = FeatureExtractor(lambda images: images, False, "")  # for tasks without a Frechet distance


def run_cells(params: Params, tracker: object, study: str, method: str) -> dict[str, Any]:
    """Write OUTPUT/<study>/<method>: cells.json with every cell's place and numbers or error, and arrays.

    Returns the numbers that the tracking shows, by cell and name.
    """
    folder = project_root() / params.data.folder
    grid = read_grid()
    check_grid(grid, METHODS, TASKS)
    check_study(grid, study)
    content = read_yaml("params.yaml")

    def list_here(study: str) -> list[Cell]:
        return list_cells(study, method, content, grid, lambda name: is_there(name, folder))

    cells, seen = list_here(study), []
    if tuned_by := grid["studies"][study].get("tuned_by"):
        factor, seen = read_rate_factor(tuned_by, method), list_here(tuned_by)
        cells = [replace(cell, rate_factor=factor) for cell in cells]
    code = digest_measuring(study, method, grid)
    output = OUTPUT / study / method
    shutil.rmtree(output, ignore_errors=True)
    found = []
    for number, cell in enumerate(tqdm(cells, unit="cell", disable=None)):
        result = run_or_recall(cell, code, seen)
        if result.arrays:
            write_arrays(output / f"{number}.npz", result.arrays)
        found.append(
            {
                "study": study,
                "method": method,
                "dataset": cell.params.dataset,
                "paper_dataset": cell.paper_dataset,
                "alpha": cell.params.alpha if method == "Ours" else 0.0,
                "extractor": "inception"
                if cell.params.fid.inception_file
                else f"{cell.params.dataset} classifier",
                "seed": cell.params.seed,
                "axes": dict(cell.axes),
                "rate_factor": cell.rate_factor,
                "numbers": result.numbers,
                "curves": result.curves,
                "error": result.error,
                "lacks": result.lacks,
                "arrays": f"{number}.npz" if result.arrays else "",
            }
        )
    write_json(output / "cells.json", {"cells": found})
    numbers = {cell.place: one["numbers"] for cell, one in zip(cells, found, strict=True)}
    return {"cells": len(found), "failed": sum(bool(one["error"]) for one in found), **numbers}


def read_rate_factor(study: str, method: str) -> float:
    """The factor that the study ``study`` chose for a method; raises ValueError where it has not run."""
    path = OUTPUT / study / method / "cells.json"
    try:
        return choose_rate_factor(json.loads(path.read_text())["cells"])
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{path}: {type(error).__name__}; `python -m stages.cells {study} {method}` makes it"
        ) from error


def digest_measuring(study: str, method: str, grid: Grid) -> str:
    """A digest of the code that decides a study's numbers for one method: its task's and the method's."""
    root = Path(__file__).parents[1]
    task = TASKS[grid["studies"][study].get("task", DEFAULT_TASK)]
    return digest_code([Path(inspect.getfile(task)), METHODS[method].find_file(root)], root)


def run_or_recall(cell: Cell, code: str, seen: Iterable[Cell] = ()) -> CellResult:
    """Measure a cell, or take what an interrupted run measured with the same settings, data and code.

    ``seen``: the cells that tuned it.
    """
    images = load_images(cell, seen)
    extractor = find_extractor(cell) if cell.task in WITH_FEATURES else NO_EXTRACTOR
    key = compute_key(
        cell=fingerprint(cell, METHODS[cell.method].ignores),
        data=images.digest,
        code=code,
        torch=torch.__version__,
        extractor=extractor.digest or None,
    )
    memo = project_root() / MEMO
    result = load_result(memo, key)
    if result is None:
        result = measure_cell(cell, images, extractor.extract, METHODS[cell.method].load())
        if not result.error or result.error.startswith("diverged"):  # memory may be free the next time
            save_result(memo, key, result)
    return result


def find_extractor(cell: Cell) -> FeatureExtractor:
    """Inception where the user has its file, else the classifier of the cell's data set."""
    file = cell.params.fid.inception_file
    path = EXTRACTORS / f"{cell.paper_dataset}.pt"
    return open_extractor(path, None if file is None else project_root() / file)


def load_images(cell: Cell, seen: Iterable[Cell] = ()) -> ImageSet:
    """The cell's images, as many as its profile prepares, none of them among those that ``seen`` train on."""
    about = cell.params
    others = {choose(one) for one in seen if one.params.dataset == about.dataset}
    n_test = about.profile_settings.prepare.n_test
    folder = project_root() / about.data.folder
    return _load(about.dataset, folder, choose(cell), n_test, frozenset(others), about.data.download)


def choose(cell: Cell) -> Choice:
    """Which images a cell trains on."""
    return Choice(cell.params.profile_settings.prepare.n_train, cell.params.seed, cell.classes)


@functools.lru_cache(maxsize=2)
def _load(
    name: str, folder: Path, own: Choice, n_test: int | None, others: frozenset[Choice], download: bool
) -> ImageSet:
    return load_dataset(
        name,
        folder,
        n_train=own.n,
        n_test=n_test,
        seed=own.seed,
        classes=own.classes,
        apart_from=others,
        download=download,
    )


def render_methods() -> str:
    """A line a method: its name, who proposed it, where it is written."""
    width = max(map(len, METHODS))
    return "\n".join(f"{name:{width}}  {one.source}  ({one.module})" for name, one in METHODS.items())


def main() -> None:
    """Run the stage for the study and the method named on the command line."""
    if "--list-methods" in sys.argv[1:]:
        print(render_methods())
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", help="one of tables.yaml's")
    parser.add_argument("method", choices=list(METHODS))
    parser.add_argument("--list-methods", action="store_true", help="name the methods, and do nothing else")
    arguments = parser.parse_args()
    name = f"cells-{arguments.study}-{arguments.method}"
    run_stage(name, functools.partial(run_cells, study=arguments.study, method=arguments.method))


if __name__ == "__main__":
    main()
