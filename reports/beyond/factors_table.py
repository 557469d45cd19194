"""The anomaly study as tables and a figure: the AUPRC by training, and by how z is inferred and scored."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from models.short_run.scores import SCORES
from pipeline.studies.auprc_factors import ALPHAS, TEST_STEPS, VARIATIONS, StudyRow, choose_best
from reports.drawing import OURS, REFERENCE, THIRD, save_figure

INFERENCES = ("draw", "mode")
PROTOCOLS = ("pooled", "tenth")
COLOURS = dict(zip(SCORES, (OURS, REFERENCE, THIRD), strict=True))
STYLES = {"draw": "-", "mode": "--"}


def to_frame(rows: Sequence[StudyRow]) -> pd.DataFrame:
    """All rows as a table."""
    return pd.DataFrame([asdict(row) for row in rows])


def render_study(rows: list[StudyRow], about: str) -> str:
    """The study in Markdown: what was chosen on the validation half, then the test half's AUPRC."""
    found = {(row.protocol, row.half, *row.way): row for row in rows}
    lines = ["### What decides the AUPRC", "", f"{about}. All numbers below are of the test half.", ""]
    header = [*(f"alpha = {alpha:g}" for alpha in ALPHAS)]
    for protocol in PROTOCOLS:
        best, judged = choose_best(rows, protocol)
        lines += [
            f"**{protocol}** (base rate {judged.base_rate:.3f}, {judged.n} images). Best on the validation "
            f"half: alpha {best.alpha:g}, {best.variation}, {best.inference} of {best.steps} steps, score "
            f"{best.score}: {best.auprc:.3f} there, {judged.auprc:.3f} on the test half.",
            "",
            f"| training (draw of {TEST_STEPS[0]} steps, joint) | " + " | ".join(header) + " |",
            "|" + "---|" * (len(header) + 1),
        ]
        for variation in VARIATIONS:
            cells = [
                found[protocol, "test", alpha, variation, "draw", TEST_STEPS[0], "joint"] for alpha in ALPHAS
            ]
            lines.append(f"| {variation} | " + " | ".join(f"{cell.auprc:.3f}" for cell in cells) + " |")
        lines += ["", "| inference and score (base) | " + " | ".join(header) + " |"]
        lines.append("|" + "---|" * (len(header) + 1))
        for inference, steps, score in itertools.product(INFERENCES, TEST_STEPS, SCORES):
            cells = [found[protocol, "test", alpha, "base", inference, steps, score] for alpha in ALPHAS]
            texts = " | ".join(f"{cell.auprc:.3f}" for cell in cells)
            lines.append(f"| {inference} of {steps} steps, {score} | {texts} |")
        lines.append("")
    return "\n".join([*lines, *(f"- {sentence}" for sentence in conclude(rows)), ""])


def conclude(rows: Sequence[StudyRow]) -> list[str]:
    """What moved the AUPRC of the test half, in sentences: each factor's mean over all crossed with it."""
    sentences = []
    for protocol in PROTOCOLS:
        here = [row for row in rows if (row.protocol, row.half) == (protocol, "test")]
        found = {row.way: row.auprc for row in here}
        base, *others = ALPHAS
        for alpha in others:
            gains = [found[alpha, *way[1:]] - value for way, value in found.items() if way[0] == base]
            higher = sum(gain > 0 for gain in gains)
            sentences.append(
                f"{protocol}: alpha {alpha:g} is above alpha {base:g} in {higher} of {len(gains)} ways, by "
                f"{statistics.fmean(gains):+.3f} on average, at most by {max(gains):+.3f}."
            )
        sentences.append(describe_best_test(protocol, rows))
        for factor in ("variation", "inference", "steps", "score"):
            levels: dict[object, list[float]] = {}
            for row in here:
                levels.setdefault(getattr(row, factor), []).append(row.auprc)
            means = {level: statistics.fmean(values) for level, values in levels.items()}
            spread = max(means.values()) - min(means.values())
            listed = ", ".join(f"{level} {mean:.3f}" for level, mean in means.items())
            sentences.append(f"{protocol}: {factor} moves the mean by {spread:.3f}: {listed}.")
    return sentences


def describe_best_test(protocol: str, rows: Sequence[StudyRow]) -> str:
    """The way of testing that is best on the validation half over all trainings, beside the paper's score."""
    means: dict[tuple[str, int, str], float] = {}
    for way in itertools.product(INFERENCES, TEST_STEPS, SCORES):
        found = [
            row.auprc
            for row in rows
            if (row.protocol, row.half) == (protocol, "validation") and row.way[2:] == way
        ]
        means[way] = statistics.fmean(found)
    best = max(means, key=lambda way: means[way])
    joint = max((way for way in means if way[2] == "joint"), key=lambda way: means[way])
    return (
        f"{protocol}: averaged over all trainings, the best way of testing on the validation half is a "
        f"{best[0]} of {best[1]} steps scored by {best[2]}, {means[best]:.3f}; of those scored by the joint "
        f"energy a {joint[0]} of {joint[1]} steps, {means[joint]:.3f}."
    )


def draw_study(path: Path, rows: Sequence[StudyRow], about: str) -> None:
    """Test steps against the AUPRC of the test half: a row for each protocol, a panel for each alpha."""
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    grid = figure.subplots(len(PROTOCOLS), len(ALPHAS), sharex=True, sharey="row")
    for line, protocol in zip(grid, PROTOCOLS, strict=True):
        for axis, alpha in zip(line, ALPHAS, strict=True):
            here = [row for row in rows if (row.protocol, row.half, row.alpha) == (protocol, "test", alpha)]
            for score, inference in itertools.product(SCORES, INFERENCES):
                base = [row for row in here if row.way[1:3] == ("base", inference) and row.score == score]
                axis.plot(
                    [row.steps for row in base],
                    [row.auprc for row in base],
                    STYLES[inference],
                    marker="o",
                    color=COLOURS[score],
                    label=f"{score}, {inference}",
                )
            axis.axhline(here[0].base_rate, color="0.6", linewidth=1)
            axis.set(title=f"{protocol}, alpha {alpha:g}", xlabel="test steps", xscale="log")
            axis.spines[["top", "right"]].set_visible(False)
    grid[0, 0].set_ylabel("AUPRC")
    grid[0, -1].legend(fontsize=8, frameon=False)
    figure.suptitle(f"AUPRC of the test half, base training: {about}", fontsize=11)
    save_figure(figure, path)
