"""Does the correction's gain stay? Distance and error over length of training, by number of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from pipeline.evaluation.effects import Estimate, estimate_over_seeds
from pipeline.studies.measured import MeasuredCell
from reports.drawing import OURS, REFERENCE, THIRD, save_figure
from reports.paper.gains import compare_with

STYLES = {"VAE": (THIRD, "s--"), "ABP": (REFERENCE, "D-."), "Ours": (OURS, "o-"), "PPCA": ("0.45", "^:")}
SHOWN = (("frechet_distance", "Frechet distance"), ("mse_test_point", "MSE of test images, point"))


def draw_convergence(path: Path, cells: Sequence[MeasuredCell]) -> None:
    """Draw a column for each number of images: distance, error, and the ratio of ABP's distance to Ours'."""
    sizes = sorted({cell.axes["n_train"] for cell in cells})
    lengths = sorted({cell.axes["rounds"] for cell in cells})
    figure = Figure(figsize=(12, 9), layout="constrained")
    grid = figure.subplots(3, max(1, len(sizes)), squeeze=False, sharex=True, sharey="row")
    gains = compare_with("ABP", cells, "frechet_distance")
    for column, size in enumerate(sizes):
        of_size = [cell for cell in cells if cell.axes["n_train"] == size]
        for axis, (key, title) in zip(grid[:, column], SHOWN, strict=False):
            _draw_means(axis, of_size, key)
            axis.set(yscale="log", ylabel=title if column == 0 else "")
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
            axis.yaxis.set_major_formatter("{x:g}")  # not powers of ten
            axis.yaxis.set_minor_formatter(NullFormatter())
        grid[0, column].set_title(f"{size:,} images")
        _draw_gain(grid[2, column], {rounds: one for (n, rounds), one in gains.items() if n == size})
        grid[2, column].set(xlabel="rounds of training")
        grid[2, column].set_xticks(lengths, [str(one) for one in lengths])
    grid[0, 0].legend(frameon=False)
    grid[2, 0].set_ylabel("Frechet distance, ABP / Ours")
    for axis in grid.flat:
        axis.spines[["top", "right"]].set_visible(False)
    seeds = len({cell.seed for cell in cells})
    figure.suptitle(
        f"Length of training and number of images: geometric means of up to {seeds} seeds, 95 % intervals"
    )
    save_figure(figure, path)


def _draw_means(axis: Axes, cells: Sequence[MeasuredCell], key: str) -> None:
    for method in dict.fromkeys(cell.method for cell in cells):
        colour, style = STYLES.get(method, ("0.3", "x-"))
        of_method = [cell for cell in cells if cell.method == method and key in cell.numbers]
        rounds = sorted({cell.axes["rounds"] for cell in of_method})
        estimates = [
            estimate_over_seeds(
                np.log([cell.numbers[key] for cell in of_method if cell.axes["rounds"] == one])
            )
            for one in rounds
        ]
        _draw_intervals(axis, rounds, estimates, colour, style, method)


def _draw_gain(axis: Axes, gains: dict[int, Estimate]) -> None:
    axis.axhline(1, color="0.7", linewidth=1)
    rounds = sorted(gains)
    _draw_intervals(axis, rounds, [gains[one] for one in rounds], OURS, "o-", "")
    axis.set(xscale="log")
    axis.minorticks_off()


def _draw_intervals(
    axis: Axes,
    places: Sequence[int],
    estimates: Sequence[Estimate],
    colour: str,
    style: str,
    label: str,
) -> None:
    """Points with their intervals, of logarithms; without a whisker where one seed alone was measured."""
    means = np.exp([float(one.effect) for one in estimates])
    ends = np.exp([[float(end) for end in one.bound()] for one in estimates])
    whiskers = np.abs(ends.T - means) if len(means) else None
    axis.errorbar(places, means, whiskers, fmt=style, color=colour, label=label, capsize=3, markersize=5)
