"""Figures 2 and 3: populations of latents in two or three dimensions against the prior."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pipeline.studies.grid import describe
from pipeline.studies.measured import MeasuredCell
from reports.drawing import OURS, REFERENCE, save_figure
from reports.paper.names import describe_place, name_row

CLASS_COLOURS = (OURS, REFERENCE)
N_PANELS = 6  # in a line of a figure of many methods
N_POINTS = 2000  # drawn of each population
Panels = list[tuple[str, np.ndarray]]


def draw_evolution(path: Path, cells: Sequence[MeasuredCell]) -> None:
    """Draw Figure 2: samples of q(z^K) before the correction of some rounds, beside a sample of the prior."""
    spaces = [cell for cell in cells if cell.method == "Ours"]
    draw_latents(
        path,
        "q(z^K) by round, before its correction, and the prior",
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
            (f"{name_row(cell)}: {cell.numbers['to_prior']:.2g} to the prior", cell.arrays["latents"])
            for cell in placed
        ]
        panels.append((f"prior: {placed[0].numbers['floor']:.2g}", draw_prior(placed[0])))
        rows.append((describe_space(placed[0]), panels, placed[0].arrays["labels"]))
    draw_latents(path, "Aggregated posteriors and the prior", rows)


def draw_rival_posteriors(path: Path, cells: Sequence[MeasuredCell]) -> None:
    """Draw Figure 3 for every method: panels in lines, nearest to the prior first, the prior last in each."""
    ordered = sorted(cells, key=lambda cell: cell.numbers["to_prior"])
    rows = []
    for start in range(0, len(ordered), N_PANELS):
        line = ordered[start : start + N_PANELS]
        panels = [
            (f"{name_row(cell)}: {cell.numbers['to_prior']:.2g}", cell.arrays["latents"]) for cell in line
        ]
        panels.append((f"prior: {line[0].numbers['floor']:.2g}", draw_prior(line[0])))
        rows.append(("", panels, line[0].arrays["labels"]))
    draw_latents(
        path, f"Aggregated posteriors, {describe_space(cells[0])}: transport cost to the prior", rows
    )


def draw_latents(path: Path, title: str, rows: Sequence[tuple[str, Panels, np.ndarray]]) -> None:
    """Scatter populations of latents (N, 2 or 3), coloured by class; a row ends with the prior's."""
    columns = max(len(panels) for _, panels, _ in rows)
    figure = Figure(figsize=(2.6 * columns, 2.9 * len(rows) + 0.4), layout="constrained")
    for line, (name, panels, labels) in enumerate(rows):
        classes = np.unique(labels)
        for column, (caption, points) in enumerate(panels):
            is_prior = column == len(panels) - 1
            three = points.shape[1] == 3
            axes: Any = figure.add_subplot(
                len(rows), columns, line * columns + column + 1, projection="3d" if three else None
            )
            parts = (
                [("0.45", points)]
                if is_prior
                else [
                    (colour, points[labels == label])
                    for colour, label in zip(CLASS_COLOURS, classes, strict=False)
                ]
            )
            for colour, part in parts:
                axes.scatter(*part[:N_POINTS].T, s=4, alpha=0.6, color=colour, linewidths=0)
            axes.set_title(caption, fontsize=9)
            axes.set(xlim=(-4, 4), ylim=(-4, 4))
            if three:
                axes.set(zlim=(-4, 4))
            else:
                axes.set_aspect("equal")
            axes.tick_params(labelsize=6)
            if column == 0 and not three:
                axes.set_ylabel(name, fontsize=9)
            elif column == 0:
                axes.text2D(-0.05, 0.5, name, fontsize=9, rotation=90, va="center", transform=axes.transAxes)
    figure.suptitle(title, fontsize=11)
    save_figure(figure, path)


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
