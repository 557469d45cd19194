"""The encoder that mirrors a generator: what amortised methods infer with."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from models.networks.architectures import Architecture
from models.networks.generator import build_network

MAX_LOG_VARIANCE = 10.0  # beyond it exp() overflows in bfloat16 long before it means anything


class Encoder(nn.Module):
    """The encoder, the decoder mirrored: (B, C, H, W) images -> mean and log variance of q(z|I), (B, d) each.

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


def build_encoder(architecture: Architecture, latent_dim: int, rng: torch.Generator) -> Encoder:
    """Build an encoder with Xavier normal weights and zero biases drawn from ``rng``."""
    return build_network(lambda: Encoder(architecture, latent_dim), rng)


def draw_latents(mean: Tensor, log_variance: Tensor, rng: torch.Generator) -> Tensor:
    """Draw z ~ q(z|I) by the reparametrisation: (B, d)."""
    noise = torch.randn(mean.shape, generator=rng).to(mean.device)
    return mean + (log_variance / 2).exp() * noise
