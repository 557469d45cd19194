"""Price all pairs under dual potentials: what a map may lack of the optimum, and the arcs that it lacks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.transport.blockwise import BLOCK_ROWS, top_targets

PAIRS = 1 << 16  # pairs scored at once


@dataclass(frozen=True)
class Prices:
    """What one search of all pairs says of an assignment and its potentials.

    The optimum is at most ``slack`` below the assignment's mean squared cost; ``rounding`` is the part of it
    that is owed to the precision of the search.
    """

    u: Tensor  # (n,) float64, no score of the row is larger
    missing: Tensor  # (m,) int64, arcs i * n + j that are better than the row's own
    slack: float
    rounding: float


def price(
    source: Tensor,
    target: Tensor,
    h: Tensor,
    assignment: Tensor,
    k: int,
    dtype: torch.dtype,
    block_rows: int = BLOCK_ROWS,
) -> Prices:
    """Price an assignment (n,) under h (n,) float64; at most ``k`` arcs a row are named missing.

    Weak duality for Eq. (14): the costs of the assignment and of the optimum differ by no more than twice
    the mean of max_j (<x_i, z_j> + h_j) minus the row's own score. The search runs in ``dtype``. The scores
    that it finds are computed again in float64; those it does not name are at most the last one that it
    names, up to the worst rounding error of an inner product (Higham 2002, section 3.1).
    """
    n, d = source.shape
    searched, columns = top_targets(source.to(dtype), target.to(dtype), h.to(dtype), k, block_rows)
    points = torch.arange(n, device=source.device)
    rows = points[:, None].expand_as(columns)
    scores = score_pairs(source, target, h, rows.flatten(), columns.flatten()).view(columns.shape)
    own = score_pairs(source, target, h, points, assignment)
    found = torch.maximum(scores.amax(1), own)
    u = found
    if k < n:
        unit = torch.finfo(dtype).eps  # twice the unit roundoff, for the rounding of the points themselves
        sizes = source.norm(dim=1) * target.norm(dim=1).amax() + h.abs().amax()
        u = torch.maximum(found, searched[:, -1].double() + (d + 2) * unit * sizes)
    better = scores > own[:, None]
    missing = (rows * n + columns)[better]
    return Prices(u, missing, 2 * (u - own).mean().item(), 2 * (u - found).mean().item())


def score_pairs(source: Tensor, target: Tensor, h: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return <x_i, z_j> + h_j in float64 for pairs (m,), some at a time."""
    scores = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
    for start in range(0, len(rows), PAIRS):
        i, j = rows[start : start + PAIRS], columns[start : start + PAIRS]
        scores[start : start + PAIRS] = (source[i].double() * target[j].double()).sum(1) + h[j]
    return scores
