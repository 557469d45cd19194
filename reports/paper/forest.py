"""The forest plot: every claim's effect with its interval, its places below it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from pipeline.evaluation.effects import UNDECIDED
from reports.drawing import save_figure
from reports.paper.claim_values import Verdict

LOOKS = {  # Okabe and Ito's colours, told apart without colour by their markers
    "reproduces": ("#0072b2", "o"),
    "contradicted": ("#d55e00", "X"),
    "no difference": ("#009e73", "s"),
    UNDECIDED: ("#6b6b6b", "D"),
}
WIDTH, LINE, LETTERS = 12.0, 0.185, 72  # inches, inches of a line of text, letters of a claim in a line
PANEL = (0.45, 0.84)  # of the figure's width: claims left of it, numbers right
MARKS = {  # ticks of an axis: positions and texts
    "ratio": {
        sign * np.log(by): f"{'×' if sign > 0 else '÷'}{by:g}" for by in (1.1, 1.5, 3, 10) for sign in (1, -1)
    },
    "difference": {sign * by: f"{sign * by:+g}" for by in (0.03, 0.1, 0.3, 0.6) for sign in (1, -1)},
}
TITLES = {
    "ratio": "errors and distances: how many times the claim's side is ahead",
    "difference": "AUPRC: how much the claim's side is ahead",
}


def draw_forest(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Draw the figure of ``build_forest`` into a file."""
    save_figure(build_forest(verdicts), path, dpi=100)


def build_forest(verdicts: Sequence[Verdict]) -> Figure:
    """Build a panel for each unit: a line a claim, thinner ones for its places, the margin as a band.

    Beyond an axis's end an interval ends in an arrow. One without interval is a hollow marker.
    """
    units = [unit for unit in TITLES if any(one.claim.unit == unit for one in verdicts)]
    panels = [[one for one in verdicts if one.claim.unit == unit] for unit in units]
    with_title = len({one.claim.study for one in verdicts}) > 1
    heights = [sum(_count_lines(one, with_title) for one in panel) * LINE for panel in panels]
    above, between = 0.85, 1.0  # inches: for the legend, and for an axis with the next panel's title
    total = above + sum(heights) + between * len(panels)
    figure = Figure(figsize=(WIDTH, max(total, 1.5)))
    top = total - above
    for unit, panel, height in zip(units, panels, heights, strict=True):
        left, right = PANEL
        axes = figure.add_axes((left, (top - height) / total, right - left, height / total))
        _draw_panel(axes, unit, panel, with_title)
        top -= height + between
    handles = [
        Line2D([], [], color=colour, marker=marker, label=word) for word, (colour, marker) in LOOKS.items()
    ]
    handles.append(
        Line2D([], [], color="#6b6b6b", marker="D", mfc="white", ls="", label="one seed: no interval")
    )
    figure.legend(handles=handles, loc="upper center", ncols=len(handles), frameon=False, fontsize=9)
    return figure


def _label(verdict: Verdict, with_title: bool) -> str:
    """What stands left of a row: its place, or the claim, after its table's name where there are several."""
    if verdict.place:
        return textwrap.shorten(verdict.place, LETTERS, placeholder=" ...")
    return textwrap.fill(verdict.claim.label if with_title else verdict.claim.text, LETTERS)


def _count_lines(verdict: Verdict, with_title: bool) -> float:
    """The height of a row in lines of text: a claim stands apart from what is above it."""
    return 1.0 if verdict.place else _label(verdict, with_title).count("\n") + 1.7


def _draw_panel(axes: Axes, unit: str, verdicts: Sequence[Verdict], with_title: bool) -> None:
    margin = verdicts[0].claim.margin
    effects = [abs(one.effect) for one in verdicts if one.effect is not None]
    limit = max(4 * margin, 1.6 * max(effects, default=0))
    axes.set_xscale("asinh", linear_width=2 * margin)
    axes.axvspan(-margin, margin, color="0.92", linewidth=0)
    axes.axvline(0, color="0.4", linewidth=0.8)
    depth = 0.0
    for one in verdicts:
        height = _count_lines(one, with_title)
        depth += height
        middle = depth - 0.5 * (height if one.place else height - 0.7)
        _draw_row(axes, one, _label(one, with_title), middle, limit)
    axes.set(xlim=(-limit, limit), ylim=(depth + 0.4, 0))
    axes.set_yticks([])
    marks = {place: text for place, text in MARKS[unit].items() if abs(place) < limit}
    marks[0] = "equal"
    axes.xaxis.set_major_locator(FixedLocator(sorted(marks)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([marks[place] for place in sorted(marks)], fontsize=8.5)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title(TITLES[unit], fontsize=10)
    axes.set_xlabel("against the claim  ←    →  for the claim", fontsize=9)


def _draw_row(axes: Axes, verdict: Verdict, label: str, middle: float, limit: float) -> None:
    colour, marker = LOOKS[verdict.verdict]
    strong = not verdict.place
    size = 8.5 if strong else 8
    beside = axes.get_yaxis_transform()  # x as a share of the panel, y as on its axis
    axes.text(
        -0.015 if strong else -0.03, middle, label, transform=beside, ha="right", va="center",
        fontsize=size, color="black" if strong else "0.35", linespacing=1.15, gid="label",
    )  # fmt: skip
    seeds = "1 seed" if verdict.seeds == 1 else f"{verdict.seeds} seeds"
    word = "not measured" if verdict.effect is None else f"{verdict.verdict}, {seeds}"
    axes.text(1.015, middle, word, transform=beside, va="center", fontsize=size, color=colour, gid="verdict")
    if verdict.effect is None:
        return
    filled = verdict.low is not None and verdict.high is not None
    if verdict.low is not None and verdict.high is not None:
        width = 2.2 if strong else 1.2
        axes.plot(np.clip([verdict.low, verdict.high], -limit, limit), [middle] * 2, color=colour, lw=width)
        for end, arrow in ((verdict.low, "<"), (verdict.high, ">")):
            if abs(end) > limit:
                axes.plot([np.sign(end) * limit], [middle], arrow, color=colour, ms=5, clip_on=False)
    face = colour if filled else "white"
    axes.plot(
        [verdict.effect], [middle], marker, color=colour, mfc=face, ms=7 if strong else 4.5, clip_on=False
    )
