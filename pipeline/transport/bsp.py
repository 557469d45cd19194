"""Bijections from random binary space partitions, merged cycle by cycle: quick, no bound proven.

The idea of Genest et al., "BSP-OT: Sparse transport plans between discrete measures in loglinear time"
(2025). POT's `ot.bsp` finds cheaper bijections, but its random state outlives the call: the second call in a
process does not repeat the first, so a resumed training would differ from an uninterrupted one.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from pipeline.transport.problem import TransportMap, TransportProblem, build_map

BSP_PLANS = 64


def solve_bsp(
    problem: TransportProblem, epsilon: float, generator: torch.Generator, warm_start: TransportMap | None
) -> TransportMap:
    """Merge 64 random partition matchings into one bijection, O(n log^2 n)."""
    assignment = match_bsp(problem.source, problem.target, BSP_PLANS, generator)
    return build_map(problem, assignment, "bsp", iterations=BSP_PLANS)


def match_bsp(source: Tensor, target: Tensor, plans: int, generator: torch.Generator) -> Tensor:
    """Return a bijection (n,) int64 of low cost from ``plans`` random partition matchings."""
    seed = int(torch.randint(2**31 - 1, (1,), generator=generator))
    rng = np.random.default_rng(seed)
    points, goals = source.float().cpu().numpy(), target.float().cpu().numpy()
    best = draw_plan(points, goals, rng)
    for _ in range(plans - 1):
        best = merge_bijections(points, goals, best, draw_plan(points, goals, rng))
    return torch.from_numpy(best)


def draw_plan(points: np.ndarray, goals: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Match two populations (n, d) by halving both along random directions until cells hold one pair."""
    n, d = points.shape
    orders = [np.arange(n), np.arange(n)]
    starts = np.array([0, n])  # cell c holds positions starts[c] to starts[c + 1] of both orders
    while np.diff(starts).max() > 1:
        cells = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        directions = rng.standard_normal((len(starts) - 1, d), dtype=np.float32)
        for side, population in enumerate((points, goals)):
            height = np.einsum("nd,nd->n", population[orders[side]], directions[cells])
            orders[side] = orders[side][np.lexsort((height, cells))]
        middles = (starts[:-1] + starts[1:]) // 2
        starts = np.unique(np.concatenate([starts, middles]))
    plan = np.empty(n, dtype=np.int64)
    plan[orders[0]] = orders[1]
    return plan


def merge_bijections(
    points: np.ndarray, goals: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Take the cheaper of two bijections on each cycle of their union; never worse than either."""
    n = len(first)
    sources = np.arange(n)
    rows, columns = np.concatenate([sources, sources]), np.concatenate([first, second]) + n
    graph = coo_array((np.ones(2 * n, dtype=np.int8), (rows, columns)), shape=(2 * n, 2 * n))
    _, component = connected_components(graph, directed=False)
    component = component[:n]
    costs = [np.square(points - goals[plan]).sum(1, dtype=np.float64) for plan in (first, second)]
    saved = np.bincount(component, weights=costs[0] - costs[1])
    return np.where(saved[component] > 0, second, first)
