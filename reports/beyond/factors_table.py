"""The anomaly study as tables and a figure: the AUPRC by training and by testing, and what moves it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

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
from reports.beyond.auprc_effects import FactorEffect
from reports.drawing import OURS, save_figure

Effects = Mapping[str, Sequence[FactorEffect]]  # by protocol


def render_study(rows: Sequence[StudyRow], effects: Effects, setup: str) -> str:
    """Render the study in Markdown: the effects, the choice on the validation half, the test half's AUPRC.

    ``setup``: data, held-out class, profile and seeds, in words.
    """
    n_seeds = len({row.seed for row in rows})
    lines = ["### What decides the AUPRC", "", f"{setup}.", ""]
    lines += [
        "What a factor adds to the AUPRC, with a 95 % interval. The unit is a training: its scorings are "
        f"averaged before they count. alpha: pairs of trainings, {len(VARIATIONS)} kinds by {n_seeds} seeds, "
        f"both of them random; the others: means of each seed, n = {n_seeds}. Of all test images.",
        "",
        "| factor | " + " | ".join(PROTOCOLS) + " |",
        "|" + "---|" * (len(PROTOCOLS) + 1),
    ]
    for of_factor in zip(*(effects[protocol] for protocol in PROTOCOLS), strict=True):
        lines.append(f"| {of_factor[0].name} | " + " | ".join(map(write_effect, of_factor)) + " |")
    papers = Testing(INFERENCES[0], TEST_STEPS[0], next(iter(SCORES)))
    for protocol in PROTOCOLS:
        lines += ["", *_render_protocol(rows, protocol, papers)]
    return "\n".join([*lines, ""])


def _render_protocol(rows: Sequence[StudyRow], protocol: str, papers: Testing) -> list[str]:
    """A protocol's choice and tables: by training at the paper's way of testing, by testing at the base."""
    judged = [row for row in rows if (row.protocol, row.half) == (protocol, "test")]
    best, validation, test = choose_best(rows, protocol)
    rate, n = np.mean([row.base_rate for row in judged]), judged[0].n
    header = [*(f"alpha = {alpha:g}" for alpha in ALPHAS)]

    def render_line(title: str, variation: str, testing: Testing) -> str:
        found = [write_mean(judged, Way(alpha, variation, *testing)) for alpha in ALPHAS]
        return f"| {title} | " + " | ".join(found) + " |"

    return [
        f"**{protocol}** (base rate {rate:.3f}, {n} images). Best on the validation half: "
        f"{describe_way(best)}: {validation:.3f} there, {test:.3f} on the test half, whose numbers follow.",
        "",
        f"| training ({describe_testing(papers)}) | " + " | ".join(header) + " |",
        "|" + "---|" * (len(header) + 1),
        *(render_line(variation, variation, papers) for variation in VARIATIONS),
        "",
        f"| inference and score ({BASE}) | " + " | ".join(header) + " |",
        "|" + "---|" * (len(header) + 1),
        *(render_line(describe_testing(testing), BASE, testing) for testing in list_testings()),
    ]


def write_mean(rows: Sequence[StudyRow], way: Way) -> str:
    """The mean over seeds, and of several the standard deviation: ``0.651 ± 0.02``."""
    values = [row.auprc for row in rows if row.way == way]
    mean = f"{np.mean(values):.3f}"
    return f"{mean} ± {np.std(values, ddof=1):.2g}" if len(values) > 1 else mean


def write_effect(effect: FactorEffect) -> str:
    """An effect with its interval: ``+0.031 [-0.012, +0.074]``."""
    mean, low, high = effect.interval
    return f"{mean:+.3f}" if math.isnan(low) else f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def describe_testing(testing: Testing) -> str:
    """A way of testing in words: ``draw of 20 steps, joint``."""
    return f"{testing.inference} of {testing.steps} steps, {testing.score}"


def describe_way(way: Way) -> str:
    """A training and a way of testing in words."""
    return f"alpha {way.alpha:g}, {way.variation}, {describe_testing(way.testing)}"


def list_testings() -> list[Testing]:
    """List every way of testing, in the tables' order."""
    return [Testing(*parts) for parts in itertools.product(INFERENCES, TEST_STEPS, SCORES)]


def draw_effects(path: Path, effects: Effects, setup: str) -> None:
    """Draw a panel a protocol: each factor's effect with its interval, every seed as a pale point."""
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    axes = figure.subplots(1, len(effects), sharex=True, sharey=True, squeeze=False)[0]
    for axis, (protocol, of_protocol) in zip(axes, effects.items(), strict=True):
        for height, effect in enumerate(of_protocol):
            mean, low, high = effect.interval
            axis.scatter(effect.by_seed, [height] * len(effect.by_seed), s=14, color=OURS, alpha=0.35)
            whiskers = [[mean - low], [high - mean]]
            axis.errorbar(mean, height, xerr=whiskers, fmt="o", color=OURS, capsize=3, markersize=5)
        axis.axvline(0, color="0.7", linewidth=1)
        axis.set(title=f"protocol {protocol}", xlabel="what it adds to the AUPRC")
        axis.set_yticks(range(len(of_protocol)), [effect.name for effect in of_protocol])
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].invert_yaxis()
    figure.suptitle(
        f"What moves the AUPRC: means over trainings with 95 % intervals; pale: each seed\n{setup}",
        fontsize=10,
    )
    save_figure(figure, path)
