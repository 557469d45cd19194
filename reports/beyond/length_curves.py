"""A panel a method: the Frechet distance over the seconds that trainings of growing length took."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from pipeline.studies.measured import MeasuredCell
from reports.drawing import OURS as OUR_COLOUR
from reports.drawing import REFERENCE, save_figure
from reports.paper.all_methods import DISTANCE, LENGTH, OURS
from reports.paper.names import show_method

ACROSS = 6  # panels
SECONDS = "training_seconds"
Curve = list[tuple[float, float]]  # seconds and distance, means over seeds, by length
Trainings = dict[int, dict[int | None, tuple[float, float]]]  # seconds and distance by length, then by seed


def trace_curves(cells: Sequence[MeasuredCell]) -> dict[str, Curve]:
    """Seconds of one thread and Frechet distance of each method, means over seeds, the shortest first.

    Of the seeds that have every length of the method, where there are any: else a curve would join different
    seeds.
    """
    return {method: _average(by_length) for method, by_length in _sort_trainings(cells).items()}


def tell_seeds(cells: Sequence[MeasuredCell]) -> str:
    """Say of how many seeds the curves are means."""
    trainings = _sort_trainings(cells).values()
    counts = {len(by_seed) for one in trainings for by_seed in _keep_shared(one).values()}
    if len(counts) > 1:
        return f"mean of {min(counts)} to {max(counts)} seeds, those with all lengths"
    return f"mean of {max(counts)} seeds" if counts - {1} else "one seed"


def _sort_trainings(cells: Sequence[MeasuredCell]) -> dict[str, Trainings]:
    points: dict[str, Trainings] = {}
    for cell in cells:
        if {SECONDS, DISTANCE} <= cell.numbers.keys() and LENGTH in cell.axes:
            by_seed = points.setdefault(cell.method, {}).setdefault(cell.axes[LENGTH], {})
            by_seed[cell.seed] = (cell.numbers[SECONDS], cell.numbers[DISTANCE])
    return points


def _keep_shared(by_length: Trainings) -> Trainings:
    """The trainings of seeds that have every length, or all where there is no such seed."""
    shared = set.intersection(*(set(by_seed) for by_seed in by_length.values()))
    return {
        length: {seed: pair for seed, pair in by_seed.items() if seed in shared or not shared}
        for length, by_seed in by_length.items()
    }


def _average(by_length: Trainings) -> Curve:
    curve = []
    for _, by_seed in sorted(_keep_shared(by_length).items()):
        seconds, distances = zip(*by_seed.values(), strict=True)
        curve.append((statistics.fmean(seconds), statistics.fmean(distances)))
    return curve


def draw_length_curves(path: Path, cells: Sequence[MeasuredCell], marks: Mapping[str, str]) -> None:
    """Draw every method beside Ours, the lowest distance first, on the same logarithmic axes.

    ``marks``: what is said of a method's distance beside its name.
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
        axis.set(xscale="log", yscale="log")
        axis.set_title(_name(method, marks), fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
        for side in (axis.xaxis, axis.yaxis):
            side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            side.set_minor_formatter(NullFormatter())
        axis.tick_params(axis="x", labelbottom=number + ACROSS >= len(others))  # nothing stands below
    for axis in list(grid.flat)[len(others) :]:
        axis.set_axis_off()
    lengths = sorted({cell.axes[LENGTH] for cell in cells if LENGTH in cell.axes})
    what = f"trainings of {_join(lengths)} rounds, {tell_seeds(cells)}"
    of_ours = ", ".join(filter(None, ("squares", marks.get(OURS))))
    figure.suptitle(f"A method (circles) beside {OURS} ({of_ours}): {what}")
    figure.supxlabel("training, seconds of one thread")
    figure.supylabel("Frechet distance")
    save_figure(figure, path)


def _join(numbers: Sequence[int]) -> str:
    if not numbers:
        return "no"
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}" if first else last


def _name(method: str, marks: Mapping[str, str]) -> str:
    name = show_method(method)
    return f"{name} ({marks[method]})" if method in marks else name


def _draw_curve(axis: Axes, curve: Curve, colour: str, style: str) -> None:
    axis.plot(*zip(*curve, strict=True), style, color=colour, markersize=4)
