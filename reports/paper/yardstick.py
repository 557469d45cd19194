"""What must be known of a study's cells: their spreads, their learning rates, what they have learned."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Collection, Sequence

from pipeline.studies.grid import read_grid
from pipeline.studies.measured import MeasuredCell
from reports.paper.alpha_choice import describe_alpha
from reports.paper.gains import describe_gains
from reports.paper.learned import YARDSTICK, describe_convergence
from reports.paper.names import describe_place, name_dataset, name_row, show_method


def describe_cells(study: str, cells: Sequence[MeasuredCell]) -> str:
    """All sentences on a study's cells that there is something to say in; "" where there is not."""
    gains = describe_gains("ABP", cells) if study == "convergence" else ""
    choice = describe_alpha(cells) if study == "alphas" else ""
    last = describe_last_round(cells) if study == "figure3" else ""
    sentences = (
        describe_spreads(cells),
        describe_rates(cells, list_tried(study)),
        describe_floors(cells),
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


def describe_floors(cells: Sequence[MeasuredCell]) -> str:
    """Say how far test images themselves are from the training images, by data set; "" without distances."""
    floors: dict[str, list[float]] = {}
    for cell in cells:
        if "frechet_distance" in cell.numbers and "floor" in cell.numbers:
            floors.setdefault(name_dataset(cell.dataset), []).append(cell.numbers["floor"])
    if not floors:
        return ""
    words = ", ".join(
        " to ".join(dict.fromkeys(f"{value:.2g}" for value in (min(found), max(found)))) + f" ({name})"
        for name, found in floors.items()
    )
    return f"The floor of a Frechet distance, that of test images to the training images: {words}."


def list_tried(study: str) -> tuple[float, ...]:
    """The factors of the learning rate among which the study's were chosen; none where they were not."""
    studies = read_grid()["studies"]
    tuning = studies.get(study, {}).get("tuned_by")
    return tuple(map(float, studies[tuning]["axes"]["rate_factor"])) if tuning else ()


def describe_rates(cells: Sequence[MeasuredCell], tried: Sequence[float] = ()) -> str:
    """A sentence with what each method's learning rate was multiplied by; none where all are at 1.

    The data sets of a factor are named where a method has several factors. ``tried``: the factors that
    there were to choose from; one at their edge has an asterisk.
    """
    factors: dict[str, dict[float, list[str]]] = {}  # by method: the data sets of each factor
    for cell in cells:
        if cell.method != YARDSTICK and (cell.axes or not cell.error):
            names = factors.setdefault(cell.method, {}).setdefault(cell.rate_factor, [])
            names.extend([] if cell.dataset in names else [cell.dataset])
    if all(set(of_method) == {1.0} for of_method in factors.values()):
        return ""
    separator = ", " if all(len(of_method) == 1 for of_method in factors.values()) else "; "
    edges = {min(tried), max(tried)} if tried else set()
    words = separator.join(
        f"{show_method(method)} {_list_factors(of_method, edges)}" for method, of_method in factors.items()
    )
    starred = any(factor in edges for of_method in factors.values() for factor in of_method)
    mark = "; * the last that was tried, so a better one may lie beyond it" if starred else ""
    return f"Learning rates, tuned on validation images, in units of the profile's: {words}{mark}."


def _list_factors(factors: dict[float, list[str]], edges: Collection[float]) -> str:
    told = {f"{factor:g}{'*' * (factor in edges)}": names for factor, names in factors.items()}
    if len(told) == 1:
        return next(iter(told))
    return ", ".join(f"{factor} ({', '.join(names)})" for factor, names in told.items())
