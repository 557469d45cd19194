"""Sliced quantile matching: move the population to N(0, I) one axis of a random basis at a time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.transport.problem import TransportMap, TransportProblem

BASES = 10  # random orthonormal bases, one after the other


@dataclass(frozen=True)
class SlicedSolver:
    """Replaces ranks by Gaussian quantiles along ``bases`` random orthonormal bases, O(d n log n)."""

    bases: int = BASES

    def solve(
        self, problem: TransportProblem, generator: torch.Generator, warm_start: TransportMap | None
    ) -> TransportMap:
        """Move the source to N(0, I); the generator draws the bases, a warm start is not used.

        The target is the prior itself: no target sample is used and no assignment results.
        """
        points = problem.source.double()
        for _ in range(self.bases):
            basis = random_basis(problem.d, generator).to(points)
            points = match_quantiles(points @ basis) @ basis.T
        transported = points.to(problem.source.dtype)
        cost = (transported.double() - problem.source.double()).square().sum(1).mean().item()
        matched = torch.ones(problem.n, dtype=torch.bool, device=points.device)
        return TransportMap(transported, matched, cost, "sliced", iterations=self.bases)


def match_quantiles(points: Tensor) -> Tensor:
    """Replace each coordinate of (n, d) by the N(0, 1) quantile of its mid-rank.

    Equal values share the mean of their ranks, so that the map is a function of the value alone.
    """
    n = len(points)
    ordered = points.T.contiguous().sort(1).values  # (d, n)
    values = points.T.contiguous()
    below = torch.searchsorted(ordered, values)
    through = torch.searchsorted(ordered, values, right=True)
    return torch.special.ndtri((below + through).double() / (2 * n)).T.to(points)


def random_basis(d: int, generator: torch.Generator) -> Tensor:
    """Draw an orthonormal (d, d) float64 basis uniformly (QR of a Gaussian matrix, signs fixed)."""
    q, r = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64))
    return q * r.diagonal().sign()
