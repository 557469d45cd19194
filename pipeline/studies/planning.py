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
from pipeline.studies.measured import place_result
from pipeline.studies.recall import (
    KeyedCell,
    digest_measuring,
    key_cell,
    read_rate_factor,
    recall_cell,
    recall_kept,
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
    return list_cells(study, method, read_yaml("params.yaml"), grid, lambda name: is_there(name, folder))


def key_method(
    study: str,
    method: str,
    params: Params,
    grid: Grid,
    factor: float | None = None,
    download: bool | None = None,
) -> list[KeyedCell]:
    """Find the keys of a study's cells of a method.

    ``factor``: of a tuned method's learning rate, by default as the study that tunes it left it;
    ``download``: in the place of the settings' own. Raises ValueError where images or an extractor are not
    there, or the tuning has not run.
    """
    cells, seen = list_here(study, method, params, grid), []
    if tuned_by := grid["studies"][study].get("tuned_by"):
        seen = list_here(tuned_by, method, params, grid)
        factor = read_rate_factor(params.profile, tuned_by, method) if factor is None else factor
        cells = [replace(cell, rate_factor=factor) for cell in cells]
    if download is not None:
        data = replace(params.data, download=download)
        cells = [replace(cell, params=replace(cell.params, data=data)) for cell in cells]
    code = digest_measuring(study, method, grid)
    return [key_cell(cell, code, seen) for cell in cells]


def plan_studies(
    studies: Iterable[str], params: Params, grid: Grid, download: bool = False
) -> Iterator[PlannedCell]:
    """List all cells of ``studies`` in the order of tables.yaml, with their keys.

    A tuned study's cells have keys once its tuning's cells are kept, be they in their folder yet or not.
    """
    for study in studies:
        for method in list_methods(study, grid):
            yield from _plan_method(study, method, params, grid, download)


def _plan_method(
    study: str, method: str, params: Params, grid: Grid, download: bool
) -> Iterator[PlannedCell]:
    try:
        factor = None
        if tuned_by := grid["studies"][study].get("tuned_by"):
            factor = _foresee_rate_factor(tuned_by, method, params, grid, download)
        keyed = key_method(study, method, params, grid, factor, download and params.data.download)
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        yield from (PlannedCell(cell, reason=reason) for cell in list_here(study, method, params, grid))
        return
    kept = recall_kept(places.find_cells(params.profile, study, method))
    for one in keyed:
        yield PlannedCell(one.cell, one, find_result(one, kept) is not None)


def _foresee_rate_factor(study: str, method: str, params: Params, grid: Grid, download: bool) -> float:
    """The factor that a tuning study is about to choose, from the cells that are kept of it.

    Raises ValueError where one is not.
    """
    kept = recall_kept(places.find_cells(params.profile, study, method))
    tuned = []
    for keyed in key_method(study, method, params, grid, download=download and params.data.download):
        result = find_result(keyed, kept)
        if result is None:
            raise ValueError(f"waits for the study {study}")
        tuned.append(place_result(keyed.cell, result, keyed.key, METHODS[method].named_by_alpha))
    return choose_rate_factor(tuned)


def find_result(keyed: KeyedCell, kept: dict[str, CellResult]) -> CellResult | None:
    """A cell's result as ``kept`` has it, or an earlier run kept it; None where neither does."""
    return kept[keyed.key] if keyed.key in kept else recall_cell(keyed.key)
