"""Particle gradient descent: Langevin particles and weights move at the same time.

Kuntz, Lim and Johansen, *Particle Algorithms for Maximum Likelihood Training of Latent Variable Models*
(AISTATS 2023), Eq. (7) and (8), with N = 10 particles an image, the paper's number:

    z_in  <- z_in - h dU_i/dz + sqrt(2 h) e,      theta <- theta - (Adam's step on) mean_n sum_i dU_in/dtheta,

both gradients at the same (theta, z). As in the authors' code (``PGA_smallbatch``) the weights' gradient
takes BatchNorm's batch statistics and the particles' the frozen ones, which leaves each particle to itself,
and the particles that move are those of the minibatch's images. With h = s^2 / 2 a particle's move is a
single step of Eq. (8).

The step that a likelihood's curvature allows grows with sigma^2, so that h counts in its units. The authors'
MNIST notebook has h = 1e-4 at sigma .01 on [-1, 1], which is sigma^2 = 2.5e-5 on [0, 1], so 4 of them; ours
is .045 at .09, half of one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.descent import take_steps
from models.interface import FitRequest
from models.langevin.tilted import lower, run_chains
from models.networks.generator import build_generator
from models.rivals.bases.chain_inference import ChainInference, learn_generator

N_PARTICLES = 10
STEP_SIZE = 0.3  # s: the main method's, which is stable with its sigma (conventions, section 1)
COST = 2 * N_PARTICLES  # a gradient in z and one in the weights for each particle


def spread(values: Tensor | None) -> Tensor | None:
    """Repeat each image's row for each of its particles: (B, ...) -> (B N, ...)."""
    return None if values is None else values.repeat_interleave(N_PARTICLES, 0)


def fit(request: FitRequest) -> ChainInference:
    """Train with persistent particles, in minibatches of images with all their particles."""
    rng, d = request.make_rng(), request.latent_dim
    generator = build_generator(request.architecture, d, rng).to(request.device)
    optimiser = request.make_adam(generator.parameters())
    n_images = len(request.images)
    particles = request.draw_prior(n_images * N_PARTICLES, rng).view(n_images, N_PARTICLES, d)
    network, dtype = lower(generator, request.precision)
    batches = request.shuffle(rng)

    def take_step(step: int) -> Tensor:
        rows = next(batches)
        images, visible = map(spread, request.load(rows))
        assert images is not None
        z = particles[rows].flatten(0, 1)  # (B N, d)
        noise = torch.randn(1, *z.shape, generator=rng).to(z.device)
        network.refresh()
        with torch.no_grad():
            moved = run_chains(network, z, images, visible, noise, STEP_SIZE, request.sigma, dtype=dtype)
        particles[rows] = moved.view(len(rows), N_PARTICLES, d)
        return learn_generator(generator, optimiser, z, images, visible, request, step)

    take_steps("PGD", request.count_steps(COST), take_step)
    return ChainInference(generator, d, request, STEP_SIZE, particles[:, 0].contiguous())
