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

from models.chains import ChainInference
from models.generator import build_generator
from models.interface import FitRequest
from models.langevin import compute_energy
from models.optimisation import take_steps

STEP_SIZE = 0.3  # s: the main method's, which is stable with its sigma (conventions, section 1)
COST = 1  # one gradient a sample in z and in the weights together


def fit(request: FitRequest) -> ChainInference:
    """Train with persistent particles, in minibatches; BatchNorm takes the minibatch's statistics."""
    rng = request.make_rng()
    generator = build_generator(request.architecture, request.latent_dim, rng).to(request.device)
    latents = torch.randn(len(request.images), request.latent_dim, generator=rng).to(request.device)
    optimiser = request.make_adam(generator.parameters())
    batches, h = request.shuffle(rng), STEP_SIZE**2 / 2

    def take_step(step: int) -> Tensor:
        rows = next(batches)
        images, visible = request.load(rows)
        z = latents[rows].requires_grad_(True)
        with request.autocast():
            generated = generator(z)
        energy = compute_energy(generated, images, z, request.sigma, visible).mean()
        optimiser.zero_grad(set_to_none=True)
        energy.backward()
        noise = torch.randn(z.shape, generator=rng).to(z.device)
        with torch.no_grad():  # the mean's gradient is each sample's over the batch size
            latents[rows] = z - h * len(rows) * z.grad + math.sqrt(2 * h) * noise
        optimiser.step()
        return energy

    take_steps("PGD", request.count_steps(COST), take_step)
    return ChainInference(generator, request.latent_dim, request, STEP_SIZE, latents)
