"""Figures 2 and 3: populations of latents in two or three dimensions against the prior."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.studies.grid import describe
from pipeline.studies.measured import MeasuredCell
from reports.drawing import OURS, REFERENCE, save_figure
from reports.paper.names import describe_facts, describe_place, name_row

CLASS_LOOKS = (
    {"color": OURS, "marker": "o", "label": "first class"},
    {"color": REFERENCE, "marker": "^", "label": "second class"},
)
PRIOR_LOOK = {"color": "0.4", "marker": "o", "label": "sample of the prior"}
LIMIT, TICKS = 4, (-4, -2, 0, 2, 4)  # of all axes
N_PANELS = 6  # in a line of a figure of many methods
N_POINTS = 2000  # drawn of each population
Panels = list[tuple[str, np.ndarray]]


def draw_evolution(path: Path, cells: Sequence[MeasuredCell]) -> None:
    """Draw Figure 2: samples of q(z^K) before the correction of some rounds, beside a sample of the prior."""
    spaces = [cell for cell in cells if cell.method == "Ours"]
    draw_latents(
        path,
        f"q(z^K) by round, before its correction, and the prior ({describe_facts(spaces)})",
        [
            (
                describe_space(cell),
                [
                    *((f"round {number + 1}", points) for number, points in pick_rounds(cell)),
                    ("prior", draw_prior(cell)),
                ],
                cell.arrays["labels"],
            )
            for cell in spaces
        ],
    )


def draw_posteriors(path: Path, cells: Sequence[MeasuredCell]) -> None:
    """Draw Figure 3: the aggregated posterior of each method, beside a sample of the prior."""
    places = list(dict.fromkeys(describe_place(cell) for cell in cells))
    rows = []
    for place in places:
        placed = [cell for cell in cells if describe_place(cell) == place]
        panels = [
            (f"{name_row(cell)}: {write_cost(cell.numbers['to_prior'])} to the prior", cell.arrays["latents"])
            for cell in placed
        ]
        panels.append((f"prior: {write_cost(placed[0].numbers['floor'])}", draw_prior(placed[0])))
        rows.append((describe_space(placed[0]), panels, placed[0].arrays["labels"]))
    draw_latents(path, f"Aggregated posteriors, transport cost to the prior ({describe_facts(cells)})", rows)


def draw_rival_posteriors(path: Path, cells: Sequence[MeasuredCell]) -> None:
    """Draw Figure 3 for every method: panels in lines, nearest to the prior first, the prior last in each."""
    ordered = sorted(cells, key=lambda cell: cell.numbers["to_prior"])
    rows = []
    for start in range(0, len(ordered), N_PANELS):
        line = ordered[start : start + N_PANELS]
        panels = [(_name_with_floor(cell), cell.arrays["latents"]) for cell in line]
        panels.append(("N(0, I)", draw_prior(line[0])))
        rows.append(("", panels, line[0].arrays["labels"]))
    draw_latents(
        path,
        f"Aggregated posteriors, {describe_space(cells[0])}: transport cost to the method's own prior, in "
        f"brackets that of a second sample of the prior ({describe_facts(cells)})",
        rows,
    )


def _name_with_floor(cell: MeasuredCell) -> str:
    """A method with its cost and, as priors differ, with the floor of its own: ``VAE: 1.7 (0.095)``."""
    cost, floor = (write_cost(cell.numbers[key]) for key in ("to_prior", "floor"))
    return f"{name_row(cell)}: {cost} ({floor})"


def draw_latents(path: Path, title: str, rows: Sequence[tuple[str, Panels, np.ndarray]]) -> None:
    """Scatter populations of latents (N, 2 or 3), coloured by class; a row ends with the prior's.

    How many points lie outside the axes, if any, stands with the panel's name.
    """
    columns = max(len(panels) for _, panels, _ in rows)
    figure = Figure(figsize=(2.6 * columns, 3.0 * len(rows) + 0.7), layout="constrained")
    lines = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for line, (name, panels, labels) in zip(lines, rows, strict=True):
        if name:
            line.suptitle(name, fontsize=10)
        for column, (caption, points) in enumerate(panels):
            is_prior = column == len(panels) - 1
            three = points.shape[1] == 3
            axes: Any = line.add_subplot(1, columns, column + 1, projection="3d" if three else None)
            for look, part in _split_classes(points, None if is_prior else labels):
                axes.scatter(*part[:N_POINTS].T, s=5, alpha=0.7, linewidths=0, **look)
            outside = int((np.abs(points) > LIMIT).any(1).sum())
            more = f"\n{outside:,} of {len(points):,} points outside" if outside else ""
            axes.set_title(caption + more, fontsize=9)
            axes.set(xlim=(-LIMIT, LIMIT), ylim=(-LIMIT, LIMIT), xticks=TICKS, yticks=TICKS)
            axes.set_xlabel("z₁", fontsize=8, labelpad=-8 if three else 1)
            axes.tick_params(labelsize=7, pad=-2 if three else 3)
            if three:
                axes.set(zlim=(-LIMIT, LIMIT), zticks=TICKS)
                axes.set_box_aspect(None, zoom=0.85)  # or the last axis' name is cut off
                axes.set_ylabel("z₂", fontsize=8, labelpad=-8)
                axes.set_zlabel("z₃", fontsize=8, labelpad=-8)
            else:
                axes.set_aspect("equal")
                axes.set_ylabel("z₂" if column == 0 else "", fontsize=8, labelpad=1)
        for column in range(len(panels), columns):  # so that panels are as wide in each line
            _leave_empty(line.add_subplot(1, columns, column + 1))
    legend = [
        Line2D([], [], linestyle="", marker=look["marker"], color=look["color"], label=look["label"])
        for look in (*CLASS_LOOKS, PRIOR_LOOK)
    ]
    figure.legend(handles=legend, loc="outside lower center", ncols=len(legend), fontsize=9, frameon=False)
    figure.suptitle(title, fontsize=11)
    save_figure(figure, path)


def _leave_empty(axes: Axes) -> None:
    """Let a panel take the room of one with points, and show nothing."""
    axes.set(xlim=(-LIMIT, LIMIT), ylim=(-LIMIT, LIMIT), xticks=TICKS, yticks=TICKS, aspect="equal")
    axes.set_xlabel("z₁", fontsize=8, labelpad=1, color="none")
    axes.tick_params(labelsize=7, pad=3, colors="none")
    axes.spines[:].set_visible(False)
    axes.patch.set_visible(False)


def _split_classes(points: np.ndarray, labels: np.ndarray | None) -> list[tuple[dict[str, str], np.ndarray]]:
    """Points with how they are drawn, by class; those of the prior have no labels."""
    if labels is None:
        return [(PRIOR_LOOK, points)]
    classes = zip(CLASS_LOOKS, np.unique(labels), strict=False)
    return [(look, points[labels == label]) for look, label in classes]


def write_cost(cost: float) -> str:
    """A transport cost in two digits, or all of those before the point."""
    return f"{cost:.0f}" if cost >= 10 else f"{cost:.2g}"


def pick_rounds(cell: MeasuredCell) -> list[tuple[int, np.ndarray]]:
    """Pick up to five rounds, first and last among them, with their latents."""
    inferred = cell.arrays["inferred"]
    rounds = np.unique(np.linspace(0, len(inferred) - 1, min(5, len(inferred))).round().astype(int))
    return [(int(number), inferred[number]) for number in rounds]


def draw_prior(cell: MeasuredCell) -> np.ndarray:
    """Draw as many points of the prior as the cell has latents."""
    shape = cell.arrays["latents"].shape
    return np.random.default_rng(cell.seed).standard_normal(shape)


def describe_space(cell: MeasuredCell) -> str:
    """Name a latent space: ``mnist5k, classes 0 1, d = 2``."""
    space = cell.axes["space"]
    return f"{cell.dataset}, classes {describe(space['classes'])}, d = {space['latent_dim']}"
