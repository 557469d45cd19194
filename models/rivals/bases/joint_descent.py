"""Weights and the training images' own latent vectors, learned together: one gradient serves both."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from models.descent import descend, take_steps
from models.interface import FitRequest
from models.networks.generator import Generator, build_generator

COST = 1  # one gradient a sample, in z and in the weights together


def descend_jointly(
    name: str,
    request: FitRequest,
    rng: torch.Generator,
    start: Callable[[Tensor], Tensor],
    compute_losses: Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor],
    move: Callable[[Tensor, Tensor], Tensor],
) -> tuple[Generator, Tensor]:
    """Train a generator by Adam and latent vectors by ``move``, minibatch by minibatch.

    ``start``: where draws of the prior (N, d) begin; ``compute_losses``: g(z), images, z, visible -> (B,);
    ``move``: z and the gradient of the minibatch's mean loss, a sample's own over B, -> z, (B, d) each.
    BatchNorm takes the minibatch's statistics. Returns the generator and the latent vectors (N, d).
    """
    generator = build_generator(request.architecture, request.latent_dim, rng).to(request.device)
    latents = start(request.draw_prior(len(request.images), rng))
    optimiser = request.make_adam(generator.parameters())
    batches = request.shuffle(rng)

    def take_step(step: int) -> Tensor:
        rows = next(batches)
        images, visible = request.load(rows)
        z = latents[rows].requires_grad_(True)
        with request.autocast():
            generated = generator(z)
        loss = compute_losses(generated, images, z, visible).mean()
        descend(optimiser, loss)  # moves the weights; z keeps its gradient
        assert z.grad is not None  # a leaf that the loss depends on
        with torch.no_grad():
            latents[rows] = move(z, z.grad)
        return loss

    take_steps(name, request.count_steps(COST), take_step)
    return generator, latents
