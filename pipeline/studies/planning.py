"""Which cells the studies have here, under which keys, and which of them nobody has measured yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from models.catalogue import METHODS
from pipeline.data.published_files import is_there
from pipeline.settings.params import Params
from pipeline.settings.yaml_files import read_yaml
from pipeline.storage import places
from pipeline.storage.files import project_root
from pipeline.studies.grid import Cell, Grid, list_cells, list_methods
from pipeline.studies.measured import MeasuredCell, place_result, read_folder
from pipeline.studies.recall import (
    KeyedCell,
    digest_measuring,
    key_cell,
    read_rate_factor,
    recall_cell,
    recall_method,
)
from pipeline.studies.result import CellResult
from pipeline.studies.tuning import choose_rate_factor


@dataclass(frozen=True)
class PlannedCell:
    """A cell and whether its result is kept; where it has no key yet, ``reason`` says why."""

    cell: Cell
    keyed: KeyedCell | None = None
    is_kept: bool = False
    reason: str = ""


def list_here(study: str, method: str, params: Params, grid: Grid) -> list[Cell]:
    """A study's cells of a method, with the data sets whose files are on this machine."""
    folder = project_root() / params.data.folder
    content = read_yaml("params.yaml") | {"profile": params.profile}
    return list_cells(study, method, content, grid, lambda name: is_there(name, folder))


def list_study(study: str, params: Params, grid: Grid) -> list[Cell]:
    """A study's cells of all its methods, as ``list_here`` has those of one."""
    return [cell for method in list_methods(study, grid) for cell in list_here(study, method, params, grid)]


def key_method(study: str, method: str, params: Params, grid: Grid) -> list[KeyedCell]:
    """Find the keys of a study's cells of a method, whose tuning, if it has one, lies in its folder.

    Raises ValueError where images or an extractor are not there, or the tuning has not run or is not whole.
    """
    factor = 1.0
    if tuned_by := grid["studies"][study].get("tuned_by"):
        factor = read_rate_factor(params.profile, tuned_by, method)
        _check_whole(tuned_by, method, params, grid)
    cells, seen, code = _list_with_tuning(study, method, params, grid, factor)
    return [key_cell(cell, code, seen) for cell in cells]


def _check_whole(study: str, method: str, params: Params, grid: Grid) -> None:
    """Raise ValueError where a study's folder lacks a cell of a method: the best of some is not the best."""
    folder = places.find_cells(params.profile, study, method)
    kept = {cell.place for cell in read_folder(folder)}
    lacking = [cell.place for cell in list_here(study, method, params, grid) if cell.place not in kept]
    if lacking:
        raise ValueError(
            f"{folder}: found no cell of {', '.join(lacking)}, expected all; "
            f"`python -m stages.cells {study} --profile {params.profile}` trains them"
        )


def _list_with_tuning(
    study: str, method: str, params: Params, grid: Grid, factor: float
) -> tuple[list[Cell], list[Cell], str]:
    """A method's cells with their learning rate's factor, the cells that tuned it, the digest of the code."""
    cells, seen = list_here(study, method, params, grid), []
    if tuned_by := grid["studies"][study].get("tuned_by"):
        seen = list_here(tuned_by, method, params, grid)
        cells = [replace(cell, rate_factor=factor) for cell in cells]
    return cells, seen, digest_measuring(study, method, grid)


def plan_studies(
    studies: Iterable[str], params: Params, grid: Grid, download: bool = False
) -> Iterator[PlannedCell]:
    """List all cells of ``studies`` in the order of tables.yaml, with their keys.

    A tuned study's cells have keys once its tuning's cells are kept, be they in their folder yet or not.
    ``download``: whether data sets may be, where the settings say so, too.
    """
    data = replace(params.data, download=download and params.data.download)
    for study in studies:
        for method in list_methods(study, grid):
            yield from _plan_method(study, method, replace(params, data=data), grid)


def _plan_method(study: str, method: str, params: Params, grid: Grid) -> Iterator[PlannedCell]:
    factor: float | None = 1.0
    if tuned_by := grid["studies"][study].get("tuned_by"):
        tuning = [_find_result(one, params) for one in _plan_method(tuned_by, method, params, grid)]
        measured = [one for one in tuning if one is not None]
        factor = choose_rate_factor(measured) if len(measured) == len(tuning) else None
    cells, seen, code = _list_with_tuning(study, method, params, grid, factor or 1.0)
    kept = recall_method(params.profile, study, method)
    for cell in cells:
        if factor is None:
            yield PlannedCell(cell, reason=f"waits for the study {tuned_by}")
            continue
        try:
            # The images are looked for as the caller says; the cell itself goes on with its own settings.
            as_asked = replace(cell, params=replace(cell.params, data=params.data))
            keyed = replace(key_cell(as_asked, code, seen), cell=cell)
        except (ValueError, OSError) as error:
            yield PlannedCell(cell, reason=" ".join(str(error).split()))
            continue
        yield PlannedCell(cell, keyed, find_result(keyed, kept) is not None)


def _find_result(planned: PlannedCell, params: Params) -> MeasuredCell | None:
    """What is kept of a cell, at its place; None where nothing is."""
    if planned.keyed is None or not planned.is_kept:
        return None
    cell, key = planned.cell, planned.keyed.key
    result = find_result(planned.keyed, recall_method(params.profile, cell.study, cell.method))
    if result is None:
        return None
    return place_result(cell, result, key, METHODS[cell.method].named_by_alpha)


def find_result(keyed: KeyedCell, kept: dict[str, CellResult]) -> CellResult | None:
    """A cell's result as ``kept`` has it, or an earlier run kept it; None where neither does."""
    return kept[keyed.key] if keyed.key in kept else recall_cell(keyed.key)
