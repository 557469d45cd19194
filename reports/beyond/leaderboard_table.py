"""The leaderboard: a line a method over all that is measured of it, and quality against cost as a picture."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

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
    """Draw training seconds against each quality, a point a method, ours in colour."""
    figure = Figure(figsize=(17, 13), layout="constrained")
    for axis, (key, side) in zip(figure.subplots(2, 2).flat, QUALITIES.items(), strict=True):
        for row in frame.to_dict("records"):
            if math.isnan(row[key]):
                continue
            colour = OURS if str(row["method"]).startswith("Ours") else REFERENCE
            spread = None if math.isnan(row[f"{key}_std"]) else row[f"{key}_std"]
            axis.errorbar(row["training_seconds"], row[key], spread, fmt="o", color=colour)
            axis.annotate(
                row["method"],
                (row["training_seconds"], row[key]),
                xytext=(4, 3),
                textcoords="offset points",
                fontsize=8,
            )
        axis.set(
            xscale="log", yscale="log", xlabel="training, s", ylabel=f"{COLUMNS[key]} ({side} is better)"
        )
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle("Quality against cost", fontsize=12)
    save_figure(figure, path)
