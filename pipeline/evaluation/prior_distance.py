"""A method's latents against the prior that it draws its images from (Figures 2 and 3)."""

from __future__ import annotations

import torch
from torch import Tensor

from models.interface import FittedMethod
from models.langevin.noise import Stream, draw_normal
from models.transport.solve import solve_transport

PRIOR_DRAW = 1  # of Stream.TARGETS; draw 0 is the set that training moves the latents to
FITTED_DRAWS = (2, 3)  # of the method's prior: others than those of its samples and its posterior


def measure_distance_to_prior(fitted: FittedMethod, latents: Tensor, seed: int) -> tuple[float, float]:
    """Squared transport cost per sample of latents (N, d) to the method's own prior, and its floor.

    The floor is the cost between two samples of that prior as large as this one. Raises Lacking where the
    method has no prior.
    """
    prior, other = (fitted.draw_prior(len(latents), draw) for draw in FITTED_DRAWS)
    return _measure_cost(latents, prior, seed), _measure_cost(other, prior, seed)


def measure_distance_to_normal(latents: Tensor, seed: int) -> float:
    """Squared transport cost per sample of latents (N, d) to a fresh sample of N(0, I)."""
    n, d = latents.shape
    indices = torch.arange(n, device=latents.device)
    return _measure_cost(latents, draw_normal(seed, Stream.TARGETS, indices, PRIOR_DRAW, 1, d)[0], seed)


def _measure_cost(latents: Tensor, prior: Tensor, seed: int) -> float:
    rng = torch.Generator().manual_seed(seed)
    return float(solve_transport(latents, prior, generator=rng).cost)
