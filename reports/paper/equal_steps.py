"""Is a larger K, or L2, worth what it costs? Distances after equally many steps, where most seconds go."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.effects import Estimate, estimate_over_seeds
from pipeline.studies.measured import MeasuredCell
from reports.paper.gains import write_factor

STEPS = {"table6": ("K", "Langevin steps"), "table7": ("L2", "learning steps")}
CURVE = "frechet_distance"  # at each round's end


@dataclass(frozen=True)
class EqualSteps:
    """Two values of an axis, each after as many rounds as make the products equal; their log ratio."""

    less: int
    more: int
    rounds_of_less: int
    rounds_of_more: int
    ratio: Estimate  # over seeds, of the distances, more over less


def describe_equal_steps(study: str, cells: Sequence[MeasuredCell]) -> str:
    """Say how far a larger value is from the next smaller one after as many steps; "" for other studies."""
    if study not in STEPS:
        return ""
    axis, steps = STEPS[study]
    told = [
        f"{axis} = {pair.more} after {_count_rounds(pair.rounds_of_more)} has {write_factor(pair.ratio)} "
        f"times the Frechet distance of {axis} = {pair.less} after {pair.rounds_of_less}"
        for pair in compare_equal_steps(axis, cells)
    ]
    return f"After equally many {steps}, {'; '.join(told)}." if told else ""


def compare_equal_steps(axis: str, cells: Sequence[MeasuredCell]) -> list[EqualSteps]:
    """Compare neighbours on ``axis`` after the most rounds that give both equally many steps.

    A pair without such rounds, or without a seed that both have, is left out.
    """
    curves: dict[int, dict[int | None, list[float]]] = {}
    for cell in cells:
        if axis in cell.axes and len(cell.curves.get(CURVE, ())):
            curves.setdefault(int(cell.axes[axis]), {})[cell.seed] = list(cell.curves[CURVE])
    pairs = []
    for less, more in itertools.pairwise(sorted(curves)):
        seeds = [seed for seed in curves[less] if seed in curves[more]]
        longest = min((len(curve) for value in (less, more) for curve in curves[value].values()), default=0)
        equal = [(m * more // less, m) for m in range(1, longest + 1) if m * more % less == 0]
        equal = [(of_less, of_more) for of_less, of_more in equal if of_less <= longest]
        if seeds and equal:
            of_less, of_more = equal[-1]
            ratios = [curves[more][seed][of_more - 1] / curves[less][seed][of_less - 1] for seed in seeds]
            pairs.append(EqualSteps(less, more, of_less, of_more, estimate_over_seeds(np.log(ratios))))
    return pairs


def _count_rounds(n: int) -> str:
    return f"{n} round" if n == 1 else f"{n} rounds"
