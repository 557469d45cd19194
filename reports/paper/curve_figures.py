"""The tables and figures of section 7 as curves and bars: Tables 3 to 8, Figures 8 and 10."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.studies.measured import MeasuredCell
from reports.drawing import OURS, REFERENCE, THIRD, save_figure
from reports.paper.names import name_dataset, name_row

PALETTE = (REFERENCE, THIRD, OURS, "#7b5ea7", "#b8860b", "#5a5a5a", "#c04c7a", "#2a9d9d")


def draw_recovery_curves(path: Path, cells: Sequence[MeasuredCell]) -> None:
    """Draw Figure 10: MSE of visible pixels and transport cost over rounds, one 20 x 20 mask."""
    chosen = [
        cell
        for cell in cells
        if cell.method == "Ours" and cell.axes["mask"] == {"kind": "region", "side": 20}
    ]
    figure, axes = start_figure(2)
    for cell in chosen:
        rounds = range(1, len(cell.curves["ot_cost"]) + 1)
        axes[0].plot(rounds, cell.curves["mse_after"], "o-", color=OURS, label=name_row(cell))
        axes[1].plot(rounds, cell.curves["ot_cost"], "o-", color=OURS, label=name_row(cell))
    axes[0].set(title="MSE per visible pixel, end of round", xlabel="round")
    axes[1].set(title="transport cost", xlabel="round")
    for axis in axes:
        mark_whole_rounds(axis)
    finish_figure(figure, axes, path, "Recovery under one mask of 20 x 20 (of 64 x 64), by round")


def draw_recovery_errors(path: Path, cells: Sequence[MeasuredCell]) -> None:
    """Draw Table 8 as curves: mean absolute error on hidden pixels, of points, over the occlusion level."""
    error = "absolute_error_point"
    figure, axes = start_figure(2)
    for axis, kind, key in zip(axes, ("region", "salt_pepper"), ("side", "share"), strict=True):
        for colour, method in zip(PALETTE, list_methods(cells), strict=False):
            on_curve = [cell for cell in cells if cell.method == method and cell.axes["mask"]["kind"] == kind]
            points = [
                (cell.axes["mask"][key], cell.numbers[error]) for cell in on_curve if error in cell.numbers
            ]
            axis.plot(*np.array(points).reshape(-1, 2).T, "o-", color=colour, label=method)
        axis.set(title=f"{kind}: mean absolute error of points, hidden pixels", xlabel=key)
    finish_figure(figure, axes, path, "Recovery of occluded training images")


def draw_auprc(path: Path, cells: Sequence[MeasuredCell]) -> None:
    """Draw Table 3 as bars: AUPRC by held-out digit and method, one panel for each protocol."""
    figure, axes = start_figure(2)
    digits = list(dict.fromkeys(cell.axes["held_out"] for cell in cells))
    rows = list(dict.fromkeys(name_row(cell) for cell in cells))
    width = 0.8 / max(1, len(rows))
    for axis, protocol in zip(axes, ("tenth", "pooled"), strict=True):
        for number, (row, colour) in enumerate(zip(rows, PALETTE, strict=False)):
            in_row = [cell for cell in cells if name_row(cell) == row]
            places = [digits.index(cell.axes["held_out"]) + number * width - 0.4 for cell in in_row]
            means, stds = (
                [cell.numbers[f"{protocol}_{part}"] for cell in in_row] for part in ("mean", "std")
            )
            axis.bar(places, means, width, align="edge", yerr=stds, color=colour, label=row)
        for cell in cells:
            place = digits.index(cell.axes["held_out"])
            base_rate = cell.numbers[f"{protocol}_base_rate"]
            axis.plot([place - 0.45, place + 0.45], [base_rate] * 2, color="0.3", linestyle="--", linewidth=1)
        axis.set(title=f"{protocol} (dashed: base rate)", xlabel="held-out digit", ylim=(0, 1))
        axis.set_xticks(range(len(digits)), [str(digit) for digit in digits])
    finish_figure(figure, axes, path, "Anomaly detection: AUPRC, mean and std over test chains")


def draw_sweep(path: Path, cells: Sequence[MeasuredCell], axis_name: str) -> None:
    """Draw Tables 4 to 7 as curves: MSE and Frechet distance over the parameter."""
    figure, axes = start_figure(2)
    values = [cell.axes[axis_name] for cell in cells]
    # Table 5 prints the error of the round's end beside the one before the correction: the same chains' both.
    error = "mse_after" if axis_name == "s" else "mse_train"
    curves = {"Ours": (error, "frechet_distance", "o-", OURS)}
    if axis_name == "s":
        curves["before the correction"] = ("mse_before", "frechet_before", "o--", REFERENCE)
    for label, (*keys, style, colour) in curves.items():
        for axis, key in zip(axes, keys, strict=True):
            axis.plot(values, [cell.numbers[key] for cell in cells], style, color=colour, label=label)
    for axis, title in zip(axes, ("MSE of training images", "Frechet distance"), strict=True):
        axis.set(title=title, xlabel=axis_name)
        axis.set_xticks(values, [f"{value:g}" for value in values])
    dataset = name_dataset(cells[0].dataset) if cells else "no cell finished"
    finish_figure(figure, axes, path, f"{axis_name}: {dataset}")


def draw_solvers(path: Path, cells: Sequence[MeasuredCell]) -> None:
    """Draw MSE and Frechet distance by alpha, a colour for each transport solver, a point for each seed."""
    figure, axes = start_figure(2)
    alphas = sorted({read_alpha(cell) for cell in cells})
    solvers = list(dict.fromkeys(cell.axes["solver"] for cell in cells))
    for axis, key, title in zip(
        axes, ("frechet_distance", "mse_train"), ("Frechet distance", "MSE of training images"), strict=True
    ):
        for number, (solver, colour) in enumerate(zip(solvers, PALETTE, strict=False)):
            solved = [cell for cell in cells if cell.axes["solver"] == solver]
            places = [alphas.index(read_alpha(cell)) + 0.12 * (number - len(solvers) / 2) for cell in solved]
            axis.plot(places, [cell.numbers[key] for cell in solved], "o", color=colour, label=solver)
        axis.set(title=title, xlabel="alpha")
        axis.set_xticks(range(len(alphas)), [f"{alpha:g}" for alpha in alphas])
    finish_figure(figure, axes, path, "Transport solvers by alpha, a point a seed")


def draw_alpha_curves(path: Path, cells: Sequence[MeasuredCell]) -> None:
    """Draw Figure 8: transport cost, MSE and Frechet distance over rounds, a curve for each alpha."""
    figure, axes = start_figure(3)
    for axis, key, title in zip(
        axes,
        ("ot_cost", "mse_after", "frechet_distance"),
        ("transport cost", "MSE, end of round", "Frechet distance, end of round"),
        strict=True,
    ):
        for number, cell in enumerate(cells):
            values = cell.curves[key]
            colour = PALETTE[number % len(PALETTE)]
            axis.plot(range(1, len(values) + 1), values, "o-", color=colour, label=f"alpha {cell.alpha:g}")
        axis.set(title=title, xlabel="round")
        mark_whole_rounds(axis)
    finish_figure(figure, axes, path, "The share alpha of the correction, by round")


def list_methods(cells: Sequence[MeasuredCell]) -> list[str]:
    """List the methods in their order in the cells."""
    return list(dict.fromkeys(cell.method for cell in cells))


def read_alpha(cell: MeasuredCell) -> float:
    """The alpha that a row of Ours is named by."""
    assert cell.alpha is not None, f"{cell.method} has no alpha"
    return cell.alpha


def mark_whole_rounds(axis: Axes) -> None:
    """Let the ticks of an axis of rounds be whole numbers."""
    locator = axis.xaxis.get_major_locator()
    assert isinstance(locator, MaxNLocator)  # that of every linear axis
    locator.set_params(integer=True)


def start_figure(count: int) -> tuple[Figure, list[Axes]]:
    """Start a figure with ``count`` panels beside each other."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    return figure, list(figure.subplots(1, count))


def finish_figure(figure: Figure, axes: Sequence[Axes], path: Path, title: str) -> None:
    """Let axes start at 0 with room above the highest point, add legends, and write the file."""
    for one in axes:
        if one.get_ylim()[1] != 1:  # the AUPRC's own limit
            one.autoscale(axis="y")
            one.set_ylim(0, 1.08 * one.dataLim.y1 or None)
        one.spines[["top", "right"]].set_visible(False)
        if one.get_legend_handles_labels()[0]:
            one.legend(fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=11)
    save_figure(figure, path)
