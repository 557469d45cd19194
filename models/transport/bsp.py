"""Bijections from random binary space partitions, merged swap by swap: quick, no bound proven.

The idea of Genest et al., "BSP-OT: Sparse transport plans between discrete measures in loglinear time"
(2025). Not POT's ``ot.bsp``: its random state outlives the call, the second call in a process does not repeat
the first, so a resumed training would differ from an uninterrupted one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.transport.centring import centre
from models.transport.problem import TransportMap, TransportProblem, build_map

BSP_PLANS = 64  # partition matchings that are merged
SWEEPS = 2  # over each plan; further ones change the cost by less than another seed does


@dataclass(frozen=True)
class BspSolver:
    """Merges ``plans`` random partition matchings into one bijection, O(n log^2 n)."""

    plans: int = BSP_PLANS

    def solve(
        self, problem: TransportProblem, generator: torch.Generator, warm_start: TransportMap | None
    ) -> TransportMap:
        """Match the populations; the generator draws every plan's directions, a warm start is not used."""
        centred = centre(problem)
        assignment = match_bsp(centred.source, centred.target, self.plans, generator)
        return build_map(problem, assignment, "bsp", iterations=self.plans)


def match_bsp(source: Tensor, target: Tensor, plans: int, generator: torch.Generator) -> Tensor:
    """Return a bijection (n,) int64 of low cost from ``plans`` random partition matchings."""
    seed = int(torch.randint(2**31 - 1, (1,), generator=generator))
    rng = np.random.default_rng(seed)
    points, goals = source.float().cpu().numpy(), target.float().cpu().numpy()
    best = draw_plan(points, goals, rng)
    for _ in range(plans - 1):
        best = take_swaps(points, goals, best, draw_plan(points, goals, rng))
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


def take_swaps(points: np.ndarray, goals: np.ndarray, best: np.ndarray, proposal: np.ndarray) -> np.ndarray:
    """Let sources take over the targets that ``proposal`` names where the exchange lowers the cost.

    Source i gets its proposed target from the source that holds it, and gives its own in return. Of
    exchanges that share a source the one with the largest gain is done, so the cost never rises.
    """
    sources, best = np.arange(len(best)), best.copy()
    for _ in range(SWEEPS):
        holder = np.empty_like(best)
        holder[best] = sources
        partner = holder[proposal]
        gain = 2 * np.einsum("nd,nd->n", points - points[partner], goals[proposal] - goals[best])
        largest = np.zeros_like(gain)
        np.maximum.at(largest, sources, gain)
        np.maximum.at(largest, partner, gain)
        chosen = (gain > 0) & (gain == largest) & (gain == largest[partner])
        i, j = sources[chosen], partner[chosen]
        times = np.bincount(np.concatenate([i, j]), minlength=len(best))
        alone = (times[i] == 1) & (times[j] == 1)  # equal gains may still share a source
        i, j = i[alone], j[alone]
        best[i], best[j] = best[j], best[i]
    return best
