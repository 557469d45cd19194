"""The tables and figures of section 7 as curves and bars: Tables 3 to 8, Figures 8 and 10."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.studies.measured import MeasuredCell
from reports.drawing import REFERENCE_LOOK, Look, list_looks, save_figure
from reports.paper.learned import YARDSTICK, repeat_yardstick
from reports.paper.looks import METHODS, choose_alpha_looks, choose_looks
from reports.paper.names import describe_facts, describe_place, name_dataset, name_row

ERROR = "MSE per pixel, images in [0, 1]"
DISTANCE = "Frechet distance, classifier features"
COST = "transport cost, mean |z - T(z)|²"
AXIS_TITLES = {
    "latent_dim": "dimension d of z",
    "s": "step size s of Eq. (8)",
    "K": "Langevin steps K",
    "L2": "learning steps L2",
    "alpha": "share alpha of the correction",
}
ERRORS = {"s": "mse_after", "alpha": "mse"}  # of a sweep; others have that of training images
IMAGES = {"alpha": "validation images"}
SIDE = 20  # of Figure 10's square
Value = Callable[[MeasuredCell], float]


def draw_recovery_curves(path: Path, cells: Sequence[MeasuredCell]) -> None:
    """Draw Figure 10: MSE of visible pixels and transport cost over rounds, one mask of 20 x 20.

    Or the next larger square that was measured, where the study has none of 20; KeyError without any.
    """
    squares = [cell for cell in cells if cell.method == "Ours" and cell.axes["mask"]["kind"] == "region"]
    side = min((one for one in map(measure_mask, squares) if one >= SIDE), default=None)
    if side is None:
        raise KeyError(f"square of {SIDE} x {SIDE} or more")
    chosen = [cell for cell in squares if measure_mask(cell) == side]
    figure, axes = start_figure(2)
    for cell, look in zip(chosen, list_looks(len(chosen)), strict=True):
        rounds = range(1, len(cell.curves["ot_cost"]) + 1)
        label = name_row(cell) if len(chosen) == 1 else f"seed {cell.seed}"
        axes[0].plot(rounds, cell.curves["mse_after"], **look, label=label)
        axes[1].plot(rounds, cell.curves["ot_cost"], **look, label=label)
    axes[0].set(title="visible pixels, end of round", ylabel=ERROR, xlabel="round")
    axes[1].set(title="correction of the round", ylabel=COST, xlabel="round")
    for axis in axes:
        mark_whole_rounds(axis)
    title = f"Recovery under one mask of {side} x {side} (of 64 x 64), by round"
    finish_figure(figure, axes, path, title, chosen)


def draw_recovery_errors(path: Path, cells: Sequence[MeasuredCell]) -> None:
    """Draw Table 8 as curves: mean absolute error on hidden pixels, of points, over the occlusion level."""
    error = "absolute_error_point"
    figure, axes = start_figure(2, sharey=True)
    methods = list_methods(cells)
    for axis, kind in zip(axes, ("region", "salt_pepper"), strict=True):
        for method, look in choose_looks(methods).items():
            on_curve = [
                cell
                for cell in cells
                if (cell.method, cell.axes["mask"]["kind"]) == (method, kind) and error in cell.numbers
            ]
            plot_means(axis, on_curve, measure_mask, error, look, method)
    axes[0].set(title="one square", xlabel="side of the hidden square, of 64 pixels")
    axes[1].set(title="salt and pepper", xlabel="share of hidden pixels")
    axes[0].set_ylabel("mean absolute error of points,\nhidden pixels, images in [0, 1]")
    finish_figure(figure, axes, path, "Recovery of occluded training images", cells)


def draw_auprc(path: Path, cells: Sequence[MeasuredCell]) -> None:
    """Draw Table 3 as bars: AUPRC by held-out digit and method, one panel for each protocol.

    A method has one colour; of several latent dimensions the second is hatched.
    """
    figure, axes = start_figure(2)
    digits = list(dict.fromkeys(cell.axes["held_out"] for cell in cells))
    rows = {name_series(cell, "held_out"): name_row(cell) for cell in cells}  # -> the method's name
    of_method = {method: [row for row in rows if rows[row] == method] for method in rows.values()}
    looks = choose_looks(of_method)
    width = 0.8 / max(1, len(rows))
    for axis, protocol in zip(axes, ("tenth", "pooled"), strict=True):
        for number, (row, method) in enumerate(rows.items()):
            beside = of_method[method]
            hatched = beside.index(row) if len(beside) > 1 else number
            color = looks[method]["color"]
            in_row = [cell for cell in cells if name_series(cell, "held_out") == row]
            held_out = list(dict.fromkeys(cell.axes["held_out"] for cell in in_row))
            means, spreads = [], []
            for digit in held_out:
                seeds = [cell for cell in in_row if cell.axes["held_out"] == digit]
                values = [cell.numbers[f"{protocol}_mean"] for cell in seeds]
                means.append(np.mean(values))
                several = len(values) > 1
                spreads.append(np.std(values, ddof=1) if several else seeds[0].numbers[f"{protocol}_std"])
            places = [digits.index(digit) + number * width - 0.4 for digit in held_out]
            axis.bar(
                places, means, 0.9 * width, align="edge", yerr=spreads, color=color, label=row,
                error_kw={"linewidth": 0.8}, hatch=("", "///")[hatched % 2], edgecolor="white", linewidth=0,
            )  # fmt: skip
        for digit in digits:
            rates = [
                cell.numbers[f"{protocol}_base_rate"] for cell in cells if cell.axes["held_out"] == digit
            ]
            ends = [digits.index(digit) - 0.45, digits.index(digit) + 0.45]
            label = "base rate" if digit == digits[0] else None
            axis.plot(ends, [np.mean(rates)] * 2, color="#000000", linestyle="--", linewidth=1, label=label)
        axis.set(title=f"protocol {protocol}", xlabel="held-out digit", ylabel="AUPRC")
        axis.set_xticks(range(len(digits)), [str(digit) for digit in digits])
    several = len({cell.seed for cell in cells}) > 1
    over = "seeds" if several else "test chains"
    finish_figure(figure, axes, path, f"Anomaly detection: mean AUPRC, bars of one std over {over}", cells)


def draw_sweep(path: Path, cells: Sequence[MeasuredCell], axis_name: str) -> None:
    """Draw errors and Frechet distance over a parameter, means over the seeds: Tables 4 to 7, alpha.

    Principal components, where the study has them, are dotted: what a linear model reaches.
    """
    cells = repeat_yardstick(cells)
    values = sorted({cell.axes[axis_name] for cell in cells})
    datasets = list(dict.fromkeys(cell.dataset for cell in cells))
    # Table 5 prints the error of the round's end beside the one before the correction: the same chains' both.
    panels = {  # by quantity
        ERRORS.get(axis_name, "mse_train"): (IMAGES.get(axis_name, "training images"), ERROR),
        "mse_test_point": ("test images, a chain's mode", ERROR),
        "frechet_distance": ("samples of the prior", DISTANCE),
    }
    if not any("mse_test_point" in cell.numbers for cell in cells):
        del panels["mse_test_point"]
    figure, axes = start_figure(len(panels))
    keys = tuple(panels)
    curves = {"Ours, end of round" if axis_name == "s" else "Ours": (keys, METHODS["Ours"])}
    if axis_name == "s":
        before = {"mse_after": "mse_before", "frechet_distance": "frechet_before"}
        curves["Ours, before the correction"] = (tuple(before.get(key, "") for key in keys), REFERENCE_LOOK)
    for label, (keys, look) in curves.items():
        # A number of one data set is no mean with another's: each has its curve.
        looks = [look] if len(datasets) == 1 else list_looks(len(datasets))
        for dataset, own_look in zip(datasets, looks, strict=True):
            own = [cell for cell in cells if cell.dataset == dataset]
            where = "" if len(datasets) == 1 else f", {name_dataset(dataset)}"
            beside = {**own_look, "linestyle": ":", "marker": ""}
            beside |= {"color": METHODS[YARDSTICK]["color"]} if len(datasets) == 1 else {}
            for axis, key in zip(axes, keys, strict=True):
                for name, line in ((label, own_look), (YARDSTICK, beside)):
                    with_key = [cell for cell in own if key in cell.numbers]
                    drawn = [cell for cell in with_key if (cell.method == YARDSTICK) == (name == YARDSTICK)]
                    if drawn:
                        plot_means(axis, drawn, lambda cell: cell.axes[axis_name], key, line, name + where)
    for axis, (title, unit) in zip(axes, panels.values(), strict=True):
        axis.set(title=title, xlabel=AXIS_TITLES.get(axis_name, axis_name), ylabel=unit)
        axis.set_xticks(values, [f"{value:g}" for value in values])
    title = f"{AXIS_TITLES.get(axis_name, axis_name)}: {', '.join(map(name_dataset, datasets))}"
    finish_figure(figure, axes, path, title[0].upper() + title[1:], cells)


def draw_solvers(path: Path, cells: Sequence[MeasuredCell]) -> None:
    """Draw MSE and Frechet distance by alpha, a colour for each transport solver, a point for each seed."""
    figure, axes = start_figure(2)
    alphas = sorted({read_alpha(cell) for cell in cells})
    solvers = list(dict.fromkeys(cell.axes["solver"] for cell in cells))
    for axis, key, title in zip(axes, ("frechet_distance", "mse_train"), (DISTANCE, ERROR), strict=True):
        for number, (solver, look) in enumerate(zip(solvers, list_looks(len(solvers)), strict=True)):
            solved = [cell for cell in cells if cell.axes["solver"] == solver]
            shift = 0.13 * (number - (len(solvers) - 1) / 2)
            places = [alphas.index(read_alpha(cell)) + shift for cell in solved]
            values = [cell.numbers[key] for cell in solved]
            axis.plot(places, values, **(look | {"linestyle": ""}), label=solver)
        axis.set(xlabel="share alpha of the correction", ylabel=title)
        axis.set_xticks(range(len(alphas)), [f"{alpha:g}" for alpha in alphas])
    finish_figure(figure, axes, path, "Transport solvers by alpha, a point a training", cells)


def draw_alpha_curves(path: Path, cells: Sequence[MeasuredCell]) -> None:
    """Draw Figure 8: transport cost, MSE and Frechet distance over rounds, a curve for each alpha.

    Several seeds of an alpha are their mean, with bars of one standard deviation.
    """
    figure, axes = start_figure(3)
    cells = [cell for cell in cells if cell.method != YARDSTICK]  # which has no rounds
    alphas = sorted({read_alpha(cell) for cell in cells})
    panels = (
        ("ot_cost", COST, "correction of the round"),
        ("mse_after", ERROR, "the round's pairs, after learning"),
        ("frechet_distance", DISTANCE, "samples of the prior"),
    )
    for axis, (key, unit, title) in zip(axes, panels, strict=True):
        for alpha, look in zip(alphas, choose_alpha_looks(alphas), strict=True):
            curves = [cell.curves[key] for cell in cells if cell.alpha == alpha]
            values = np.array([curve[: min(map(len, curves))] for curve in curves])
            spreads = values.std(axis=0, ddof=1) if len(values) > 1 else None
            rounds = range(1, values.shape[1] + 1)
            label = f"alpha {alpha:g}" if alpha else "alpha 0 (ABP)"
            axis.errorbar(rounds, values.mean(axis=0), spreads, **look, label=label, capsize=3)
        axis.set(title=title, ylabel=unit, xlabel="round, at its end")
        mark_whole_rounds(axis)
    finish_figure(figure, axes, path, "The share alpha of the correction, by round", cells)


def plot_means(
    axis: Axes, cells: Sequence[MeasuredCell], locate: Value, key: str, look: Look, label: str
) -> None:
    """Plot a quantity's mean over seeds at each place, with a bar of one standard deviation for several."""
    places = sorted({locate(cell) for cell in cells})
    values = [[cell.numbers[key] for cell in cells if locate(cell) == place] for place in places]
    means = [float(np.mean(one)) for one in values]
    spreads = [float(np.std(one, ddof=1)) if len(one) > 1 else 0.0 for one in values]
    axis.errorbar(places, means, spreads if any(spreads) else None, **look, label=label, capsize=3)


def name_series(cell: MeasuredCell, along: str) -> str:
    """Name a method with whatever else places its cells, but for the axis ``along`` and the seed."""
    axes = {axis: value for axis, value in cell.axes.items() if axis != along}
    place = describe_place(replace(cell, axes=axes))
    return ", ".join(filter(None, (name_row(cell), place)))


def measure_mask(cell: MeasuredCell) -> float:
    """How much a cell's mask hides: a square's side, or the share of pixels."""
    mask = cell.axes["mask"]
    return mask["side"] if mask["kind"] == "region" else mask["share"]


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


def start_figure(count: int, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    """Start a figure with ``count`` panels beside each other, all equally wide."""
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    return figure, list(figure.subplots(1, count, sharey=sharey))


def finish_figure(
    figure: Figure, axes: Sequence[Axes], path: Path, title: str, cells: Sequence[MeasuredCell]
) -> None:
    """Let axes start at 0 with room above the highest point, add one legend beside them, and write the file.

    The title ends with how many images and which seeds the ``cells`` are of.
    """
    for one in axes:
        one.autoscale(axis="y")
        alike = [one, *one.get_shared_y_axes().get_siblings(one)]  # which have one scale
        highest = max(axis.dataLim.y1 for axis in alike)
        if np.isfinite(highest) and highest > 0:
            one.set_ylim(0, 1.08 * highest)
        one.spines[["top", "right"]].set_visible(False)
    entries: dict[str, Any] = {}  # by label: what one panel alone has is named too
    for one in axes:
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if len(entries) > 1:
        handles = [*entries.values()]
        figure.legend(handles, [*entries], loc="outside right center", fontsize=9, frameon=False)
    facts = describe_facts(cells)
    figure.suptitle(f"{title} ({facts})" if facts else title, fontsize=11)
    save_figure(figure, path)
