"""The leaderboard: a line a method over all that is measured of it, and all of it as a picture."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from models.catalogue import Method
from pipeline.studies.measured import MeasuredCell
from pipeline.studies.workload import CLOSED_FORM
from reports.beyond.counted import count_all_updates
from reports.beyond.leaderboard_columns import COLUMNS, QUALITIES
from reports.beyond.leaderboard_notes import OWN_GENERATOR, explain_columns, list_notes, tell_lacks
from reports.beyond.rank_table import render_ranks
from reports.beyond.standings import find_edges, mark_all
from reports.drawing import OURS, REFERENCE, save_figure
from reports.paper.all_methods import (
    DISTANCE,
    LENGTH,
    describe_spread,
    find_longest,
    keep_longest,
    list_longer,
    list_unmeasured,
)
from reports.paper.names import name_dataset, show_method
from reports.result_table import write_digits

EVALUATIONS = "evaluations for an image's z"
COMMAND = "dvc --cd beyond repro leaderboard"


def tabulate(cells: Sequence[MeasuredCell]) -> pd.DataFrame:
    """Tabulate a row a method, in the cells' order: mean and std of each column over seeds, what failed."""
    updates, rows = count_all_updates(cells), []
    for method in dict.fromkeys(cell.method for cell in cells):
        seeds = [cell for cell in cells if cell.method == method]
        row: dict[str, object] = {
            "method": show_method(method),
            "seeds": sum(not cell.error for cell in seeds),
        }
        for key in COLUMNS:
            values = [cell.numbers[key] for cell in seeds if key in cell.numbers]
            if key == "sample_gradients" and method in CLOSED_FORM:
                values = []  # offered and not used
            elif key == "updates" and method in updates:
                values = [float(updates[method].number) for cell in seeds if not cell.error]
            row[key] = statistics.fmean(values) if values else math.nan
            row[f"{key}_std"] = statistics.stdev(values) if len(values) > 1 else math.nan
        lacks = (reason for cell in seeds for reason in tell_lacks(method, cell.lacks).values())
        row["lacks"] = "; ".join(dict.fromkeys(lacks))
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
    measured = [cell for cell in longest if not cell.error]
    records = tabulate(longest).to_dict("records")
    methods = list(dict.fromkeys(cell.method for cell in longest))  # by key, where a record has its name
    chosen = {cell.method: cell.rate_factor for cell in measured}
    marks, edges = mark_all(cells, longest), find_edges(measured, factors)
    n = measured[0].numbers["n"] if measured else 0
    where = name_dataset(measured[0].dataset) if measured else "nothing measured"
    lengths = sorted({cell.axes[LENGTH] for cell in cells if LENGTH in cell.axes})
    trained = f" after {find_longest(cells)} rounds" if lengths else ""
    lines = [
        "### Leaderboard",
        "",
        f"Profile {profile}, {where}, {n:,.0f} training images{trained}, {describe_spread(measured)}. "
        f"{explain_columns(tuned, lengths)}",
        "",
        "| method | seeds | rate | " + " | ".join([*COLUMNS.values(), EVALUATIONS]) + " | |",
        "|" + "---|" * (len(COLUMNS) + 5),
    ]
    for method, row in zip(methods, records, strict=True):
        texts = [_format(row[key], row[f"{key}_std"]) for key in COLUMNS]
        has_rate = method in chosen and method not in CLOSED_FORM
        rate = f"x {chosen[method]:g}{'*' if method in edges else ''}" if has_rate else ""
        infers = not math.isnan(row["mse_test_point"])
        texts.append(str((evaluations or {}).get(method, "")) if infers else "")
        name = f"| {row['method']} | {row['seeds']} | {rate} | "
        lines.append(name + " | ".join(texts) + f" | {marks.get(method, '')} |")
    notes = list_notes(measured, count_all_updates(measured))
    notes += [f"- {row['method']} {row['lacks']}" for row in records if row["lacks"]]
    notes += [f"- {row['method']}: {row['failed']}" for row in records if row["failed"]]
    gaps = [cell.numbers["duality_gap"] for cell in measured if "duality_gap" in cell.numbers]
    if gaps:
        notes.append(f"- iWGAN: duality gap at the end {', '.join(f'{gap:.3g}' for gap in gaps)}, by seed")
    notes += [
        f"- Of {length} rounds there are {', '.join(map(show_method, longer))} alone, which are not shown"
        for length, longer in list_longer(cells).items()
    ]
    if absent:
        names = ", ".join(map(show_method, absent))
        notes.append(f"- Not measured yet: {names}; `{COMMAND}` measures what is missing")
    return "\n".join([*lines, "", *render_ranks(measured), "", *notes, ""])


def render_methods(methods: Mapping[str, Method]) -> str:
    """Render who proposed each method, where it is written, where its hyper-parameters come from."""
    lines = [
        "### Methods",
        "",
        "All have the same sigma, minibatch and number of sample-gradients, and the same generator (as "
        f"decoder, where they have one): only {OWN_GENERATOR}. The settings below are what each has beyond "
        "that.",
        "",
        "| method | source | settings | module |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {show_method(name)} | {one.source} | {one.settings} | `{one.module}` |"
        for name, one in methods.items()
    ]
    return "\n".join([*lines, ""])


def _format(mean: float, std: float) -> str:
    if math.isnan(mean):
        return ""
    text = f"{mean:,.0f}" if mean >= 1000 else f"{mean:.3g}"
    if math.isnan(std) or std == 0:
        return text
    return f"{text} ± {f'{std:.0f}' if std >= 1 else write_digits(std, 1)}"


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
