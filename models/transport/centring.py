"""The coordinates that solvers work in, where rounding does not depend on the caller's origin or unit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.transport.problem import TransportProblem


@dataclass(frozen=True)
class CentredProblem:
    """Two populations in float64, each with mean 0, and with 1 as their common variance per coordinate.

    Centring changes the cost of every one-to-one map by one constant and scaling by one factor, so the
    optimum stays. ``tilt`` is what the source's mean adds to the potentials of Eq. (14).
    """

    source: Tensor  # (n, d)
    target: Tensor  # (n, d)
    scale: float
    tilt: Tensor  # (n,)

    def localise(self, h: Tensor) -> Tensor:
        """Return the caller's potentials h (n,) in these coordinates."""
        return (h.to(self.tilt) + self.tilt) / self.scale**2

    def globalise(self, h: Tensor) -> Tensor:
        """Return potentials h (n,) of these coordinates in the caller's."""
        return h * self.scale**2 - self.tilt


def centre(problem: TransportProblem) -> CentredProblem:
    """Centre and scale the populations of a problem with a target sample."""
    source, target = problem.source.double(), problem.target_sample.double()
    shift = source.mean(0)
    source, target = source - shift, target - target.mean(0)
    largest = max(source.abs().max().item(), target.abs().max().item(), torch.finfo(torch.float64).tiny)
    source, target = source / largest, target / largest  # before squares, which may leave the range
    spread = math.sqrt((source.square().mean().item() + target.square().mean().item()) / 2)
    scale = largest * (spread or 1.0)  # all points of each population alike: nothing to scale
    source, target = source / (spread or 1.0), target / (spread or 1.0)
    return CentredProblem(source, target, scale, (target @ shift) * scale)
