"""The learning step: Adam on the pairs of images and latent vectors (Eq. 5, 6, 17)."""

from __future__ import annotations

import torch
from torch import Tensor

from models.networks.generator import Generator

ADAM_BETAS = (0.5, 0.99)  # section 7.1


def build_optimiser(generator: Generator, learning_rate: float) -> torch.optim.Adam:
    """Adam with the paper's betas (.5, .99), fused into one kernel."""
    return torch.optim.Adam(generator.parameters(), lr=learning_rate, betas=ADAM_BETAS, fused=True)


def learning_loss(generated: Tensor, images: Tensor, visible: Tensor | None, sigma: float) -> Tensor:
    """Negative Eq. (5) or (17): |M (I - g(z))|^2 / (2 sigma^2), summed over pixels, mean over samples.

    ``generated``, ``images``: (B, C, H, W); ``visible``: (B, 1, H, W) or None. Returns a scalar.
    """
    residual = generated.float() - images
    if visible is not None:
        residual = residual * visible
    return residual.square().flatten(1).sum(1).mean() / (2 * sigma**2)


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
    loss = learning_loss(generated, images, visible, sigma)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return loss.detach()
