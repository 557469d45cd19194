"""The leaderboard: a line a method over all that is measured of it, and all of it as a picture."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from models.catalogue import Method
from pipeline.studies.measured import MeasuredCell
from reports.drawing import OURS, REFERENCE, save_figure
from reports.paper.names import name_dataset

COLUMNS = {
    "mse_test": "MSE, test",
    "frechet_distance": "Frechet distance",
    "tenth_mean": "AUPRC, tenth",
    "pooled_mean": "AUPRC, pooled",
    "absolute_error": "recovery, mean absolute error",
    "parameters": "parameters",
    "training_seconds": "training, s",
    "sample_gradients": "budget, sample-gradients",
    "score_seconds": "scoring 1,000 images, s",
}
ORDER = "frechet_distance"  # of the lines of the figure
QUALITIES = {  # with the better side
    "mse_test": "lower",
    "frechet_distance": "lower",
    "pooled_mean": "higher",
    "absolute_error": "lower",
}


def tabulate(cells: Sequence[MeasuredCell]) -> pd.DataFrame:
    """Tabulate a row a method, in the cells' order: mean and std of each column over seeds, what failed."""
    rows = []
    for method in dict.fromkeys(cell.method for cell in cells):
        seeds = [cell for cell in cells if cell.method == method]
        row: dict[str, object] = {"method": method, "seeds": sum(not cell.error for cell in seeds)}
        for key in COLUMNS:
            values = [cell.numbers[key] for cell in seeds if key in cell.numbers]
            row[key] = statistics.fmean(values) if values else math.nan
            row[f"{key}_std"] = statistics.stdev(values) if len(values) > 1 else math.nan
        lacks = dict.fromkeys(reason for cell in seeds for reason in cell.lacks.values())
        row["lacks"] = "; ".join(lacks)
        row["failed"] = "; ".join(dict.fromkeys(cell.error for cell in seeds if cell.error))
        rows.append(row)
    return pd.DataFrame(rows)


def render(frame: pd.DataFrame, cells: Sequence[MeasuredCell], profile: str) -> str:
    """Render the leaderboard in Markdown; the best value of each quality is bold."""
    measured = [cell for cell in cells if not cell.error]
    factors = {cell.method: cell.rate_factor for cell in measured}
    n = measured[0].numbers["n"] if measured else 0
    where = name_dataset(measured[0].dataset) if measured else "nothing measured"
    lines = [
        "### Leaderboard",
        "",
        f"Profile {profile}, {where}, {n:.0f} training images, mean ± standard deviation over seeds. Every "
        "method has the same data, generator, minibatch and budget of sample-gradients. An empty cell: the "
        "method lacks it. Rate: what the method's learning rate was multiplied by, chosen on a validation "
        "split (tuning.md); sources and settings are in methods.md.",
        "",
        "| method | seeds | rate | " + " | ".join(COLUMNS.values()) + " |",
        "|" + "---|" * (len(COLUMNS) + 3),
    ]
    best = {key: frame[key].min() if side == "lower" else frame[key].max() for key, side in QUALITIES.items()}
    for row in frame.to_dict("records"):
        texts = []
        for key in COLUMNS:
            text = _format(row[key], row[f"{key}_std"])
            texts.append(f"**{text}**" if text and row[key] == best.get(key) else text)
        factor = factors.get(row["method"])
        rate = "" if factor is None else f"x {factor:g}"
        lines.append(f"| {row['method']} | {row['seeds']} | {rate} | " + " | ".join(texts) + " |")
    notes = [f"- {row['method']} {row['lacks']}" for row in frame.to_dict("records") if row["lacks"]]
    notes += [f"- {row['method']}: {row['failed']}" for row in frame.to_dict("records") if row["failed"]]
    gaps = [cell.numbers["duality_gap"] for cell in measured if "duality_gap" in cell.numbers]
    if gaps:
        notes.append(f"- iWGAN: duality gap at the end {', '.join(f'{gap:.3g}' for gap in gaps)}, by seed")
    return "\n".join([*lines, "", *compare_with_ours(frame), "", *notes, ""])


def compare_with_ours(frame: pd.DataFrame) -> list[str]:
    """List for each quality the methods whose mean is better than Ours', apart from it or not."""
    if "Ours" not in set(frame["method"]):
        return []
    ours = next(row for row in frame.to_dict("records") if row["method"] == "Ours")
    lines = []
    for key, side in QUALITIES.items():
        clearly: list[str] = []
        barely: list[str] = []
        ordered = frame.sort_values(key, ascending=side == "lower")
        for row in ordered.to_dict("records"):
            lead = (ours[key] - row[key]) * (1 if side == "lower" else -1)
            if lead > 0:
                spread = math.hypot(
                    *(0.0 if math.isnan(one[f"{key}_std"]) else one[f"{key}_std"] for one in (ours, row))
                )
                (clearly if lead > spread else barely).append(str(row["method"]))
        if math.isnan(ours[key]):
            continue
        text = f"- {COLUMNS[key]}: Ours has {_format(ours[key], ours[f'{key}_std'])}; "
        text += f"better by more than the spread of both: {', '.join(clearly) or 'none'}"
        lines.append(f"{text}; by less: {', '.join(barely)}." if barely else f"{text}.")
    return lines


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
    ordered = frame.sort_values(ORDER, kind="stable", na_position="last").to_dict("records")
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
    seeds = sorted({int(row["seeds"]) for row in ordered})
    words = "-".join(map(str, seeds[:1] + seeds[1:][-1:])) if seeds else "no"
    figure.suptitle(
        f"Every method, in order of the Frechet distance: mean ± std of {words} seeds", fontsize=12
    )
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
