"""What must be known of a study's cells: their learning rates, and which of them have visibly learned.

That is, those that a linear model with as many latent numbers does not beat.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence

from pipeline.studies.measured import MeasuredCell
from reports.paper.alpha_choice import describe_alpha
from reports.paper.gains import describe_gains
from reports.paper.names import describe_place, name_dataset, name_row

YARDSTICK = "PPCA"
QUALITIES = {  # of a study: one in which a cell is ahead of the yardstick is enough
    "table2": ("frechet_distance", "mse_test_point"),
    "table3": ("tenth_mean", "pooled_mean"),
    "table4": ("frechet_distance", "mse_test_point"),
    "convergence": ("frechet_distance", "mse_test_point"),
    "fashion": ("frechet_distance", "mse_test_point"),
    "table8": ("absolute_error_point", "squared_error_point"),
}
HIGHER_IS_BETTER = frozenset({"table3"})  # areas under a curve; the others are errors and distances


def describe_cells(study: str, cells: Sequence[MeasuredCell]) -> str:
    """All sentences on a study's cells that there is something to say in; "" where there is not."""
    gains = describe_gains("ABP", cells) if study == "convergence" else ""
    choice = describe_alpha(cells) if study == "alphas" else ""
    last = describe_last_round(cells) if study == "figure3" else ""
    sentences = (
        describe_spreads(cells),
        describe_rates(cells),
        describe_convergence(study, cells),
        *(gains, choice, last),
    )
    return " ".join(filter(None, sentences))


def describe_spreads(cells: Sequence[MeasuredCell]) -> str:
    """A sentence that says what stands after a ±; "" where nothing does."""
    measured = [cell for cell in cells if not cell.error]
    seeds = sorted({cell.seed for cell in measured if cell.seed is not None})
    if len(seeds) > 1:
        places = Counter((name_row(cell), cell.dataset, describe_place(cell)) for cell in measured)
        fewer = [count for count in places.values() if count < len(seeds)]
        over = " to ".join(map(str, sorted({min(fewer), max(fewer)}))) if fewer else ""
        lacking = f", at {len(fewer)} of {len(places)} places over {over} of them" if fewer else ""
        return f"± is the standard deviation over seeds {', '.join(map(str, seeds))}{lacking}."
    over_chains = any(
        key.endswith("_mean") and key.replace("_mean", "_std") in cell.numbers
        for cell in measured
        for key in cell.numbers
    )
    return "± is the standard deviation over test chains." if over_chains else ""


def describe_convergence(study: str, cells: Sequence[MeasuredCell]) -> str:
    """A sentence that names the cells no better than PPCA in any quality of the study; "" without either."""
    if (keys := QUALITIES.get(study)) is None:
        return ""
    linear = {
        (cell.dataset, cell.seed, describe_place(cell)): cell for cell in cells if cell.method == YARDSTICK
    }
    judged: Counter[str] = Counter()  # cells by place, each seed one
    behind: Counter[str] = Counter()
    for cell in cells:
        rival = linear.get((cell.dataset, cell.seed, describe_place(cell)))
        if cell.method == YARDSTICK or rival is None or cell.error or rival.error:
            continue
        where = " ".join((name_row(cell), name_dataset(cell.dataset), describe_place(cell))).strip()
        judged[where] += 1
        pairs = [(cell.numbers[key], rival.numbers[key]) for key in keys if key in cell.numbers]
        sign = -1 if study in HIGHER_IS_BETTER else 1
        if not any(sign * value < sign * linear_value for value, linear_value in pairs):
            behind[where] += 1
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


def describe_last_round(cells: Sequence[MeasuredCell]) -> str:
    """How near Figure 2's last cloud is to the prior, in units of the floor, by place; "" without such cells.

    That is Ours before the last round's correction, the mean over seeds.
    """
    ratios: dict[str, list[float]] = {}
    for cell in cells:
        if cell.method == "Ours" and "to_prior" in cell.curves:
            ratio = cell.curves["to_prior"][-1] / cell.numbers["floor"]
            ratios.setdefault(describe_place(cell), []).append(ratio)
    if not ratios:
        return ""
    words = ", ".join(f"{statistics.fmean(found):.2g} ({place})" for place, found in ratios.items())
    return (
        f"Before the last correction (Figure 2) the cost of Ours is, in units of the floor, {words}: at most "
        "twice the floor is a cloud that resembles the prior."
    )


def describe_rates(cells: Sequence[MeasuredCell]) -> str:
    """A sentence with what each method's learning rate was multiplied by; none where all are at 1."""
    factors = {cell.method: cell.rate_factor for cell in cells if cell.axes or not cell.error}
    if set(factors.values()) <= {1.0}:
        return ""
    words = ", ".join(f"{method} {factor:g}" for method, factor in factors.items() if method != YARDSTICK)
    return f"Learning rates, tuned on validation images, in units of the profile's: {words}."
