"""Which cells the studies have here, under which keys, and which of them nobody has measured yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from models.catalogue import METHODS
from pipeline.data.published_files import is_there
from pipeline.settings.params import Params
from pipeline.settings.yaml_files import read_yaml
from pipeline.storage.files import project_root
from pipeline.studies.grid import Cell, Grid, list_cells, list_methods
from pipeline.studies.making import Making
from pipeline.studies.measured import MeasuredCell, place_result
from pipeline.studies.recall import (
    KeyedCell,
    choose_tuning,
    digest_measuring,
    key_cell,
    read_rate_factor,
    recall_cell,
    recall_method,
)
from pipeline.studies.result import CellResult
from pipeline.studies.study_folders import recover_cells
from pipeline.studies.tuning import choose_rate_factor


@dataclass(frozen=True)
class PlannedCell:
    """A cell and whether its result is kept; where it has no key yet, ``reason`` says why.

    ``made``: how a kept one was made, where that is kept with it and not with its study.
    """

    cell: Cell
    keyed: KeyedCell | None = None
    is_kept: bool = False
    reason: str = ""
    made: Making = field(default_factory=dict)


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
    tuned_by, code = grid["studies"][study].get("tuned_by"), digest_measuring(study, method, grid)
    cells = list_here(study, method, params, grid)
    tuning = list_here(tuned_by, method, params, grid) if tuned_by else []
    if tuned_by:
        factors = {
            dataset: read_rate_factor(params.profile, tuned_by, method, choose_tuning(dataset, tuning))
            for dataset in _name_datasets(cells)
        }
        cells = [replace(cell, rate_factor=factors[cell.params.dataset]) for cell in cells]
    return [key_cell(cell, code, tuning) for cell in cells]


def _name_datasets(cells: Iterable[Cell]) -> list[str]:
    return sorted({cell.params.dataset for cell in cells})


def plan_studies(
    studies: Iterable[str], params: Params, grid: Grid, download: bool = False
) -> Iterator[PlannedCell]:
    """List all cells of ``studies`` in the order of tables.yaml, with their keys.

    A tuned study's cells have keys once its tuning's cells are kept, be they in their folder yet or not.
    ``download``: whether data sets may be, where the settings say so, too.
    """
    recover_cells(params.profile)
    data = replace(params.data, download=download and params.data.download)
    for study in studies:
        for method in list_methods(study, grid):
            yield from _plan_method(study, method, replace(params, data=data), grid)


def _plan_method(study: str, method: str, params: Params, grid: Grid) -> Iterator[PlannedCell]:
    tuned_by = grid["studies"][study].get("tuned_by")
    tuning = list(_plan_method(tuned_by, method, params, grid)) if tuned_by else []
    seen, code = [one.cell for one in tuning], digest_measuring(study, method, grid)
    kept = recall_method(params.profile, study, method)
    cells, factors = list_here(study, method, params, grid), {}
    if tuned_by:
        factors = {dataset: _find_factor(dataset, tuning, params) for dataset in _name_datasets(cells)}
    for cell in cells:
        factor = factors.get(cell.params.dataset, cell.rate_factor)
        if factor is None:
            yield PlannedCell(cell, reason=f"waits for the study {tuned_by}")
            continue
        cell = replace(cell, rate_factor=factor)
        try:
            # The images are looked for as the caller says; the cell itself goes on with its own settings.
            as_asked = replace(cell, params=replace(cell.params, data=params.data))
            keyed = replace(key_cell(as_asked, code, seen), cell=cell)
        except (ValueError, OSError) as error:
            yield PlannedCell(cell, reason=" ".join(str(error).split()))
            continue
        result = find_result(keyed, kept)
        yield PlannedCell(cell, keyed, result is not None, made=result.made if result else {})


def _find_factor(dataset: str, tuning: Sequence[PlannedCell], params: Params) -> float | None:
    """The factor that a method's ``tuning`` chose for ``dataset``; None where its cells are not all kept."""
    deciding = choose_tuning(dataset, [one.cell for one in tuning])
    results = [_find_result(one, params) for one in tuning if one.cell in deciding]
    measured = [one for one in results if one is not None]
    return choose_rate_factor(measured) if len(measured) == len(results) else None


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
