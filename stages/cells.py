"""Stage cells: train and measure every cell of one study for one method; each finished cell is kept."""

from __future__ import annotations

import argparse
import functools
import shutil
import sys
from dataclasses import replace
from typing import Any

from tqdm import tqdm

from models.catalogue import METHODS
from pipeline.data.published_files import is_there
from pipeline.settings.params import Params
from pipeline.settings.yaml_files import read_yaml
from pipeline.stage import run_stage
from pipeline.storage.files import project_root, write_arrays, write_json
from pipeline.studies.grid import Cell, check_grid, check_study, list_cells, read_grid
from pipeline.studies.recall import OUTPUT, digest_measuring, read_rate_factor, run_or_recall
from pipeline.studies.tasks import TASKS


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
