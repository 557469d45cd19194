"""Tables of all methods, which beyond writes and paper shows: of which cells they are, what they print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline.studies.measured import MeasuredCell
from reports.paper.layouts import FRECHET, MSE, TEST_MSES, Quantity

LEADERBOARD = "leaderboard"  # the study
OURS = "Ours"
MIXTURE = "Ours-mixture"  # Ours' trainings, sampled from a mixture: all but the samples is Ours'
DISTANCE = "frechet_distance"  # of the samples
LENGTH = "rounds"  # the axis along which trainings are longer
CITED_TWICE = {"MEG": "EnGAN"}  # one method, two rows of the paper's Table 3
QUANTITIES = {  # of every method's rows in the paper's tables
    "table2": (MSE, *TEST_MSES, FRECHET),
    "table3": (
        Quantity("tenth_mean", "AUPRC, tenth, mean"),
        Quantity("pooled_mean", "AUPRC, pooled, mean"),
    ),
    "table8": (
        Quantity("absolute_error", "mean absolute error, [0, 1]"),
        Quantity("absolute_error_point", "mean absolute error, point, [0, 1]"),
        Quantity("absolute_error_draw", "mean absolute error, draw, [0, 1]"),
        Quantity("squared_error", "mean squared error, [0, 1]"),
    ),
}


def keep_longest(cells: Sequence[MeasuredCell]) -> list[MeasuredCell]:
    """The cells of the longest training that all methods have, of those that have any; failed ones too."""
    longest, absent = find_longest(cells), list_unmeasured(cells)
    whole = [cell for cell in cells if cell.error or cell.axes.get(LENGTH, 0) == longest]
    return [cell for cell in whole if cell.method not in absent]


def find_longest(cells: Sequence[MeasuredCell]) -> int:
    """The longest training that every method has which has any, a failed one too; else the longest of all."""
    lengths: dict[str, set[int]] = {}
    for cell in cells:
        if cell.axes or not cell.error:
            lengths.setdefault(cell.method, set()).add(cell.axes.get(LENGTH, 0))
    shared = set.intersection(*lengths.values()) if lengths else set()
    return max(shared or set().union(*lengths.values()), default=0)


def list_longer(cells: Sequence[MeasuredCell]) -> dict[int, list[str]]:
    """The lengths beyond ``find_longest``'s, each with the methods that have been trained so long."""
    longest, longer = find_longest(cells), dict[int, list[str]]()
    for cell in cells:
        if (length := cell.axes.get(LENGTH, 0)) > longest:
            longer.setdefault(length, []).append(cell.method)
    return {length: list(dict.fromkeys(methods)) for length, methods in sorted(longer.items())}


def list_unmeasured(cells: Sequence[MeasuredCell]) -> list[str]:
    """List the methods of which there is no training, not even a failed one: their cells have no axes."""
    tried = {cell.method for cell in cells if cell.axes or not cell.error}
    return [method for method in dict.fromkeys(cell.method for cell in cells) if method not in tried]


def has_several_seeds(cells: Sequence[MeasuredCell]) -> bool:
    """Whether more than one seed was measured, without which there is neither spread nor interval."""
    return len({cell.seed for cell in cells if not cell.error}) > 1


def describe_spread(cells: Sequence[MeasuredCell]) -> str:
    """What the numbers of a table are over the seeds of its cells."""
    return "mean ± standard deviation over seeds" if has_several_seeds(cells) else "one seed"


def add_mixture(cells: Sequence[MeasuredCell]) -> list[MeasuredCell]:
    """Add the row Ours-mixture: Ours' trainings, of which a mixture's samples are measured as well."""
    key = f"{DISTANCE}_mixture"
    return [
        *cells,
        *(
            replace(
                cell,
                method=MIXTURE,
                alpha=None,  # with it the tables would name it Ours, and average the two
                numbers={name: value for name, value in cell.numbers.items() if name != key}
                | {DISTANCE: cell.numbers[key]},
            )
            for cell in cells
            if cell.method == OURS and key in cell.numbers
        ),
    ]
