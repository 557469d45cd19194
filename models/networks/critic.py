"""The generator mirrored into one number: critics of images, and of pairs of image and latent vector."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from models.networks.architectures import Architecture
from models.networks.generator import build_network

LATENT_WIDTH = 512  # of what a pair's latent vector passes through before it meets the image


class Critic(nn.Module):
    """A critic f(I), or f(I, z) where ``latent_dim`` is given: (B, C, H, W), (B, d) -> (B,).

    Strided convolutions halve the image as often as the generator doubles it. ``has_batch_norm`` is off where
    a gradient penalty asks for each sample's own gradient.
    """

    def __init__(self, architecture: Architecture, latent_dim: int = 0, has_batch_norm: bool = False):
        super().__init__()
        first, height, width = architecture.feature_map
        widths = [architecture.channels[-1], *reversed((first, *architecture.channels[:-1]))]
        layers: list[nn.Module] = []
        for index, (channels_in, channels_out) in enumerate(itertools.pairwise(widths)):
            layers.append(nn.Conv2d(channels_in, channels_out, 4, 2, 1))
            if index and has_batch_norm:
                layers.append(nn.BatchNorm2d(channels_out))
            layers.append(nn.LeakyReLU(0.2))
        self.features = nn.Sequential(*layers, nn.Flatten())
        n_features = first * height * width
        self.latent = None
        if latent_dim:
            self.latent = nn.Sequential(nn.Linear(latent_dim, LATENT_WIDTH), nn.LeakyReLU(0.2))
            n_features += LATENT_WIDTH
        head: list[nn.Module] = []
        for hidden in (*reversed(architecture.hidden), LATENT_WIDTH) if latent_dim else architecture.hidden:
            head += [nn.Linear(n_features, hidden), nn.LeakyReLU(0.2)]
            n_features = hidden
        self.head = nn.Sequential(*head, nn.Linear(n_features, 1))

    def forward(self, images: Tensor, z: Tensor | None = None) -> Tensor:
        features = self.features(images)
        if self.latent is not None:
            features = torch.cat([features, self.latent(z)], 1)
        return self.head(features)[:, 0].float()


def build_critic(
    architecture: Architecture, rng: torch.Generator, latent_dim: int = 0, has_batch_norm: bool = False
) -> Critic:
    """Build a critic with Xavier normal weights and zero biases drawn from ``rng``."""
    return build_network(lambda: Critic(architecture, latent_dim, has_batch_norm), rng)


def penalise_gradient(critic: Critic, images: Tensor, target: float) -> Tensor:
    """Average (|df/dI| - target)^2 over images (B, C, H, W), differentiable in the critic's weights.

    Gulrajani et al., *Improved Training of Wasserstein GANs* (2017), Eq. (3), with target 1.
    """
    images = images.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    norm = (gradient.flatten(1).square().sum(1) + 1e-12).sqrt()  # finite derivative at 0
    return (norm - target).square().mean()


def mix(images: Tensor, generated: Tensor, rng: torch.Generator) -> Tensor:
    """Draw a random point between each image and its generated partner: (B, C, H, W)."""
    share = torch.rand(len(images), 1, 1, 1, generator=rng).to(images.device)
    return share * images + (1 - share) * generated
