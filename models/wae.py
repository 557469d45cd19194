"""Wasserstein auto-encoders: the aggregated posterior is brought to the prior, not each posterior.

Tolstikhin, Bousquet, Gelly and Schoelkopf, *Wasserstein Auto-Encoders* (ICLR 2018). The loss is

    mean_i |M (I_i - g(e(I_i)))|^2 + lambda D(e(I), N(0, I)),

with D the maximum mean discrepancy of inverse multiquadratics (Algorithm 2), or a discriminator of latent
vectors (Algorithm 1): it ascends log D(z) + log(1 - D(e(I))), the encoder descends - log D(e(I)).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.autoencoder import Autoencoder, build_autoencoder, measure_residual
from models.generator import build_network
from models.interface import FitRequest
from models.optimisation import check_loss, minimise, shuffle

WEIGHT = 10.0  # lambda, the paper's for MNIST
SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # of the kernel's width 2 d, as in the authors' code
WIDTH, DEPTH = 512, 4  # of the discriminator of latent vectors, the paper's for MNIST
ADVERSARIAL_BETAS = (0.5, 0.999)
CHECK_EVERY = 20


def measure_discrepancy(z: Tensor, other: Tensor) -> Tensor:
    """The unbiased estimate of the squared maximum mean discrepancy of two samples (n, d), a number.

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
        prior = torch.randn(z.shape, generator=rng).to(z.device)
        error = measure_residual(generated, images, visible).mean()
        return error + WEIGHT * measure_discrepancy(z, prior)

    weights = [*generator.parameters(), *encoder.parameters()]
    batches = shuffle(len(request.images), request.minibatch, rng, request.device)
    minimise("WAE-MMD", weights, compute_loss, batches, request.count_steps(cost=2), request.learning_rate)
    return Autoencoder(encoder, generator, request)


def build_discriminator(d: int, rng: torch.Generator) -> nn.Sequential:
    """The discriminator of latent vectors: (B, d) -> (B, 1), a logit."""
    layers: list[nn.Module] = []
    for width_in in (d, *[WIDTH] * (DEPTH - 1)):
        layers += [nn.Linear(width_in, WIDTH), nn.ReLU()]
    return build_network(lambda: nn.Sequential(*layers, nn.Linear(WIDTH, 1)), rng)


def fit_gan(request: FitRequest) -> Autoencoder:
    """Train WAE-GAN; the discriminator of latent vectors is small, a step costs two gradients a sample."""
    rng = request.make_rng()
    encoder, generator = build_autoencoder(request, rng)
    discriminator = build_discriminator(request.latent_dim, rng).to(request.device)
    weights = [*generator.parameters(), *encoder.parameters()]
    rate = request.learning_rate
    optimiser = torch.optim.Adam(weights, lr=rate, betas=ADVERSARIAL_BETAS, fused=True)
    adversary = torch.optim.Adam(discriminator.parameters(), lr=rate / 2, betas=ADVERSARIAL_BETAS, fused=True)
    batches = shuffle(len(request.images), request.minibatch, rng, request.device)
    steps = request.count_steps(cost=2)
    for step in range(1, steps + 1):
        images, visible = request.load(next(batches))
        with request.autocast():
            z, _ = encoder(images, visible)
            generated = generator(z)
        error = measure_residual(generated, images, visible).mean()
        loss = error + WEIGHT * functional.softplus(-discriminator(z)).mean()  # - log D(z)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        prior = torch.randn(z.shape, generator=rng).to(z.device)
        doubt = functional.softplus(-discriminator(prior)) + functional.softplus(discriminator(z.detach()))
        adversary.zero_grad(set_to_none=True)
        (WEIGHT * doubt.mean()).backward()
        adversary.step()
        if step % CHECK_EVERY == 0 or step == steps:
            check_loss("WAE-GAN", step, loss)
    return Autoencoder(encoder, generator, request)
