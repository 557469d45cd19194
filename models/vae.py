"""The variational auto-encoder of Tables 2, 3 and 8: the same generator as decoder, amortised inference.

Kingma and Welling, *Auto-Encoding Variational Bayes* (2014). With q(z|I) = N(mu(I), diag exp(lv(I))) and
p(I|z) = N(g(z), sigma^2) on the visible pixels M, the loss of a sample is

    |M (I - g(z))|^2 / (2 sigma^2) + KL(q(z|I) || N(0, I)),   z = mu + exp(lv / 2) e,  e ~ N(0, I),

the negative evidence lower bound up to a constant.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.architectures import Architecture
from models.generator import Generator, build_generator, build_network

ADAM_BETAS = (0.9, 0.999)
MAX_LOG_VARIANCE = 10.0  # beyond it exp() overflows in bfloat16 long before it means anything
CHUNK = 500  # images encoded or decoded at once
CHECK_EVERY = 20  # steps between two looks at the loss
SCORED_DRAWS = 10  # draws of z for a sample's score


class Encoder(nn.Module):
    """The decoder mirrored: (B, C, H, W) images -> mean and log variance of q(z|I), (B, d) each.

    Strided convolutions halve the image as often as the generator doubles it, then come the generator's
    hidden widths in reverse. A second input channel says which pixels are visible, so that a hidden black
    pixel differs from a seen one.
    """

    def __init__(self, architecture: Architecture, latent_dim: int):
        super().__init__()
        first, height, width = architecture.feature_map
        image_channels = architecture.channels[-1]
        widths = [image_channels + 1, *reversed((first, *architecture.channels[:-1]))]
        layers: list[nn.Module] = []
        for index, (channels_in, channels_out) in enumerate(itertools.pairwise(widths)):
            layers.append(nn.Conv2d(channels_in, channels_out, 4, 2, 1))
            if index:
                layers.append(nn.BatchNorm2d(channels_out))
            layers.append(nn.LeakyReLU(0.2))
        layers.append(nn.Flatten())
        features = first * height * width
        for hidden in reversed(architecture.hidden):
            layers += [nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.LeakyReLU(0.2)]
            features = hidden
        layers.append(nn.Linear(features, 2 * latent_dim))
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor, visible: Tensor | None) -> tuple[Tensor, Tensor]:
        mask = torch.ones_like(images[:, :1]) if visible is None else visible.to(images.dtype)
        mean, log_variance = self.layers(torch.cat([images * mask, mask], 1)).float().chunk(2, 1)
        return mean, log_variance.clamp(-MAX_LOG_VARIANCE, MAX_LOG_VARIANCE)


def compute_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, diag exp(log_variance)) || N(0, I)) per sample in nats: (B, d), (B, d) -> (B,)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


def compute_loss(
    generated: Tensor,
    images: Tensor,
    visible: Tensor | None,
    mean: Tensor,
    log_variance: Tensor,
    sigma: float,
) -> Tensor:
    """The loss of the module's docstring per sample, (B,) in nats, without the Gaussian's constant."""
    residual = generated.float() - images
    if visible is not None:
        residual = residual * visible
    return residual.square().flatten(1).sum(1) / (2 * sigma**2) + compute_divergence(mean, log_variance)


@dataclass(frozen=True)
class VaeSettings:
    """How a VAE is trained; ``steps`` Adam steps of ``batch_size`` samples."""

    steps: int
    batch_size: int
    learning_rate: float
    sigma: float
    precision: torch.dtype = torch.float32


class Vae:
    """A trained pair of encoder and decoder."""

    def __init__(self, encoder: Encoder, generator: Generator, settings: VaeSettings):
        self.encoder, self.generator, self.settings = encoder.eval(), generator.eval(), settings

    @torch.no_grad()
    def encode(self, images: Tensor, visible: Tensor | None = None) -> Tensor:
        """The mean of q(z|I): images (B, C, H, W) in [0, 1] -> (B, d)."""
        return torch.cat(
            [
                self.encoder(images[rows], None if visible is None else visible[rows])[0]
                for rows in _split(len(images))
            ]
        )

    @torch.no_grad()
    def draw_posterior(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """A draw from q(z|I) for each image (B, C, H, W) in [0, 1]: (B, d)."""
        parts = [self.encoder(images[rows], None) for rows in _split(len(images))]
        return torch.cat([draw_latents(mean, log_variance, rng) for mean, log_variance in parts])

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """g(z): (B, d) -> (B, C, H, W) in [0, 1]."""
        return torch.cat([self.generator(z[rows]) for rows in _split(len(z))])

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """g(z) of ``n`` draws from the prior, (n, C, H, W) in [0, 1]."""
        z = torch.randn(n, self.generator.latent_dim, generator=rng)
        return self.decode(z.to(next(self.generator.parameters()).device))

    def reconstruct(self, images: Tensor, visible: Tensor | None = None) -> Tensor:
        """g(mean of q(z|I)): (B, C, H, W) in [0, 1]; hidden pixels are recovered."""
        return self.decode(self.encode(images, visible))

    @torch.no_grad()
    def score(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """The negative evidence lower bound, averaged over draws: (B,), larger is more anomalous."""
        parts = []
        for rows in _split(len(images)):
            mean, log_variance = self.encoder(images[rows], None)
            losses = []
            for _ in range(SCORED_DRAWS):
                generated = self.generator(draw_latents(mean, log_variance, rng))
                losses.append(
                    compute_loss(generated, images[rows], None, mean, log_variance, self.settings.sigma)
                )
            parts.append(torch.stack(losses).mean(0))
        return torch.cat(parts)


def _split(total: int) -> list[slice]:
    return [slice(start, start + CHUNK) for start in range(0, total, CHUNK)]


def draw_latents(mean: Tensor, log_variance: Tensor, rng: torch.Generator) -> Tensor:
    """Draw z ~ q(z|I) by the reparametrisation: (B, d)."""
    noise = torch.randn(mean.shape, generator=rng).to(mean.device)
    return mean + (log_variance / 2).exp() * noise


def build_encoder(architecture: Architecture, latent_dim: int, rng: torch.Generator) -> Encoder:
    """Build an encoder with Xavier normal weights and zero biases drawn from ``rng``."""
    return build_network(lambda: Encoder(architecture, latent_dim), rng)


def fit_vae(
    architecture: str,
    latent_dim: int | None,
    images: Tensor,
    visible: Tensor | None,
    settings: VaeSettings,
    rng: torch.Generator,
    on_step: Callable[[int, float], object] = lambda step, loss: None,
) -> Vae:
    """Minimise the loss by Adam on shuffled batches.

    ``images``: (N, C, H, W) uint8; ``visible``: (N, 1, H, W), 1 where the pixel is seen, or None. All draws
    come from ``rng``. ``on_step`` is told a step and its mean loss now and then.
    Raises ValueError when the loss is no
    longer finite.
    """
    device = images.device
    generator = build_generator(architecture, latent_dim, rng).to(device)
    encoder = build_encoder(generator.architecture, generator.latent_dim, rng).to(device)
    weights = [*generator.parameters(), *encoder.parameters()]
    optimiser = torch.optim.Adam(weights, lr=settings.learning_rate, betas=ADAM_BETAS, fused=True)
    batches: list[Tensor] = []
    for step in range(1, settings.steps + 1):
        if not batches:
            parts = max(1, math.ceil(len(images) / settings.batch_size))
            batches = list(torch.randperm(len(images), generator=rng).to(device).tensor_split(parts))
        rows = batches.pop()
        batch = images[rows].float() / 255
        batch_visible = None if visible is None else visible[rows]
        with torch.autocast(device.type, settings.precision, settings.precision != torch.float32):
            mean, log_variance = encoder(batch, batch_visible)
            generated = generator(draw_latents(mean, log_variance, rng))
        loss = compute_loss(generated, batch, batch_visible, mean, log_variance, settings.sigma).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if step % CHECK_EVERY == 0 or step == settings.steps:  # each look waits for the device
            value = loss.item()
            if not math.isfinite(value):
                raise ValueError(
                    f"VAE diverged by step {step}: loss {value}; lower the learning rate, or raise sigma"
                )
            on_step(step, value)
    return Vae(encoder, generator, settings)
