"""The ladder VAE with two layers of latent variables.

Soenderby, Raiko, Maaloee, Soenderby and Winther, *Ladder Variational Autoencoders* (NIPS 2016). The model is
z_2 ~ N(0, I), z_1 ~ p(z_1|z_2), I ~ N(g(z_1), sigma^2). Inference goes up by networks, then down, and unites
what both directions say of z_1 by their precisions (their Eq. 11 to 14):

    1 / v = 1 / v_up + 1 / v_down,   mu = v (mu_up / v_up + mu_down / v_down),

with p(z_1|z_2) = N(mu_down, v_down). The loss of a sample is

    |M (I - g(z_1))|^2 / (2 sigma^2) + beta [KL(q(z_2|I) || N(0, I)) + KL(q(z_1|I, z_2) || p(z_1|z_2))],

where beta rises from 0 to 1 over the first tenth of training, as in the authors' experiments.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.descent import minimise
from models.images import to_unit
from models.interface import FitRequest, apply_split, count_weights, make_rng, split
from models.langevin.energy import measure_residual
from models.networks.encoder import MAX_LOG_VARIANCE, Encoder, draw_latents
from models.networks.generator import Generator, build_network
from models.rivals.bases.autoencoder import Autoencoder, build_autoencoder
from models.rivals.vae import compute_divergence

WIDTH = 512
WARM_UP = 0.1  # share of the steps


class Ladder(nn.Module):
    """The networks between the layers: up from z_1's (mu, log v) to q(z_2|I), down from z_2 to p(z_1|z_2)."""

    def __init__(self, d: int):
        super().__init__()
        self.top_dim = max(1, d // 2)
        self.up, self.down = (
            nn.Sequential(
                nn.Linear(n_in, WIDTH), nn.BatchNorm1d(WIDTH), nn.LeakyReLU(0.2), nn.Linear(WIDTH, n_out)
            )
            for n_in, n_out in ((2 * d, 2 * self.top_dim), (self.top_dim, 2 * d))
        )

    def rise(self, mean: Tensor, log_variance: Tensor) -> tuple[Tensor, Tensor]:
        """Infer q(z_2|I), as mean and log variance."""
        return _split(self.up(torch.cat([mean, log_variance], 1)))

    def descend(self, top: Tensor) -> tuple[Tensor, Tensor]:
        """Return p(z_1|z_2), as mean and log variance."""
        return _split(self.down(top))


def _split(parameters: Tensor) -> tuple[Tensor, Tensor]:
    mean, log_variance = parameters.chunk(2, 1)
    return mean, log_variance.clamp(-MAX_LOG_VARIANCE, MAX_LOG_VARIANCE)


def unite(
    mean: Tensor, log_variance: Tensor, other_mean: Tensor, other_log_variance: Tensor
) -> tuple[Tensor, Tensor]:
    """Multiply two diagonal Gaussians and normalise: mean and log variance, (B, d) each."""
    precision, other_precision = (-log_variance).exp(), (-other_log_variance).exp()
    total = precision + other_precision
    return (mean * precision + other_mean * other_precision) / total, -total.log()


def compute_mutual_divergence(
    mean: Tensor, log_variance: Tensor, other_mean: Tensor, other_log_variance: Tensor
) -> Tensor:
    """Compute the KL between two diagonal Gaussians per sample in nats: (B, d) each -> (B,)."""
    scaled = (mean - other_mean) * (-other_log_variance / 2).exp()
    return compute_divergence(scaled, log_variance - other_log_variance)


class LadderVae(Autoencoder):
    """Infers both layers' means and generates from the lower one."""

    def __init__(self, encoder: Encoder, generator: Generator, ladder: Ladder, request: FitRequest):
        super().__init__(encoder, generator, request, self._draw_latents)
        self._ladder = ladder.eval()

    @torch.no_grad()
    def _draw_latents(self, n: int, rng: torch.Generator) -> Tensor:
        device = next(self._ladder.parameters()).device
        top = torch.randn(n, self._ladder.top_dim, generator=rng).to(device)
        return draw_latents(*self._ladder.descend(top), rng)

    @torch.no_grad()
    def infer(self, images: Tensor, visible: Tensor | None, steps: int, draw: int) -> Tensor:
        """Return the mean of q(z_1|I, z_2) at the mean of z_2; neither ``steps`` nor ``draw`` is read."""
        parts = []
        for rows in split(len(images)):
            mean, log_variance = self.encoder(
                to_unit(images[rows]), None if visible is None else visible[rows]
            )
            top, _ = self._ladder.rise(mean, log_variance)
            parts.append(unite(mean, log_variance, *self._ladder.descend(top))[0])
        return torch.cat(parts)

    @torch.no_grad()
    def draw_posterior(self, images: Tensor, steps: int) -> Tensor:
        """Draw z_1, given a draw of z_2."""
        rng = make_rng(self.seed)
        networks = self.encoder, self.generator, self._ladder

        def draw(part: Tensor) -> Tensor:
            return compute_losses(*networks, to_unit(part), None, self.sigma, rng=rng)[1]

        return apply_split(draw, images)

    @torch.no_grad()
    def score(self, images: Tensor, steps: int, draw: int) -> Tensor:
        """Return the loss at the means; neither ``steps`` nor ``draw`` is read."""
        networks = self.encoder, self.generator, self._ladder

        def compute_loss(part: Tensor) -> Tensor:
            return compute_losses(*networks, to_unit(part), None, self.sigma)[0]

        return apply_split(compute_loss, images)

    def count_parameters(self) -> int:
        return super().count_parameters() + count_weights(self._ladder)


def compute_losses(
    encoder: Encoder,
    generator: Generator,
    ladder: Ladder,
    images: Tensor,
    visible: Tensor | None,
    sigma: float,
    beta: float = 1.0,
    rng: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Compute the losses of the module's docstring, (B,), and z_1; at the means without an ``rng``."""

    def draw(mean: Tensor, log_variance: Tensor) -> Tensor:
        return mean if rng is None else draw_latents(mean, log_variance, rng)

    up_mean, up_log_variance = encoder(images, visible)
    top_mean, top_log_variance = ladder.rise(up_mean, up_log_variance)
    down = ladder.descend(draw(top_mean, top_log_variance))
    mean, log_variance = unite(up_mean, up_log_variance, *down)
    z = draw(mean, log_variance)
    residual = measure_residual(generator(z), images, visible)
    divergence = compute_divergence(top_mean, top_log_variance)
    divergence = divergence + compute_mutual_divergence(mean, log_variance, *down)
    return residual / (2 * sigma**2) + beta * divergence, z


def fit(request: FitRequest) -> LadderVae:
    """Train by Adam; a step costs two gradients a sample, the layers in between are small."""
    rng = request.make_rng()
    encoder, generator = build_autoencoder(request, rng)
    ladder = build_network(lambda: Ladder(request.latent_dim), rng).to(request.device)
    steps = request.count_steps(cost=2)
    taken = 0

    def compute_loss(rows: Tensor) -> Tensor:
        nonlocal taken
        taken += 1
        beta = min(1.0, taken / max(1.0, WARM_UP * steps))
        with request.autocast():
            losses, _ = compute_losses(
                encoder, generator, ladder, *request.load(rows), request.sigma, beta, rng
            )
        return losses.mean()

    weights = [*generator.parameters(), *encoder.parameters(), *ladder.parameters()]
    minimise("Ladder-VAE", request.make_adam(weights), compute_loss, request.shuffle(rng), steps)
    return LadderVae(encoder, generator, ladder, request)
