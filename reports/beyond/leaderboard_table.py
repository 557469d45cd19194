"""The leaderboard: a line a method over all that is measured of it, and all of it as a picture."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from models.catalogue import Method
from pipeline.evaluation.effects import UNDECIDED, estimate_over_seeds
from pipeline.studies.measured import MeasuredCell
from pipeline.studies.workload import CLOSED_FORM
from reports.beyond.standings import (
    CHANGING,
    compare_with_ours,
    find_edges,
    mark_lengths,
    rank_by_seed,
)
from reports.drawing import OURS, REFERENCE, save_figure
from reports.paper.all_methods import (
    DISTANCE,
    LENGTH,
    describe_spread,
    find_longest,
    has_several_seeds,
    keep_longest,
    list_longer,
    list_unmeasured,
)
from reports.paper.layouts import WAYS
from reports.paper.names import name_dataset

COLUMNS = {
    "mse_test_point": "MSE, test, point",
    "mse_test_draw": "MSE, test, draw",
    "frechet_distance": "Frechet distance",
    "tenth_mean": "AUPRC, tenth",
    "pooled_mean": "AUPRC, pooled",
    "absolute_error_point": "recovery error, point",
    "absolute_error_draw": "recovery error, draw",
    "parameters": "parameters",
    "training_seconds": "training, s of one thread",
    "sample_gradients": "budget, sample-gradients",
    "score_seconds": "scoring 1,000 images, s",
}
EVALUATIONS = "evaluations for an image's z"
FEWEST_SEEDS = 3  # for an interval of ranks: two that agree by chance would have one of no width
COMMAND = "dvc --cd beyond repro leaderboard"
QUALITIES = {  # with the better side
    "mse_test_point": "lower",
    "frechet_distance": "lower",
    "pooled_mean": "higher",
    "absolute_error_point": "lower",
}


def tabulate(cells: Sequence[MeasuredCell]) -> pd.DataFrame:
    """Tabulate a row a method, in the cells' order: mean and std of each column over seeds, what failed."""
    rows = []
    for method in dict.fromkeys(cell.method for cell in cells):
        seeds = [cell for cell in cells if cell.method == method]
        row: dict[str, object] = {"method": method, "seeds": sum(not cell.error for cell in seeds)}
        for key in COLUMNS:
            values = [cell.numbers[key] for cell in seeds if key in cell.numbers]
            if key == "sample_gradients" and method in CLOSED_FORM:
                values = []  # offered and not used
            row[key] = statistics.fmean(values) if values else math.nan
            row[f"{key}_std"] = statistics.stdev(values) if len(values) > 1 else math.nan
        lacks = dict.fromkeys(reason for cell in seeds for reason in cell.lacks.values())
        row["lacks"] = "; ".join(lacks)
        row["failed"] = "; ".join(dict.fromkeys(cell.error for cell in seeds if cell.error))
        rows.append(row)
    return pd.DataFrame(rows)


def render(
    cells: Sequence[MeasuredCell],
    profile: str,
    factors: Collection[float] = (),
    tuned: str = "tuning",
    evaluations: Mapping[str, int] | None = None,
) -> str:
    """Render the leaderboard in Markdown: the longest trainings' numbers, then ranks and verdicts.

    ``cells``: of all lengths; ``factors``: of the learning rate that the study ``tuned`` tried;
    ``evaluations``: of each method's network for one test image's z.
    """
    absent, longest = list_unmeasured(cells), keep_longest(cells)
    frame = tabulate(longest)
    measured = [cell for cell in longest if not cell.error]
    chosen = {cell.method: cell.rate_factor for cell in measured}
    marks, edges = mark_lengths(cells), find_edges(measured, factors)
    n = measured[0].numbers["n"] if measured else 0
    where = name_dataset(measured[0].dataset) if measured else "nothing measured"
    lengths = sorted({cell.axes[LENGTH] for cell in cells if LENGTH in cell.axes})
    trained = f" after {find_longest(cells)} rounds" if lengths else ""
    lines = [
        "### Leaderboard",
        "",
        f"Profile {profile}, {where}, {n:,.0f} training images{trained}, {describe_spread(measured)}. Every "
        "method has the same data, generator, minibatch and budget of sample-gradients; seconds are of one "
        "thread. An empty cell: the method lacks it, as PPCA and FA do a rate and gradients. Rate: what the "
        "method's learning rate was multiplied "
        f"by, chosen on a validation split ({tuned}.md), with an asterisk at the edge of what was tried. "
        f"{_explain_marks(lengths)} {WAYS} Recovery: the mean absolute error of hidden pixels. A "
        "chain's evaluations come with a gradient. Sources and settings are in methods.md.",
        "",
        "| method | seeds | rate | " + " | ".join([*COLUMNS.values(), EVALUATIONS]) + " | |",
        "|" + "---|" * (len(COLUMNS) + 5),
    ]
    for row in frame.to_dict("records"):
        method = str(row["method"])
        texts = [_format(row[key], row[f"{key}_std"]) for key in COLUMNS]
        has_rate = method in chosen and method not in CLOSED_FORM
        rate = f"x {chosen[method]:g}{'*' if method in edges else ''}" if has_rate else ""
        infers = not math.isnan(row["mse_test_point"])
        texts.append(str((evaluations or {}).get(method, "")) if infers else "")
        lines.append(
            f"| {method} | {row['seeds']} | {rate} | " + " | ".join(texts) + f" | {marks.get(method, '')} |"
        )
    notes = [f"- {row['method']} {row['lacks']}" for row in frame.to_dict("records") if row["lacks"]]
    notes += [f"- {row['method']}: {row['failed']}" for row in frame.to_dict("records") if row["failed"]]
    gaps = [cell.numbers["duality_gap"] for cell in measured if "duality_gap" in cell.numbers]
    if gaps:
        notes.append(f"- iWGAN: duality gap at the end {', '.join(f'{gap:.3g}' for gap in gaps)}, by seed")
    notes += [
        f"- Of {length} rounds there are {', '.join(methods)} alone, which are not shown"
        for length, methods in list_longer(cells).items()
    ]
    if absent:
        notes.append(f"- Not measured yet: {', '.join(absent)}; `{COMMAND}` measures what is missing")
    return "\n".join([*lines, "", *render_ranks(measured), "", *notes, ""])


def _explain_marks(lengths: Sequence[int]) -> str:
    if len(lengths) == 1:
        return "Whether a distance still falls is not known: there are trainings of one length."
    return (
        f"Not converged: the Frechet distance still falls by more than {100 * CHANGING:.0f} % over the last "
        "factor of four in length; worse when longer: it rises by more than that."
    )


def render_ranks(cells: Sequence[MeasuredCell]) -> list[str]:
    """Render each method's ranks, of three or more seeds as a mean with its interval, and who beats Ours."""
    ranks = {key: rank_by_seed(cells, key, side) for key, side in QUALITIES.items()}
    verdicts = {
        key: {one.method: one for one in compare_with_ours(cells, key, side)}
        for key, side in QUALITIES.items()
    }
    several = has_several_seeds(cells)
    lines = [
        f"{_tell_seeds(ranks.values())} Beside Ours: better or worse where the effect's interval, paired by "
        "seed and adjusted for all methods by Holm, is beyond the smallest that matters (5 % of an error or "
        "a distance, .02 of an AUPRC), no difference where it is within; nothing is said of what is open."
        if several
        else "Rank of one seed, which has no interval and decides nothing.",
        "",
        "| method | " + " | ".join(COLUMNS[key] for key in QUALITIES) + " |",
        "|" + "---|" * (len(QUALITIES) + 1),
    ]
    for method in dict.fromkeys(cell.method for cell in cells):
        texts = []
        for key in QUALITIES:
            text = _format_ranks(ranks[key][method], len(ranks[key])) if method in ranks[key] else ""
            one = verdicts[key].get(method)
            if several and one is not None and one.verdict != UNDECIDED:
                text += f" {one.verdict}"
            texts.append(text.strip())
        lines.append(f"| {method} | " + " | ".join(texts) + " |")
    return lines


def _tell_seeds(ranks: Iterable[Mapping[str, np.ndarray]]) -> str:
    """What a rank is: seeds count in which every method that has the quality was measured."""
    seeds = {len(by_seed) for of_methods in ranks for by_seed in of_methods.values()}
    words = " to ".join(map(str, sorted({min(seeds), max(seeds)}))) if seeds else "no"
    among = f"of the {words} seeds in which all methods were measured"
    if max(seeds, default=0) < FEWEST_SEEDS:
        return f"Rank in each {among}, which are too few for an interval."
    return f"Mean rank {among} [95 % interval]; of fewer than {FEWEST_SEEDS} seeds each one's."


def _format_ranks(ranks: np.ndarray, last: int) -> str:
    """A mean rank with its interval, cut to the ranks from 1 to ``last``; of few seeds each one's rank."""
    if len(ranks) < FEWEST_SEEDS:
        return ", ".join(f"{rank:g}" for rank in ranks)
    estimate = estimate_over_seeds(ranks)
    low, high = (float(end) for end in estimate.bound())
    return f"{float(estimate.effect):.1f} [{max(1.0, low):.1f}, {min(last, high):.1f}]"


def render_methods(methods: Mapping[str, Method]) -> str:
    """Render who proposed each method, where it is written, where its hyper-parameters come from."""
    lines = [
        "### Methods",
        "",
        "All have the same generator (as decoder, where they have one), sigma, minibatch and number of "
        "sample-gradients; the settings below are what each has beyond that.",
        "",
        "| method | source | settings | module |",
        "|---|---|---|---|",
    ]
    lines += [f"| {name} | {one.source} | {one.settings} | `{one.module}` |" for name, one in methods.items()]
    return "\n".join([*lines, ""])


def _format(mean: float, std: float) -> str:
    if math.isnan(mean):
        return ""
    text = f"{mean:,.0f}" if mean >= 1000 else f"{mean:.3g}"
    spread = f"{std:.0f}" if std >= 1 else f"{std:.1g}"  # .1g alone writes 50 as 5e+01
    return text if math.isnan(std) or std == 0 else f"{text} ± {spread}"


def draw_leaderboard(path: Path, frame: pd.DataFrame) -> None:
    """Draw each quality and the training's seconds, a line a method in one order, its mean ± std over seeds.

    The order is that of the Frechet distance, best first; Ours in another colour and shape. What a method
    lacks is an empty place in its line.
    """
    ordered = frame.sort_values(DISTANCE, kind="stable", na_position="last").to_dict("records")
    names = [str(row["method"]) for row in ordered]
    panels = {**QUALITIES, "training_seconds": "lower"}
    figure = Figure(figsize=(15, 1.6 + 0.24 * len(names)), layout="constrained")
    every = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, (key, side) in zip(every, panels.items(), strict=True):
        for place, row in enumerate(ordered):
            if math.isnan(row[key]):
                continue
            is_ours = names[place].startswith("Ours")
            spread = None if math.isnan(row[f"{key}_std"]) else row[f"{key}_std"]
            axis.errorbar(
                row[key], place, xerr=spread, fmt="s" if is_ours else "o", markersize=6 if is_ours else 5,
                color=OURS if is_ours else REFERENCE, elinewidth=1.2, capsize=2,
            )  # fmt: skip
        axis.set(xscale="log", title=f"{COLUMNS[key]}\n({side} is better)")
        axis.xaxis.set_major_locator(FixedLocator(pick_ticks(*axis.get_xlim())))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.tick_params(axis="x", labelsize=8)
        axis.title.set_fontsize(10)
        axis.grid(color="0.9", linewidth=0.8)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    every[0].set_yticks(range(len(names)), names, fontsize=9)
    every[0].set_ylim(len(names) - 0.5, -0.5)
    for label in every[0].get_yticklabels():
        label.set_fontweight("bold" if label.get_text().startswith("Ours") else "normal")
    seeds = sorted({int(row["seeds"]) for row in ordered if row["seeds"]})
    words = "-".join(map(str, seeds[:1] + seeds[1:][-1:])) if seeds else "no"
    means = "one seed" if seeds == [1] else f"mean ± std of {words} seeds"
    figure.suptitle(f"Every method, in order of the Frechet distance: {means}", fontsize=12)
    save_figure(figure, path)


def pick_ticks(low: float, high: float) -> list[float]:
    """Pick a few round numbers on a logarithmic axis from ``low`` to ``high``, whose labels stand apart."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,)):
        ticks = [float(f"{digit}e{power}") for power in decades for digit in digits]
        inside = [tick for tick in ticks if low <= tick <= high]
        if 3 <= len(inside) <= 6:
            return inside
    return [
        float(tick)
        for tick in MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, high)
        if low <= tick <= high and tick > 0
    ]
