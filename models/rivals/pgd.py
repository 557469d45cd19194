"""Particle gradient descent: Langevin particles and weights move at the same time.

Kuntz, Lim and Johansen, *Particle Algorithms for Maximum Likelihood Training of Latent Variable Models*
(AISTATS 2023), Eq. (7) and (8), one particle an image:

    z_i   <- z_i - h dU_i/dz + sqrt(2 h) e,        theta <- theta - (Adam's step on) sum_i dU_i/dtheta,

both gradients at the same (theta, z). With h = s^2 / 2 the first is a single step of Eq. (8).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.interface import FitRequest
from models.langevin.energy import compute_energy
from models.rivals.bases.chain_inference import ChainInference
from models.rivals.bases.joint_descent import descend_jointly

STEP_SIZE = 0.3  # s: the main method's, which is stable with its sigma (conventions, section 1)


def fit(request: FitRequest) -> ChainInference:
    """Train with persistent particles, in minibatches."""
    rng, h = request.make_rng(), STEP_SIZE**2 / 2

    def compute_losses(generated: Tensor, images: Tensor, z: Tensor, visible: Tensor | None) -> Tensor:
        return compute_energy(generated, images, z, request.sigma, visible)

    def move(z: Tensor, gradient: Tensor) -> Tensor:
        noise = torch.randn(z.shape, generator=rng).to(z.device)
        return z - h * len(z) * gradient + math.sqrt(2 * h) * noise

    generator, latents = descend_jointly("PGD", request, rng, lambda z: z, compute_losses, move)
    return ChainInference(generator, request.latent_dim, request, STEP_SIZE, latents)
