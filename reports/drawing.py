"""The pictures the stages leave: image grids, curves over rounds, latent marginals, score distributions."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from pipeline.storage.files import write_bytes

if TYPE_CHECKING:  # takes a second to load
    from torch import Tensor

# Okabe and Ito's colours, told apart by the colour-blind ("Color Universal Design", 2008), without the
# yellow, which is too light for lines on white.
OURS, REFERENCE, THIRD = "#0072b2", "#d55e00", "#009e73"
Look = dict[str, Any]  # how a curve is drawn, as matplotlib's plot takes it
PALETTE: tuple[Look, ...] = tuple(
    {"color": colour, "marker": marker, "linestyle": style, "markersize": 5}
    for colour, marker, style in (
        (OURS, "o", "-"),
        (REFERENCE, "s", "-"),
        (THIRD, "^", "-"),
        ("#cc79a7", "D", "-"),
        ("#e69f00", "v", "-"),
        ("#56b4e9", "P", "-"),
        ("#000000", "X", "-"),
    )
)
REFERENCE_LOOK = PALETTE[1] | {"linestyle": "--"}
CAPTION_SIZE = 8  # points
MOST_BINS = 50
_METADATA = {"Software": None}  # no version or date in the file: same numbers, same bytes
_METADATA_SVG = {"Creator": None, "Date": None, "Format": None, "Type": None}
Strips = list[tuple[str, "Tensor | np.ndarray"]]  # titled rows of images, each (B, C, H, W) float in [0, 1]


def list_looks(count: int) -> list[Look]:
    """Looks for ``count`` curves: after all colours they come again, dashed."""
    dashed = [look | {"linestyle": "--", "fillstyle": "none"} for look in PALETTE]
    both = [*PALETTE, *dashed]
    return [both[number % len(both)] for number in range(count)]


def save_grid(
    path: str | Path,
    rows: Sequence[tuple[str, Tensor | np.ndarray]],
    columns: int | None = None,
    captions: Sequence[Sequence[str]] = (),
) -> None:
    """Draw titled rows of images, each (B, C, H, W) float in [0, 1]; more than ``columns`` images wrap.

    Each row's title stands above it. ``columns`` None puts all images of a row on one line. All images are
    drawn equally wide, whatever their pixels. ``captions``: for each row what stands above each of its
    images, in one line or more, or nothing; rows with captions do not wrap.
    """
    most = max(columns or len(images) for _, images in rows)
    strips = []  # title, picture, and its share of the width
    for title, images in rows:
        across = columns or len(images)
        strips.append((title, tile_images(images, across), across / most))
    inches, title_space = 12.0, 0.26
    said = captions or [()] * len(rows)
    caption_spaces = [0.15 * max((text.count("\n") + 1 for text in row), default=0) for row in said]
    heights = [inches * share * strip.shape[0] / strip.shape[1] for _, strip, share in strips]
    total = sum(heights) + title_space * len(strips) + sum(caption_spaces)
    figure = Figure(figsize=(inches, total))
    top = 1.0
    for (title, strip, share), strip_inches, texts, space in zip(
        strips, heights, said, caption_spaces, strict=True
    ):
        top -= title_space / total
        figure.text(0.002, top + 0.06 / total, title, fontsize=10, va="bottom", ha="left")
        top -= space / total
        for number, text in enumerate(texts):
            shown = shorten_lines(text, inches / most)
            figure.text(
                (number + 0.5) / most,
                top + 0.03 / total,
                shown,
                fontsize=CAPTION_SIZE,
                va="bottom",
                ha="center",
            )
        height = strip_inches / total
        axes = figure.add_axes((0, top - height, share, height))
        axes.imshow(strip, vmin=0, vmax=1, cmap="gray", interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        top -= height
    save_figure(figure, path, dpi=110)


def shorten_lines(text: str, inches: float) -> str:
    """Cut each line of a caption to what stands in the width of its image."""
    most = max(2, int(inches * 72 / (0.62 * CAPTION_SIZE)))
    lines = (line if len(line) <= most else f"{line[: most - 1]}…" for line in text.split("\n"))
    return "\n".join(lines)


def name_class(label: int, names: Sequence[str]) -> str:
    """Name a class as its folder is named, where ``names`` has the folders', else by its number."""
    return names[label] if names else str(label)


def save_nearest(path: str | Path, what: str, shown: Sequence[Tensor]) -> None:
    """Draw samples, the training images nearest to them, and the test images nearest to them.

    Copies would be alike in the first two rows and not in the third. ``what`` says what the samples are.
    """
    names = (
        f"{what} those nearest to a training image",
        "their nearest training images",
        "their nearest test images",
    )
    save_grid(path, list(zip(names, shown, strict=True)))


def tile_images(images: Tensor | np.ndarray, columns: int) -> np.ndarray:
    """(B, C, H, W) -> (rows * H, columns * W, C) with a light line between neighbours."""
    array = images if isinstance(images, np.ndarray) else images.detach().float().cpu().numpy()
    array = array.transpose(0, 2, 3, 1)  # (B, H, W, C)
    array = np.pad(array, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=0.85)
    count, height, width, channels = array.shape
    lines = -(-count // columns)
    blank = np.ones((lines * columns - count, height, width, channels), array.dtype)
    array = np.concatenate([array, blank]).reshape(lines, columns, height, width, channels)
    tiled = array.transpose(0, 2, 1, 3, 4).reshape(lines * height, columns * width, channels)
    return np.clip(tiled[..., 0] if channels == 1 else tiled, 0, 1)


def save_training_curves(path: str | Path, curves: Mapping[str, Sequence[float]], title: str) -> None:
    """Draw a training's curves over rounds: MSE, transport cost and matched share, latent mean and std."""
    # The space is between the right axis' label and the next panel.
    figure = Figure(figsize=(12, 3.4), layout=ConstrainedLayoutEngine(wspace=0.05))
    axes = figure.subplots(1, 3)
    rounds = curves["round"]
    after: Look = {"color": OURS, "marker": "o", "linestyle": "-"}
    # On top and open, so that what it is equal to is seen through it.
    before = REFERENCE_LOOK | {"markersize": 9, "fillstyle": "none", "zorder": 3}
    axes[0].plot(rounds, curves["mse_before"], **before, label="before correction")
    axes[0].plot(rounds, curves["mse_after"], **after, label="end of round")
    axes[0].set(title="MSE per pixel, [0, 1]")
    axes[1].plot(rounds, curves["ot_cost"], **after, label="transport cost (left)")
    axes[1].set(title="correction", ylabel="mean |z - T(z)|²")
    matched = axes[1].twinx()
    matched.plot(rounds, curves["matched_share"], "^--", color=THIRD, label="matched share (right)")
    matched.set(ylabel="matched share")
    matched.spines["top"].set_visible(False)
    axes[2].axhline(1, color="0.7", linewidth=1)
    axes[2].plot(rounds, curves["latent_std_before"], **before, label="std before")
    axes[2].plot(rounds, curves["latent_std_after"], **after, label="std after")
    axes[2].plot(rounds, curves["latent_mean_after"], "^--", color=THIRD, label="|mean| after")
    axes[2].set(title="latents (prior: std 1, mean 0)")
    for one in (*axes, matched):
        one.set_ylim(0, 1.1 * max(np.nanmax(line.get_ydata()) for line in one.lines) or 1)  # room for markers
    for one in axes:
        one.set_xlabel("round")
        one.xaxis.get_major_locator().set_params(integer=True)
        one.spines[["top", "right"]].set_visible(False)
        one.legend(fontsize=8, frameon=False)
    axes[1].legend(fontsize=8, frameon=False, loc="lower left")
    axes[2].legend(fontsize=8, frameon=False, loc="center")  # between the std and the mean
    matched.legend(fontsize=8, frameon=False, loc="lower right")
    figure.suptitle(title, fontsize=11)
    save_figure(figure, path)


def save_latent_marginal(path: str | Path, latents: Tensor, title: str) -> None:
    """Draw the aggregated posterior of ``latents`` (N, d) against the prior: one axis pair, all marginals."""
    values = latents.detach().float().cpu().numpy()
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    axes = figure.subplots(1, 3, width_ratios=(1, 1.4, 1.4))
    axes[0].scatter(values[:3000, 0], values[:3000, min(1, values.shape[1] - 1)], s=2, alpha=0.4, color=OURS)
    angle = np.linspace(0, 2 * np.pi, 200)
    for radius in (1, 2):
        axes[0].plot(radius * np.cos(angle), radius * np.sin(angle), color=REFERENCE, linewidth=1)
    axes[0].set(title="z₁, z₂ and the prior's 1 and 2 std", xlim=(-5, 5), ylim=(-5, 5), aspect="equal")
    grid = np.linspace(-5, 5, 201)
    bins = np.linspace(-5, 5, 81)
    axes[1].hist(values.ravel(), bins=bins, density=True, color=OURS, alpha=0.6, label="all coordinates of z")
    axes[1].plot(grid, np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi), color=REFERENCE, label="prior N(0, 1)")
    axes[1].set(title="marginal density")
    axes[2].bar(np.arange(values.shape[1]), values.std(0), color=OURS, alpha=0.6, label="std of coordinate")
    axes[2].axhline(1, color=REFERENCE, label="prior")
    axes[2].set(title="standard deviation by coordinate", xlabel="coordinate")
    axes[2].set_ylim(0, 1.25 * max(1.0, values.std(0).max()))  # room for the legend above the bars
    axes[1].legend(fontsize=8, frameon=False)
    axes[2].legend(fontsize=8, frameon=False, ncols=2, loc="upper center")
    for one in axes[1:]:
        one.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=11)
    save_figure(figure, path)


def save_anomaly_scores(
    path: str | Path,
    scores: dict[str, np.ndarray],
    is_anomaly: dict[str, np.ndarray],
    curves: dict[str, tuple[np.ndarray, np.ndarray]],
    title: str,
) -> None:
    """Draw score histograms and precision-recall curves, one row for each protocol.

    ``scores[protocol]``: (N,) of one chain; ``is_anomaly[protocol]``: (N,) bool; ``curves[protocol]``: recall
    and precision, (M,) each, the highest score first.
    """
    figure = Figure(figsize=(12, 3.2 * len(is_anomaly)), layout="constrained")
    grid = figure.subplots(len(is_anomaly), 2, squeeze=False)
    for (histogram, curve), (protocol, labels) in zip(grid, is_anomaly.items(), strict=True):
        part = scores[protocol]
        bins = np.histogram_bin_edges(part, min(MOST_BINS, int(2 * len(part) ** (1 / 3)) + 1))  # Rice's rule
        histogram.hist(part[~labels], bins=bins, color=OURS, alpha=0.6, density=True, label="normal")
        histogram.hist(part[labels], bins=bins, color=REFERENCE, alpha=0.6, density=True, label="held out")
        histogram.set(
            title=f"{protocol}: score U(z), one chain", xlabel="- log p(I, z) + const", ylabel="density"
        )
        recall, precision = curves[protocol]
        # Average precision is the area below these steps: each precision holds since the recall before it.
        curve.step(np.append(0, recall), np.append(precision[:1], precision), where="pre", color=OURS)
        curve.axhline(labels.mean(), color="0.6", linestyle="--", label=f"base rate {labels.mean():.3f}")
        curve.set(title=f"{protocol}: precision-recall", xlabel="recall", ylabel="precision", ylim=(0, 1.02))
        for one in (histogram, curve):
            one.legend(fontsize=8, frameon=False)
            one.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=11)
    save_figure(figure, path)


def save_figure(figure: Figure, path: str | Path, dpi: int = 100) -> None:
    """Write a figure atomically, SVG where the name ends so and PNG else; equal numbers give equal bytes."""
    buffer = io.BytesIO()
    if Path(path).suffix == ".svg":  # text stays text; identifiers are those of the file's name, not random
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": Path(path).name}):
            figure.savefig(buffer, format="svg", metadata=_METADATA_SVG)
    else:
        figure.savefig(buffer, format="png", dpi=dpi, metadata=_METADATA)
    write_bytes(path, buffer.getvalue())
