"""The cells that a study plans and nobody has trained, beside those that it has."""

from __future__ import annotations

from collections.abc import Sequence

from models.catalogue import METHODS
from pipeline.settings.params import Params
from pipeline.studies.grid import Grid
from pipeline.studies.measured import MeasuredCell, place_result
from pipeline.studies.planning import list_study
from pipeline.studies.result import CellResult

NOT_TRAINED = "not trained yet"


def add_missing(study: str, cells: Sequence[MeasuredCell], params: Params, grid: Grid) -> list[MeasuredCell]:
    """A study's cells in the order of tables.yaml, those that nobody has trained with an error.

    A study without any measured cell is left as it is.
    """
    if all(cell.error for cell in cells):
        return list(cells)
    there = {(cell.method, cell.place): cell for cell in cells}
    planned = []
    for one in list_study(study, params, grid):
        measured = there.pop((one.method, one.place), None)
        absent = CellResult(error=NOT_TRAINED)
        planned.append(measured or place_result(one, absent, "", METHODS[one.method].named_by_alpha))
    return [*planned, *there.values()]
