"""Dual potentials of the assignment problem: a first guess, their recovery, the bound they prove."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.transport.blockwise import BLOCK_ROWS, best_targets


def lower_bound(source: Tensor, target: Tensor, h: Tensor, block_rows: int = BLOCK_ROWS) -> float:
    """Return a lower bound on the mean squared cost of every one-to-one map, proven by h (n,).

    mean |x|^2 + mean |z|^2 - 2 E(h) with E of Eq. (14): weak duality, for any h whatsoever.
    """
    source, target, h = source.double(), target.double(), h.double()
    scores, _ = best_targets(source, target, h, block_rows)
    energy = scores.mean() - h.mean()
    moments = source.square().sum(1).mean() + target.square().sum(1).mean()
    return (moments - 2 * energy).item()


def relative_gap(cost: float, bound: float) -> float:
    """Return (cost - bound) / cost in [0, 1]: how far from the optimum a map can be at most.

    No cost is negative, so 0 is a bound as well, and where it is the better one the gap is 1.
    """
    return min(max(cost - bound, 0.0) / cost, 1.0) if cost > 0 else 0.0


def gaussian_potentials(source: Tensor, target: Tensor) -> Tensor:
    """Return h (n,) float64 that would be optimal if both populations were Gaussian.

    The map between Gaussians is linear, its potential quadratic: h_j = -z_j' A z_j / 2 with
    A = C^-1/2 (C^1/2 S C^1/2)^1/2 C^-1/2, S and C the covariances (both populations centred).
    """
    source, target = source.double(), target.double()
    s, c = _covariance(source), _covariance(target)
    root, inverse = _power(c, 0.5), _power(c, -0.5)
    back = inverse @ _power(root @ s @ root, 0.5) @ inverse  # the linear map from target to source
    return -((target @ back) * target).sum(1) / 2


def recover_potentials(
    starts: np.ndarray, columns: np.ndarray, costs: np.ndarray, assignment: np.ndarray
) -> np.ndarray:
    """Return v (n,) with cost_ij - v_j least at the assigned column of every row i.

    Arcs lie row by row: row i owns starts[i] to starts[i + 1] of ``columns`` and ``costs``. Potentials
    are shortest distances in the residual graph of an optimal assignment (no negative cycle), here
    by Bellman-Ford from v = 0 that revisits only the rows whose own column became cheaper.
    """
    n = len(assignment)
    owner = np.empty(n, dtype=np.int64)
    owner[assignment] = np.arange(n)
    rows = np.repeat(np.arange(n), np.diff(starts))
    chosen = columns == assignment[rows]
    own_cost = np.empty(n)
    own_cost[rows[chosen]] = costs[chosen]
    v = np.zeros(n)
    active = np.arange(n)
    for _ in range(n):  # a shortest path has at most n arcs
        if len(active) == 0:
            break
        lengths = starts[active + 1] - starts[active]
        ends = np.cumsum(lengths)
        arcs = np.arange(ends[-1]) + np.repeat(starts[active] - (ends - lengths), lengths)
        distance = costs[arcs] - np.repeat(own_cost[active] - v[assignment[active]], lengths)
        shorter = distance < v[columns[arcs]]
        touched = columns[arcs[shorter]]
        np.minimum.at(v, touched, distance[shorter])
        active = owner[np.unique(touched)]
    return v


def _covariance(points: Tensor) -> Tensor:
    return points.T @ points / len(points)  # (d, d)


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    floor = torch.finfo(matrix.dtype).eps ** 0.5 * values[-1].clamp(min=1e-30)  # singular where n < d
    return (vectors * values.clamp(min=floor) ** exponent) @ vectors.T
