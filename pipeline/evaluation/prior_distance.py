"""A method's latents against the prior (Figures 2 and 3)."""

from __future__ import annotations

import torch
from torch import Tensor

from models.langevin.noise import Stream, draw_normal
from models.transport.solve import solve_transport

PRIOR_DRAW = 1  # of Stream.TARGETS; draw 0 is the set that training moves the latents to


def measure_distance_to_prior(latents: Tensor, seed: int) -> tuple[float, float]:
    """Squared transport cost per sample of latents (N, d) to a fresh sample of the prior, and its floor.

    The floor is the cost between two samples of the prior as large as this one.
    """
    n, d = latents.shape
    indices = torch.arange(n, device=latents.device)
    prior, other = (
        draw_normal(seed, Stream.TARGETS, indices, PRIOR_DRAW + number, 1, d)[0] for number in range(2)
    )
    rng = torch.Generator().manual_seed(seed)
    cost, floor = (float(solve_transport(one, prior, generator=rng).cost) for one in (latents, other))
    return cost, floor
