"""Wasserstein auto-encoders: the aggregated posterior is brought to the prior, not each posterior.

Tolstikhin, Bousquet, Gelly and Schoelkopf, *Wasserstein Auto-Encoders* (ICLR 2018). The loss is

    w mean_i |M (I_i - g(e(I_i)))|^2 + lambda D(e(I), N(0, I)),      w = .05 in the authors' code,

with D the maximum mean discrepancy of inverse multiquadratics (Algorithm 2), or a discriminator of latent
vectors (Algorithm 1): it ascends log D(z) + log(1 - D(e(I))), the encoder descends - log D(e(I)).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.descent import descend, minimise, take_steps
from models.interface import FitRequest
from models.langevin.energy import measure_residual
from models.networks.generator import build_network
from models.rivals.bases.autoencoder import Autoencoder, build_autoencoder

WEIGHT = 10.0  # lambda, the paper's for MNIST
ERROR_WEIGHT = 0.05  # the authors' code has it, the paper does not; lambda 10 goes with it
SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # of the kernel's width 2 d, as in the authors' code
WIDTH, DEPTH = 512, 4  # of the discriminator of latent vectors, the paper's for MNIST
# Its rate and the deviation of its first weights, the authors' code's for MNIST. The rate is not tuned: what
# the tuning multiplies is the auto-encoder's, and an adversary thirty times as fast tells nothing.
ADVERSARY_RATE, ADVERSARY_DEVIATION = 5e-4, 0.01
BETAS = (0.5, 0.999)


def measure_discrepancy(z: Tensor, other: Tensor) -> Tensor:
    """Estimate the squared maximum mean discrepancy of two samples (n, d) without bias, a number.

    Kernel: the sum over scales s of s C / (s C + |x - y|^2), C = 2 d.
    """
    n, d = z.shape
    within = (_sum_kernel(z, z, d) + _sum_kernel(other, other, d) - 2 * n * len(SCALES)) / (n * (n - 1))
    return within - 2 * _sum_kernel(z, other, d) / n**2


def _sum_kernel(x: Tensor, y: Tensor, d: int) -> Tensor:
    squares = (x[:, None] - y[None]).square().sum(2)  # (n, n)
    widths = [scale * 2 * d for scale in SCALES]
    return torch.stack([(width / (width + squares)).sum() for width in widths]).sum()


def fit_mmd(request: FitRequest) -> Autoencoder:
    """Train WAE-MMD; a step costs two gradients a sample."""
    rng = request.make_rng()
    encoder, generator = build_autoencoder(request, rng)

    def compute_loss(rows: Tensor) -> Tensor:
        images, visible = request.load(rows)
        with request.autocast():
            z, _ = encoder(images, visible)
            generated = generator(z)
        error = ERROR_WEIGHT * measure_residual(generated, images, visible).mean()
        return error + WEIGHT * measure_discrepancy(z, request.draw_prior(len(z), rng))

    optimiser = request.make_adam([*generator.parameters(), *encoder.parameters()], betas=BETAS)
    minimise("WAE-MMD", optimiser, compute_loss, request.shuffle(rng), request.count_steps(cost=2))
    return Autoencoder(encoder, generator, request)


def build_discriminator(d: int, rng: torch.Generator) -> nn.Sequential:
    """Build the discriminator of latent vectors, (B, d) -> (B, 1), a logit; it starts near 0."""

    def build() -> nn.Sequential:
        layers: list[nn.Module] = []
        for width_in in (d, *[WIDTH] * (DEPTH - 1)):
            layers += [nn.Linear(width_in, WIDTH), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(WIDTH, 1))

    network = build_network(build, rng)
    for layer in network:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=ADVERSARY_DEVIATION, generator=rng)
    return network


def fit_gan(request: FitRequest) -> Autoencoder:
    """Train WAE-GAN; the discriminator of latent vectors is small, a step costs two gradients a sample."""
    rng = request.make_rng()
    encoder, generator = build_autoencoder(request, rng)
    discriminator = build_discriminator(request.latent_dim, rng).to(request.device)
    optimiser = request.make_adam([*generator.parameters(), *encoder.parameters()], betas=BETAS)
    adversary = request.make_adam(discriminator.parameters(), ADVERSARY_RATE / request.rate_factor, BETAS)
    batches = request.shuffle(rng)

    def take_step(step: int) -> Tensor:
        images, visible = request.load(next(batches))
        with request.autocast():
            z, _ = encoder(images, visible)
            generated = generator(z)
        error = ERROR_WEIGHT * measure_residual(generated, images, visible).mean()
        loss = error + WEIGHT * functional.softplus(-discriminator(z)).mean()  # - log D(z)
        descend(optimiser, loss)
        prior = request.draw_prior(len(z), rng)
        doubt = functional.softplus(-discriminator(prior)) + functional.softplus(discriminator(z.detach()))
        descend(adversary, WEIGHT * doubt.mean())
        return loss

    take_steps("WAE-GAN", request.count_steps(cost=2), take_step)
    return Autoencoder(encoder, generator, request)
