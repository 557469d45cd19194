"""A panel a method: the Frechet distance over the seconds that trainings of growing length took."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from pipeline.studies.measured import MeasuredCell
from reports.drawing import OURS as OUR_COLOUR
from reports.drawing import REFERENCE, save_figure
from reports.paper.all_methods import DISTANCE, LENGTH, OURS, keep_longest

ACROSS = 6  # panels
SECONDS = "training_seconds"
Curve = list[tuple[float, float]]  # seconds and distance, means over seeds, by length


def trace_curves(cells: Sequence[MeasuredCell]) -> dict[str, Curve]:
    """Seconds of one thread and Frechet distance of each method, means over seeds, the shortest first.

    Of the seeds that have every length of the method, where there are any: else a curve would join different
    seeds.
    """
    points: dict[str, dict[int, dict[int | None, tuple[float, float]]]] = {}
    for cell in cells:
        if {SECONDS, DISTANCE} <= cell.numbers.keys() and LENGTH in cell.axes:
            by_seed = points.setdefault(cell.method, {}).setdefault(cell.axes[LENGTH], {})
            by_seed[cell.seed] = (cell.numbers[SECONDS], cell.numbers[DISTANCE])
    return {method: _average(by_length) for method, by_length in points.items()}


def _average(by_length: Mapping[int, Mapping[int | None, tuple[float, float]]]) -> Curve:
    shared = set.intersection(*(set(by_seed) for by_seed in by_length.values()))
    curve = []
    for _, by_seed in sorted(by_length.items()):
        pairs = [pair for seed, pair in by_seed.items() if seed in shared or not shared]
        curve.append((statistics.fmean(one for one, _ in pairs), statistics.fmean(one for _, one in pairs)))
    return curve


def draw_length_curves(path: Path, cells: Sequence[MeasuredCell], unconverged: Collection[str]) -> None:
    """Draw every method beside Ours, the lowest distance first, on the same logarithmic axes.

    Whose distance still falls is marked.
    """
    curves = trace_curves(cells)
    others = sorted((method for method in curves if method != OURS), key=lambda one: curves[one][-1][1])
    down = max(1, -(-len(others) // ACROSS))
    figure = Figure(figsize=(15, 1.2 + 2.1 * down), layout="constrained")
    grid = figure.subplots(down, ACROSS, sharex=True, sharey=True, squeeze=False)
    for number, (axis, method) in enumerate(zip(grid.flat, others, strict=False)):
        if OURS in curves:
            _draw_curve(axis, curves[OURS], OUR_COLOUR, "s-")
        _draw_curve(axis, curves[method], REFERENCE, "o--")
        mark = ", not converged" if method in unconverged else ""
        axis.set(xscale="log", yscale="log")
        axis.set_title(f"{method}{mark}", fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
        for side in (axis.xaxis, axis.yaxis):
            side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            side.set_minor_formatter(NullFormatter())
        axis.tick_params(axis="x", labelbottom=number + ACROSS >= len(others))  # nothing stands below
    for axis in list(grid.flat)[len(others) :]:
        axis.set_axis_off()
    lengths = sorted({cell.axes[LENGTH] for cell in cells if LENGTH in cell.axes})
    seeds = len({cell.seed for cell in keep_longest(cells) if DISTANCE in cell.numbers})
    ours = f"{OURS}{', not converged' if OURS in unconverged else ''}"
    figure.suptitle(
        f"A method (circles) beside {ours} (squares): trainings of {_join(lengths)} rounds, "
        + ("one seed" if seeds == 1 else f"mean of up to {seeds} seeds")
    )
    figure.supxlabel("training, seconds of one thread")
    figure.supylabel("Frechet distance")
    save_figure(figure, path)


def _join(numbers: Sequence[int]) -> str:
    if not numbers:
        return "no"
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}" if first else last


def _draw_curve(axis: Axes, curve: Curve, colour: str, style: str) -> None:
    axis.plot(*zip(*curve, strict=True), style, color=colour, markersize=4)
