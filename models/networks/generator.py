"""The top-down generators of Table 1: a latent vector in, an image in [0, 1] out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from models.networks.architectures import Architecture, find_architecture
from models.networks.batch_statistics import run_training_mode

Network = TypeVar("Network", bound=nn.Module)


class UnitTanh(nn.Module):
    """Tanh rescaled to the images' range: 0.5 tanh(x) + 0.5 (Table 1 ends in Tanh, images lie in [0, 1])."""

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * torch.tanh(x) + 0.5


class Generator(nn.Module):
    """Table 1's generator g: (B, latent_dim) -> (B, C, H, W) in [0, 1].

    BatchNorm stands before each ReLU; the last layer ends in Tanh without it.
    """

    def __init__(self, architecture: Architecture, latent_dim: int | None = None):
        super().__init__()
        self.architecture = architecture
        self.latent_dim = latent_dim or architecture.latent_dim
        self.layers = nn.Sequential(*_build_layers(architecture, self.latent_dim))

    def forward(self, z: Tensor) -> Tensor:
        return run_training_mode(self.layers, z) if self.training else self.layers(z)


def _build_layers(architecture: Architecture, latent_dim: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    channels, height, width = architecture.feature_map
    width_in = latent_dim
    for width_out in (*architecture.hidden, channels * height * width):
        layers += [nn.Linear(width_in, width_out), nn.BatchNorm1d(width_out), nn.ReLU()]
        width_in = width_out
    layers.append(nn.Unflatten(1, (channels, height, width)))  # (B, C, H, W)
    # Kernel 5 needs padding 2 and output_padding 1 to double the size exactly; kernel 2 needs neither.
    padding = (architecture.kernel_size - 1) // 2
    output_padding = 2 * padding + 2 - architecture.kernel_size
    for index, channels_out in enumerate(architecture.channels):
        layers.append(
            nn.ConvTranspose2d(
                channels, channels_out, architecture.kernel_size, 2, padding, output_padding=output_padding
            )
        )
        if index < len(architecture.channels) - 1:
            layers += [nn.BatchNorm2d(channels_out), nn.ReLU()]
        channels = channels_out
    layers.append(UnitTanh())
    return layers


def build_generator(name: str, latent_dim: int | None, rng: torch.Generator) -> Generator:
    """Build Table 1's generator ``name`` with Xavier normal weights and zero biases drawn from ``rng``.

    ``latent_dim`` None means Table 1's. Raises ValueError for a name that ``find_architecture`` refuses.
    """
    architecture = find_architecture(name)
    return build_network(lambda: Generator(architecture, latent_dim), rng)


def build_network(build: Callable[[], Network], rng: torch.Generator) -> Network:
    """Build a network with Xavier normal weights and zero biases (section 7.1) drawn from ``rng``."""
    with torch.device("meta"):  # no draw from the global generator: the real draw follows below
        network = build()
    network.to_empty(device="cpu")
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.xavier_normal_(module.weight, generator=rng)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.reset_parameters()  # ones, zeros and empty running statistics: nothing random
    return network
