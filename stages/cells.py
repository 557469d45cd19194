"""Stage cells: train and measure every cell of one study, method by method; each finished cell is kept."""

from __future__ import annotations

import argparse
import functools
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace

from tqdm import tqdm

from models.catalogue import METHODS
from pipeline.data.published_files import is_there
from pipeline.settings.params import Params
from pipeline.settings.yaml_files import read_yaml
from pipeline.stage import run_stage
from pipeline.storage import places
from pipeline.storage.files import project_root
from pipeline.studies.grid import Cell, Grid, check_grid, check_study, list_cells, list_methods, read_grid
from pipeline.studies.measured import place_result, write_cells
from pipeline.studies.recall import digest_measuring, read_rate_factor, recall_kept, run_or_recall


def run_study(params: Params, tracker: object, study: str, only: Sequence[str] = ()) -> None:
    """Measure a study's cells for the methods of its line-up, or for those in ``only``.

    A method that left the line-up loses its folder. Raises ParamError for a study or method that is unknown.
    """
    grid = read_grid()
    check_grid(grid, METHODS, read_yaml("params.yaml"))
    check_study(grid, study)
    line_up = list_methods(study, grid)
    for method in tqdm(only or line_up, unit="method", disable=None):
        run_method(params, study, method, grid)
    for folder in places.find_cells(params.profile, study, "").iterdir():
        if folder.name not in line_up:
            shutil.rmtree(folder)


def run_method(params: Params, study: str, method: str, grid: Grid) -> None:
    """Measure the cells of a study for one method and write them where ``read_cells`` finds them.

    A cell that is there already with the same key is not measured again.
    """
    cells, seen = list_here(study, method, params, grid), []
    if tuned_by := grid["studies"][study].get("tuned_by"):
        factor = read_rate_factor(params.profile, tuned_by, method)
        seen = list_here(tuned_by, method, params, grid)
        cells = [replace(cell, rate_factor=factor) for cell in cells]
    code = digest_measuring(study, method, grid)
    folder = places.find_cells(params.profile, study, method)
    kept = recall_kept(folder)
    measured = []
    for cell in tqdm(cells, unit="cell", disable=None):
        key, result = run_or_recall(cell, code, seen, kept)
        measured.append(place_result(cell, result, key, METHODS[method].named_by_alpha))
    write_cells(folder, measured)


def list_here(study: str, method: str, params: Params, grid: Grid) -> list[Cell]:
    """A study's cells of a method, with the data sets whose files are on this machine."""
    folder = project_root() / params.data.folder
    return list_cells(study, method, read_yaml("params.yaml"), grid, lambda name: is_there(name, folder))


def render_methods() -> str:
    """A line a method: its name, who proposed it, where it is written."""
    width = max(map(len, METHODS))
    return "\n".join(f"{name:{width}}  {one.source}  ({one.module})" for name, one in METHODS.items())


def main() -> None:
    """Run the stage for the study named on the command line."""
    if "--list-methods" in sys.argv[1:]:
        print(render_methods())
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", help="one of tables.yaml's")
    parser.add_argument("--method", choices=list(METHODS), help="this one alone of the study's line-up")
    parser.add_argument("--list-methods", action="store_true", help="name the methods, and do nothing else")
    arguments = parser.parse_args()
    only = [arguments.method] if arguments.method else []
    run_stage(f"cells-{arguments.study}", functools.partial(run_study, study=arguments.study, only=only))


if __name__ == "__main__":
    main()
