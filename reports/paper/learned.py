"""Which cells have visibly learned: those that a linear model with as many latent numbers does not beat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pipeline.studies.measured import MeasuredCell
from reports.paper.names import describe_place, name_dataset, name_row

YARDSTICK = "PPCA"
QUALITIES = {  # of a study: one in which a cell is ahead of the yardstick is enough
    "table2": ("frechet_distance", "mse_test_point"),
    "table3": ("tenth_mean", "pooled_mean"),
    "table3_all": ("tenth_mean", "pooled_mean"),
    "table4": ("frechet_distance", "mse_test_point"),
    "table5": ("frechet_distance", "mse_test_point"),
    "table6": ("frechet_distance", "mse_test_point"),
    "table7": ("frechet_distance", "mse_test_point"),
    "figure8": ("frechet_distance", "mse_test_point"),
    "convergence": ("frechet_distance", "mse_test_point"),
    "fashion": ("frechet_distance", "mse_test_point"),
    "table8": ("absolute_error_point", "squared_error_point"),
}
HIGHER_IS_BETTER = frozenset(
    {"table3", "table3_all"}
)  # areas under a curve; the others are errors and distances


def describe_convergence(study: str, cells: Sequence[MeasuredCell]) -> str:
    """A sentence that names the cells no better than PPCA in any quality of the study; "" without either."""
    judged, behind = (Counter(map(_describe_where, found)) for found in find_behind(study, cells))
    if not judged:
        return ""
    if not behind:
        return f"Every cell is ahead of {YARDSTICK}, with as many latent numbers, in one of its qualities."
    if behind == judged and study not in HIGHER_IS_BETTER:
        n = judged.total()
        return f"None of the {n} cells has converged: {YARDSTICK}, with as large a z, is ahead of all."
    words = [
        place if count == judged[place] else f"{place}: {count} of {judged[place]} seeds"
        for place, count in behind.items()
    ]
    opening = "Behind" if study in HIGHER_IS_BETTER else "Not converged, being behind"
    return (
        f"{opening} {YARDSTICK} with as many latent numbers in everything: "
        f"{behind.total()} of {judged.total()} cells ({'; '.join(words)})."
    )


def count_behind(study: str, used: Sequence[MeasuredCell], rival: str, cells: Sequence[MeasuredCell]) -> str:
    """Say how many of a claim's cells, and of its rival's beside them, are behind PPCA in everything.

    "" where none is.
    """
    keys, places = {cell.key for cell in used}, set(map(_locate, used))
    n_judged, n_behind = (
        sum(cell.key in keys or (cell.method == rival and _locate(cell) in places) for cell in found)
        for found in find_behind(study, cells)
    )
    return f"{n_behind} of {n_judged} cells behind {YARDSTICK} in everything" if n_behind else ""


def find_behind(study: str, cells: Sequence[MeasuredCell]) -> tuple[list[MeasuredCell], list[MeasuredCell]]:
    """Find a study's cells that have PPCA at their place, and those of them that it beats in everything."""
    keys = QUALITIES.get(study, ())
    sign = -1 if study in HIGHER_IS_BETTER else 1
    standing = repeat_yardstick(cells)
    linear = {_locate(cell): cell for cell in standing if cell.method == YARDSTICK and not cell.error}
    judged, behind = [], []
    for cell in cells:
        rival = linear.get(_locate(cell))
        if not keys or cell.method == YARDSTICK or rival is None or cell.error:
            continue
        judged.append(cell)
        pairs = [(cell.numbers[key], rival.numbers[key]) for key in keys if key in cell.numbers]
        if not any(sign * value < sign * linear_value for value, linear_value in pairs):
            behind.append(cell)
    return judged, behind


def repeat_yardstick(cells: Sequence[MeasuredCell]) -> list[MeasuredCell]:
    """The cells, those of PPCA at every place of the others: it has no step size, and stands beside each.

    An axis that it has, as a digit or a latent dimension, keeps it to the places of that value.
    """
    others = [cell for cell in cells if cell.method != YARDSTICK]
    found = []
    for cell in cells:
        beside = [one for one in others if _contains(one, cell)] if cell.method == YARDSTICK else []
        places = {describe_place(one): _drop_alpha(one) for one in beside}
        found += [replace(cell, axes=axes) for axes in places.values()] or [cell]
    return found


def _contains(cell: MeasuredCell, other: MeasuredCell) -> bool:
    return (cell.dataset, cell.seed) == (other.dataset, other.seed) and all(
        axis in cell.axes and cell.axes[axis] == value for axis, value in other.axes.items()
    )


def _drop_alpha(cell: MeasuredCell) -> dict[str, Any]:
    return {axis: value for axis, value in cell.axes.items() if axis != "alpha"}


def _locate(cell: MeasuredCell) -> tuple[str, int | None, str]:
    return cell.dataset, cell.seed, describe_place(cell)


def _describe_where(cell: MeasuredCell) -> str:
    return " ".join((name_row(cell), name_dataset(cell.dataset), describe_place(cell))).strip()
