"""The VAE whose decoder's standard deviation is learned: sigma-VAE.

Rybkin, Daniilidis and Levine, *Simple and Effective VAE Training with Calibrated Decoders* (ICML 2021), the
optimal shared sigma. Of the negative evidence lower bound, a mean over the samples of a minibatch with P
visible values each,

    |M (I - g(z))|^2 / (2 sigma^2) + P log sigma + KL(q(z|I) || N(0, I)),

the best sigma^2 is the mean squared residual over all visible values. Each step takes it from its own
minibatch; by the envelope theorem the gradient of the bound at the best sigma is the one with sigma held
there. All else is ``rivals.vae``, whose sigma is the main method's.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from models.interface import ROWS_AT_ONCE, FitRequest
from models.langevin.energy import measure_residual
from models.networks.encoder import Encoder, draw_latents
from models.networks.generator import Generator
from models.rivals.vae import Vae, train_pair

LOWEST_LOG_SIGMA = -6.0  # the authors' code


class CalibratedVae(Vae):
    """A VAE with its own sigma."""

    @property
    def diagnostics(self) -> dict[str, float]:
        """The standard deviation of a pixel of the training images around g(z), z ~ q(z|I)."""
        return {"sigma": self.sigma}


def count_values(images: Tensor, visible: Tensor | None) -> Tensor:
    """Count the visible values of images (B, C, H, W) together, a number."""
    if visible is None:
        return torch.tensor(float(images.numel()), device=images.device)
    return visible.sum(dtype=torch.float32) * images.shape[1]


def find_sigma(residuals: Tensor, n_values: Tensor) -> float:
    """Find the best shared sigma, of squared residuals (B,) of so many values together."""
    return math.exp(max(LOWEST_LOG_SIGMA, float((residuals.detach().sum() / n_values).log() / 2)))


@torch.no_grad()
def measure_sigma(encoder: Encoder, generator: Generator, request: FitRequest, rng: torch.Generator) -> float:
    """Find the best shared sigma over all training images, with a draw of z for each."""
    residuals, counts = [], []
    rows = torch.arange(len(request.images), device=request.device)
    for part in rows.split(ROWS_AT_ONCE):
        images, visible = request.load(part)
        mean, log_variance = encoder(images, visible)
        generated = generator(draw_latents(mean, log_variance, rng))
        residuals.append(measure_residual(generated, images, visible))
        counts.append(count_values(images, visible))
    return find_sigma(torch.cat(residuals), torch.stack(counts).sum())


def fit(request: FitRequest) -> CalibratedVae:
    """Train with each minibatch's own best sigma, then measure it over all training images."""
    rng = request.make_rng()

    def find_own_sigma(generated: Tensor, images: Tensor, visible: Tensor | None) -> float:
        return find_sigma(measure_residual(generated, images, visible), count_values(images, visible))

    encoder, generator = train_pair("VAE-sigma", request, rng, find_own_sigma)
    sigma = measure_sigma(encoder.eval(), generator.eval(), request, rng)
    return CalibratedVae(encoder, generator, replace(request, sigma=sigma))
