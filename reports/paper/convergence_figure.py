"""Does the correction's gain stay? Distance and error over length of training, by number of images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from pipeline.evaluation.effects import estimate_over_seeds
from pipeline.studies.measured import MeasuredCell
from reports.drawing import Look, save_figure
from reports.paper.gains import pair_by_seed
from reports.paper.looks import METHODS, choose_looks

FEWEST = 3  # seeds with whose interval a figure can be drawn: of two it is beyond any axis
SHOWN = (("frechet_distance", "Frechet distance"), ("mse_test_point", "MSE of test images, point"))


def draw_convergence(path: Path, cells: Sequence[MeasuredCell]) -> None:
    """Draw a column for each number of images: distance, error, and the ratio of ABP's distance to Ours'."""
    sizes = sorted({cell.axes["n_train"] for cell in cells})
    lengths = sorted({cell.axes["rounds"] for cell in cells})
    figure = Figure(figsize=(12, 9), layout="constrained")
    grid = figure.subplots(3, max(1, len(sizes)), squeeze=False, sharex=True, sharey="row")
    gains = pair_by_seed("ABP", cells, "frechet_distance")
    for column, size in enumerate(sizes):
        of_size = [cell for cell in cells if cell.axes["n_train"] == size]
        for axis, (key, title) in zip(grid[:, column], SHOWN, strict=False):
            _draw_means(axis, of_size, key)
            axis.set(ylabel=title if column == 0 else "")
            scale_by_factors(axis)
        grid[0, column].set_title(f"{size:,} images")
        axis = grid[2, column]
        axis.axhline(1, color="0.7", linewidth=1)
        draw_seeds(axis, {rounds: one for (n, rounds), one in gains.items() if n == size}, METHODS["Ours"])
        axis.set(xscale="log")
        axis.minorticks_off()
        grid[2, column].set(xlabel="rounds of training")
        grid[2, column].set_xticks(lengths, [str(one) for one in lengths])
    grid[0, 0].legend(frameon=False)
    grid[2, 0].set_ylabel("Frechet distance, ABP / Ours")
    for axis in grid.flat:
        axis.spines[["top", "right"]].set_visible(False)
    seeds = len({cell.seed for cell in cells})
    figure.suptitle(
        f"Length of training and number of images: geometric means of up to {seeds} seeds, pale: each seed,\n"
        f"bars: 95 % intervals of {FEWEST} seeds or more"
    )
    save_figure(figure, path)


def scale_by_factors(axis: Axes) -> None:
    """Give an axis a logarithmic scale of values, labelled by numbers and not by powers of ten."""
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(NullFormatter())


def _draw_means(axis: Axes, cells: Sequence[MeasuredCell], key: str) -> None:
    for method, look in choose_looks(cell.method for cell in cells).items():
        logarithms: dict[int, list[float]] = {}
        for cell in cells:
            if cell.method == method and key in cell.numbers:
                logarithms.setdefault(cell.axes["rounds"], []).append(math.log(cell.numbers[key]))
        by_length = {rounds: np.array(values) for rounds, values in logarithms.items()}
        draw_seeds(axis, by_length, look, method)


def draw_seeds(axis: Axes, logarithms: Mapping[int, np.ndarray], look: Look, label: str = "") -> None:
    """Means over seeds by place on the axis, joined; every seed a pale point; intervals of enough seeds."""
    lengths = sorted(logarithms)
    estimates = [estimate_over_seeds(logarithms[one]) for one in lengths]
    means = np.exp([float(one.effect) for one in estimates])
    ends = np.exp([[float(end) for end in one.bound()] for one in estimates]).reshape(-1, 2)
    enough = [len(logarithms[one]) >= FEWEST for one in lengths]
    whiskers = np.where(enough, np.abs(ends.T - means), np.nan)
    axis.errorbar(lengths, means, whiskers, **look, label=label, capsize=3)
    for length in lengths:
        seeds = np.exp(logarithms[length])
        pale = {"color": look["color"], "alpha": 0.35}
        axis.plot([length] * len(seeds), seeds, ".", **pale, markersize=7, linewidth=0)
