"""How methods compare: ranks with intervals, verdicts beside Ours, whose training or tuning ended early."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from pipeline.evaluation.effects import Estimate, estimate_over_seeds, judge
from pipeline.studies.measured import MeasuredCell
from reports.paper.all_methods import DISTANCE, LENGTH, MIXTURE, OURS
from reports.paper.learned import find_behind

MARGINS = {
    "ratio": math.log(1.05),
    "difference": 0.02,
}  # those of the claims: the smallest effect that matters
CHANGING = 0.05  # of a distance over a factor of four in length: more, and the length is part of the result
FALLS, RISES, BEHIND = "not converged", "worse when longer", "behind PPCA"
WORDS = {"reproduces": "better", "contradicted": "worse"}  # a claim's verdicts, said of a method beside Ours


@dataclass(frozen=True)
class Comparison:
    """How far ``method`` is ahead of Ours: the effect, above 0 if it is, its verdict, its adjusted p."""

    method: str
    estimate: Estimate
    verdict: str
    p_holm: float


def mark_lengths(cells: Sequence[MeasuredCell], key: str = DISTANCE) -> dict[str, str]:
    """Mark the methods whose ``key`` changes by more than CHANGING over the last factor of four in length.

    FALLS or RISES, by the mean of the seeds that have both lengths.
    """
    values: dict[str, dict[int, dict[int | None, float]]] = {}
    for cell in cells:
        if key in cell.numbers and LENGTH in cell.axes:
            by_seed = values.setdefault(cell.method, {}).setdefault(cell.axes[LENGTH], {})
            by_seed[cell.seed] = cell.numbers[key]
    marks = {}
    for method, by_length in values.items():
        last, before = by_length[max(by_length)], by_length.get(max(by_length) // 4, {})
        shared = last.keys() & before.keys()
        now, then = sum(last[one] for one in shared), sum(before[one] for one in shared)
        if now < (1 - CHANGING) * then:
            marks[method] = FALLS
        elif now > (1 + CHANGING) * then:
            marks[method] = RISES
    return marks


def mark_behind(cells: Sequence[MeasuredCell]) -> dict[str, str]:
    """Mark the methods that PPCA beats in some seed in both qualities that Table 2's note judges by.

    Of one that infers nothing, in the distance alone.
    """
    judged, behind = (
        Counter(cell.method for cell in found)
        for found in find_behind("table2", [cell for cell in cells if not cell.error])
    )
    return {method: f"{BEHIND} ({count} of {judged[method]} seeds)" for method, count in behind.items()}


def mark_all(cells: Sequence[MeasuredCell], longest: Sequence[MeasuredCell]) -> dict[str, str]:
    """All marks of each method: of ``cells`` of all lengths, and of the ``longest`` beside PPCA."""
    by_length, behind = mark_lengths(cells), mark_behind(longest)
    return {
        method: "; ".join(filter(None, (by_length.get(method), behind.get(method))))
        for method in by_length | behind
    }


def find_edges(cells: Sequence[MeasuredCell], factors: Collection[float]) -> set[str]:
    """The methods whose learning rate is the lowest or the highest of those tried."""
    ends = {min(factors), max(factors)} if factors else set()
    return {cell.method for cell in cells if not cell.error and cell.rate_factor in ends}


def rank_by_seed(cells: Sequence[MeasuredCell], key: str, side: str) -> dict[str, np.ndarray]:
    """The ranks (S,) of each method, one a seed, 1 for the best.

    In each seed the methods that have ``key`` there are ranked among themselves; equal ones share a rank.
    Seeds that lack one of the methods are left out, so that all ranks are among the same. What Ours-mixture
    has of Ours is ranked once.
    """
    by_seed = _gather(cells, key)
    methods = sorted({method for values in by_seed.values() for method in values})
    whole = [values for values in by_seed.values() if len(values) == len(methods)]
    if not whole:
        return {}
    table = np.array([[values[method] for method in methods] for values in whole])
    ranks = rankdata(table if side == "lower" else -table, axis=1)
    return {method: ranks[:, column] for column, method in enumerate(methods)}


def compare_with_ours(cells: Sequence[MeasuredCell], key: str, side: str) -> list[Comparison]:
    """How far each method is ahead of Ours in ``key``, paired by seed, with Holm's adjustment over methods.

    Effects are log ratios of errors and distances, and differences of what is better when higher, an AUPRC.
    """
    by_seed = _gather(cells, key)
    shared = [values for values in by_seed.values() if OURS in values]
    found: dict[str, Estimate] = {}
    for method in dict.fromkeys(cell.method for cell in cells if cell.method != OURS):
        pairs = [(values[OURS], values[method]) for values in shared if method in values]
        if pairs:
            ours, theirs = np.array(pairs).T
            effects = np.log(ours / theirs) if side == "lower" else theirs - ours
            found[method] = estimate_over_seeds(effects)
    margin = MARGINS["ratio" if side == "lower" else "difference"]
    verdicts = judge(list(found.values()), [margin] * len(found))
    return [
        Comparison(method, estimate, WORDS.get(verdict, verdict), p)
        for (method, estimate), (verdict, p) in zip(found.items(), verdicts, strict=True)
    ]


def _gather(cells: Sequence[MeasuredCell], key: str) -> Mapping[int | None, dict[str, float]]:
    by_seed: dict[int | None, dict[str, float]] = {}
    for cell in cells:
        if key in cell.numbers and (cell.method != MIXTURE or key == DISTANCE):
            by_seed.setdefault(cell.seed, {})[cell.method] = cell.numbers[key]
    return by_seed
