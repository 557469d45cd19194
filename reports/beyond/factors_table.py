"""The anomaly study as tables and a figure: the AUPRC by training, and by how z is inferred and scored."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from models.short_run.scores import SCORES
from pipeline.studies.auprc_factors import (
    ALPHAS,
    BASE,
    INFERENCES,
    PROTOCOLS,
    TEST_STEPS,
    VARIATIONS,
    StudyRow,
    Testing,
    Way,
    choose_best,
)
from reports.drawing import OURS, REFERENCE, THIRD, save_figure

COLOURS = dict(zip(SCORES, (OURS, REFERENCE, THIRD), strict=True))
MARKERS = dict(zip(SCORES, ("o", "s", "^"), strict=True))
STYLES = {"draw": "-", "mode": "--"}


def to_frame(rows: Sequence[StudyRow]) -> pd.DataFrame:
    """Make a table of all rows."""
    return pd.DataFrame([asdict(row) for row in rows])


def render_study(rows: list[StudyRow], setup: str) -> str:
    """Render the study in Markdown: what was chosen on the validation half, then the test half's AUPRC.

    ``setup``: data, held-out class, profile and seed, in words.
    """
    on_test = {(row.protocol, row.way): row.auprc for row in rows if row.half == "test"}

    def render_line(title: str, protocol: str, variation: str, testing: Testing) -> str:
        auprcs = [on_test[protocol, Way(alpha, variation, *testing)] for alpha in ALPHAS]
        return f"| {title} | " + " | ".join(f"{auprc:.3f}" for auprc in auprcs) + " |"

    lines = ["### What decides the AUPRC", "", f"{setup}. All numbers below are of the test half.", ""]
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
        papers = Testing("draw", TEST_STEPS[0], "joint")
        lines += [render_line(variation, protocol, variation, papers) for variation in VARIATIONS]
        lines += ["", "| inference and score (base) | " + " | ".join(header) + " |"]
        lines.append("|" + "---|" * (len(header) + 1))
        for testing in list_testings():
            title = f"{testing.inference} of {testing.steps} steps, {testing.score}"
            lines.append(render_line(title, protocol, BASE, testing))
        lines.append("")
    return "\n".join([*lines, *(f"- {sentence}" for sentence in conclude(rows)), ""])


def list_testings() -> list[Testing]:
    """List every way of testing, in the tables' order."""
    return [Testing(*parts) for parts in itertools.product(INFERENCES, TEST_STEPS, SCORES)]


def conclude(rows: Sequence[StudyRow]) -> list[str]:
    """Say in sentences what moved the AUPRC of the test half: each factor's mean over all crossed with it."""
    sentences = []
    for protocol in PROTOCOLS:
        tested = [row for row in rows if (row.protocol, row.half) == (protocol, "test")]
        auprcs = {row.way: row.auprc for row in tested}
        base, *others = ALPHAS
        for alpha in others:
            gains = [
                auprcs[way._replace(alpha=alpha)] - auprc
                for way, auprc in auprcs.items()
                if way.alpha == base
            ]
            higher = sum(gain > 0 for gain in gains)
            sentences.append(
                f"{protocol}: alpha {alpha:g} is above alpha {base:g} in {higher} of {len(gains)} ways, by "
                f"{statistics.fmean(gains):+.3f} on average, at most by {max(gains):+.3f}."
            )
        sentences.append(describe_best_test(protocol, rows))
        for factor in ("variation", "inference", "steps", "score"):
            levels: dict[object, list[float]] = {}
            for row in tested:
                levels.setdefault(getattr(row, factor), []).append(row.auprc)
            means = {level: statistics.fmean(values) for level, values in levels.items()}
            spread = max(means.values()) - min(means.values())
            listed = ", ".join(f"{level} {mean:.3f}" for level, mean in means.items())
            sentences.append(f"{protocol}: {factor} moves the mean by {spread:.3f}: {listed}.")
    return sentences


def describe_best_test(protocol: str, rows: Sequence[StudyRow]) -> str:
    """Name the way of testing that is best on the validation half over all trainings, beside the paper's."""
    validated = [row for row in rows if (row.protocol, row.half) == (protocol, "validation")]
    means = {
        testing: statistics.fmean(row.auprc for row in validated if row.way.testing == testing)
        for testing in list_testings()
    }
    best = max(means, key=lambda testing: means[testing])
    joint = max(
        (testing for testing in means if testing.score == "joint"), key=lambda testing: means[testing]
    )
    return (
        f"{protocol}: averaged over all trainings, the best way of testing on the validation half is a "
        f"{best.inference} of {best.steps} steps scored by {best.score}, {means[best]:.3f}; of those "
        f"scored by the joint energy a {joint.inference} of {joint.steps} steps, {means[joint]:.3f}."
    )


def draw_study(path: Path, rows: Sequence[StudyRow], setup: str) -> None:
    """Draw test steps against the AUPRC of the test half: a row for each protocol, a panel for each alpha."""
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    grid = figure.subplots(len(PROTOCOLS), len(ALPHAS), sharex=True, sharey="row")
    for line, protocol in zip(grid, PROTOCOLS, strict=True):
        for axis, alpha in zip(line, ALPHAS, strict=True):
            tested = [row for row in rows if (row.protocol, row.half, row.alpha) == (protocol, "test", alpha)]
            for score, inference in itertools.product(SCORES, INFERENCES):
                line_of = (BASE, inference, score)
                shown = [row for row in tested if (row.variation, row.inference, row.score) == line_of]
                axis.plot(
                    [row.steps for row in shown],
                    [row.auprc for row in shown],
                    STYLES[inference],
                    marker=MARKERS[score],
                    fillstyle="full" if inference == INFERENCES[0] else "none",
                    color=COLOURS[score],
                    label=f"{score}, {inference}",
                )
            axis.axhline(tested[0].base_rate, color="#000000", linewidth=1, linestyle=":", label="base rate")
            axis.set(title=f"{protocol}, alpha {alpha:g}", xscale="log")
            axis.set_xticks(TEST_STEPS, [str(steps) for steps in TEST_STEPS])
            axis.xaxis.set_minor_locator(NullLocator())
            axis.spines[["top", "right"]].set_visible(False)
        line[0].set_ylabel("AUPRC")
    for axis in grid[-1]:
        axis.set_xlabel("Langevin steps at test time")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=9, frameon=False)
    figure.suptitle(f"AUPRC of the test half, base training: {setup}", fontsize=11)
    save_figure(figure, path)
