"""Is a larger K, or L2, worth what it costs? What trainings have after rounds that cost about the same."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.effects import Estimate, estimate_over_seeds
from pipeline.studies.grid import Cell
from pipeline.studies.measured import MeasuredCell
from pipeline.studies.workload import count_learning, count_round
from reports.paper.gains import write_factor

AXES = {"table6": "K", "table7": "L2"}
QUANTITIES = {
    "frechet_distance": "the Frechet distance",
    "mse_after": "the error of training images",
}  # curves, at rounds' ends
Curves = dict[int | None, Mapping[str, Sequence[float]]]  # of an axis's value: by seed, by quantity
LEEWAY = 1.25  # a pair whose cost differs by a larger factor is left out


@dataclass(frozen=True)
class EqualWork:
    """Two values of an axis, each after as many rounds as make the costs the most alike.

    ``excess``: how many times the cost of the smaller value the larger one's is; ``ratios``: by curve, over
    seeds, the log ratio of the larger value's end to the smaller one's.
    """

    less: int
    more: int
    rounds_of_less: int
    rounds_of_more: int
    excess: float
    ratios: Mapping[str, Estimate]


def describe_equal_work(study: str, cells: Sequence[MeasuredCell], planned: Sequence[Cell]) -> str:
    """Compare a study's values of K or L2 at equal arithmetic, and L2 at equal learning too; "" for others.

    ``planned``: the study's cells with their settings, of which the arithmetic of a round is counted.
    """
    if study not in AXES:
        return ""
    axis = AXES[study]
    at = {int(dict(cell.axes)[axis]): cell for cell in planned if axis in dict(cell.axes)}
    arithmetic = {value: count_round(cell) for value, cell in at.items()}
    seconds = "a training's arithmetic, which most of its seconds are"
    told = [_tell(f"After about equal shares of {seconds}", axis, compare_at(axis, cells, arithmetic))]
    if study == "table7":
        learning = {value: float(count_learning(cell)) for value, cell in at.items()}
        told.append(
            _tell("After about equally many learning steps", axis, compare_at(axis, cells, learning), "fewer")
        )
    return " ".join(filter(None, told))


def compare_at(
    axis: str, cells: Sequence[MeasuredCell], costs: Mapping[int, float], leeway: float = LEEWAY
) -> list[EqualWork]:
    """Compare neighbours on ``axis`` after the rounds that cost the most alike, of those the most rounds.

    ``costs``: a round's, by the axis's value, whatever they are counted in; ``leeway``: the largest factor
    between two costs. A pair without such rounds, or without a seed that both have, is left out.
    """
    curves: dict[int, Curves] = {}
    for cell in cells:
        if axis in cell.axes and all(len(cell.curves.get(name, ())) for name in QUANTITIES):
            curves.setdefault(int(cell.axes[axis]), {})[cell.seed] = cell.curves
    pairs = []
    for less, more in itertools.pairwise(sorted(curves)):
        factor = costs[more] / costs[less]
        of_less, of_more = _match_rounds(_count_rounds(curves[less]), _count_rounds(curves[more]), factor)
        excess = factor * of_more / of_less
        if curves[less].keys() & curves[more].keys() and abs(math.log(excess)) <= math.log(leeway) + 1e-9:
            ratios = {
                name: estimate_over_seeds(_divide(curves[more], of_more, curves[less], of_less, name))
                for name in QUANTITIES
            }
            pairs.append(EqualWork(less, more, of_less, of_more, excess, ratios))
    return pairs


def _divide(more: Curves, of_more: int, less: Curves, of_less: int, name: str) -> np.ndarray:
    """Log ratios (S,) of a curve after so many rounds of each, of the seeds that both have."""
    seeds = [seed for seed in less if seed in more]
    return np.log([more[seed][name][of_more - 1] / less[seed][name][of_less - 1] for seed in seeds])


def _count_rounds(curves: Curves) -> int:
    """How many rounds every seed has."""
    return min(len(curve[name]) for curve in curves.values() for name in QUANTITIES)


def _match_rounds(n_less: int, n_more: int, factor: float) -> tuple[int, int]:
    """The rounds of the smaller and the larger value that cost the most alike; ``factor``: of a round's."""
    of_both = itertools.product(range(1, n_less + 1), range(1, n_more + 1))
    return min(of_both, key=lambda pair: (round(abs(math.log(factor * pair[1] / pair[0])), 9), -pair[1]))


def _tell(opening: str, axis: str, pairs: Sequence[EqualWork], smaller: str = "less of it") -> str:
    told = []
    for pair in pairs:
        n = pair.rounds_of_more
        share = abs(pair.excess - 1)
        larger = smaller.replace("less", "more").replace("fewer", "more")
        off = f", with {share:.0%} {larger if pair.excess > 1 else smaller}," if share > 0.005 else ""
        ratios = " and ".join(
            f"{write_factor(pair.ratios[name])} times {words}" for name, words in QUANTITIES.items()
        )
        told.append(
            f"{axis} = {pair.more} after {n} round{'s' * (n > 1)}{off} has {ratios} of {axis} = {pair.less} "
            f"after {pair.rounds_of_less}"
        )
    return f"{opening}, {'; '.join(told)}." if told else ""
