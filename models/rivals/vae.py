"""The variational auto-encoder of Tables 2, 3 and 8: the same generator as decoder, amortised inference.

Kingma and Welling, *Auto-Encoding Variational Bayes* (2014). With q(z|I) = N(mu(I), diag exp(lv(I))) and
p(I|z) = N(g(z), sigma^2) on the visible pixels M, the loss of a sample is

    |M (I - g(z))|^2 / (2 sigma^2) + KL(q(z|I) || N(0, I)),   z = mu + exp(lv / 2) e,  e ~ N(0, I),

the negative evidence lower bound up to a constant.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from models.descent import minimise
from models.images import to_unit
from models.interface import FitRequest, apply_split, make_rng
from models.langevin.energy import measure_residual
from models.networks.encoder import Encoder, draw_latents
from models.networks.generator import Generator
from models.rivals.bases.autoencoder import Autoencoder, build_autoencoder

FindSigma = Callable[[Tensor, Tensor, Tensor | None], float]
SCORED_DRAWS = 10  # draws of z for a sample's score


def compute_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Compute KL(N(mean, diag exp(log_variance)) || N(0, I)) per sample in nats: (B, d), (B, d) -> (B,)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


def compute_loss(
    generated: Tensor,
    images: Tensor,
    visible: Tensor | None,
    mean: Tensor,
    log_variance: Tensor,
    sigma: float,
) -> Tensor:
    """Compute the module's loss per sample, (B,) in nats, without the Gaussian's constant."""
    residual = measure_residual(generated, images, visible)
    return residual / (2 * sigma**2) + compute_divergence(mean, log_variance)


class Vae(Autoencoder):
    """A trained pair of encoder and decoder; a hidden pixel is recovered from the visible ones."""

    has_posterior = True

    @torch.no_grad()
    def score(self, images: Tensor, steps: int, draw: int) -> Tensor:
        """Average the negative evidence lower bound over draws of z, others for each ``draw``."""
        rng = make_rng(self.seed, 1 + draw)

        def measure(part: Tensor) -> Tensor:
            batch = to_unit(part)
            mean, log_variance = self.encoder(batch, None)
            losses = [
                compute_loss(
                    self.generator(draw_latents(mean, log_variance, rng)),
                    batch,
                    None,
                    mean,
                    log_variance,
                    self.sigma,
                )
                for _ in range(SCORED_DRAWS)
            ]
            return torch.stack(losses).mean(0)

        return apply_split(measure, images)


def train_pair(
    name: str, request: FitRequest, rng: torch.Generator, find_sigma: FindSigma
) -> tuple[Encoder, Generator]:
    """Minimise the loss by Adam; a step costs two gradients a sample, encoder and decoder.

    ``find_sigma``: generated images, images and what is visible of a minibatch -> the standard deviation.
    """
    encoder, generator = build_autoencoder(request, rng)

    def compute_mean_loss(rows: Tensor) -> Tensor:
        images, visible = request.load(rows)
        with request.autocast():
            mean, log_variance = encoder(images, visible)
            generated = generator(draw_latents(mean, log_variance, rng))
        sigma = find_sigma(generated, images, visible)
        return compute_loss(generated, images, visible, mean, log_variance, sigma).mean()

    optimiser = request.make_adam([*generator.parameters(), *encoder.parameters()])
    minimise(name, optimiser, compute_mean_loss, request.shuffle(rng), request.count_steps(cost=2))
    return encoder, generator


def fit(request: FitRequest) -> Vae:
    """Train with the request's sigma."""
    rng = request.make_rng()
    return Vae(*train_pair("VAE", request, rng, lambda generated, images, visible: request.sigma), request)
