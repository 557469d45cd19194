"""The learning step: Adam on the pairs of images and latent vectors (Eq. 5, 6, 17)."""

from __future__ import annotations

import torch
from torch import Tensor

from models.descent import descend
from models.langevin.energy import compute_learning_loss
from models.networks.generator import Generator

ADAM_BETAS = (0.5, 0.99)  # section 7.1


def build_optimiser(generator: Generator, learning_rate: float) -> torch.optim.Adam:
    """Adam with the paper's betas (.5, .99), fused into one kernel."""
    return torch.optim.Adam(generator.parameters(), lr=learning_rate, betas=ADAM_BETAS, fused=True)


def learning_step(
    generator: Generator,
    optimiser: torch.optim.Optimizer,
    z: Tensor,
    images: Tensor,
    visible: Tensor | None,
    sigma: float,
    precision: torch.dtype = torch.float32,
) -> Tensor:
    """One Adam step on the pairs (z, images) with batch statistics; returns the loss before the step.

    ``z``: (B, d); ``images``: (B, C, H, W) float in [0, 1]. Matrix products run in ``precision``, the
    weights, their gradients and Adam's moments stay in float32.
    """
    generator.train()
    with torch.autocast(z.device.type, dtype=precision, enabled=precision != torch.float32):
        generated = generator(z)
    loss = compute_learning_loss(generated, images, visible, sigma)
    descend(optimiser, loss)
    return loss.detach()
