"""The invertible f of RealNVP and Glow: levels of layers, with half of the channels leaving between them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.rivals.bases.flow_layers import (
    ActNorm,
    ChannelCoupling,
    CheckerboardCoupling,
    Layer,
    Mixing,
    Split,
    Squeeze,
    build_plain_network,
    build_residual_network,
)

LEVELS = 2  # so often the sides of 28 pixels can be halved
# RealNVP (sections 3.6 and 4.1): three couplings of either kind in a level, four checkerboards in the last.
# Theirs have two to eight residual blocks of 32 or 64 channels, twice as many after each squeeze.
COUPLINGS, LAST_COUPLINGS, BLOCKS, WIDTH = 3, 4, 1, 16
GLOW_DEPTH, GLOW_WIDTH = 8, 64  # couplings of a level and their channels; theirs 32 and 512


class MultiScaleFlow(nn.Module):
    """f: images to as many latents, standard normal a priori.

    ``kind``: RealNVP or Glow; ``shape``: (C, H, W), H and W divisible by 4.
    """

    def __init__(self, shape: tuple[int, int, int], kind: str, rng: torch.Generator):
        super().__init__()
        self.shape = shape
        self._latent_shapes: list[tuple[int, int, int]] = []  # of what leaves after each level
        self._levels: list[list[Layer]] = []  # those of ``levels``, which a ModuleList knows no type of
        self._splits: list[Split] = []
        channels, height, width = shape
        for number in range(LEVELS):
            is_last = number + 1 == LEVELS
            if kind == "Glow":
                level = _build_glow_level(channels, rng)
            else:
                level = _build_realnvp_level(channels, WIDTH * 2**number, is_last, rng)
            self._levels.append(level)
            if any(isinstance(layer, Squeeze) for layer in level):
                channels, height, width = 4 * channels, height // 2, width // 2
            if not is_last:
                self._splits.append(Split(channels, kind == "Glow", rng))
                channels //= 2
            self._latent_shapes.append((channels, height, width))
        self.levels = nn.ModuleList(nn.ModuleList(level) for level in self._levels)
        self.splits = nn.ModuleList(self._splits)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x to latents (B, C H W) and log |det df/dx| (B,)."""
        latents, log_det = [], x.new_zeros(len(x))
        for number, level in enumerate(self._levels):
            for layer in level:
                x, more = layer(x)
                log_det = log_det + more
            if number < len(self._splits):
                x, leaving, more = self._splits[number](x)
                log_det = log_det + more
                latents.append(leaving.flatten(1))
        return torch.cat([*latents, x.flatten(1)], 1), log_det

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Set the activation norms by a first batch."""
        for number, level in enumerate(self._levels):
            for layer in level:
                if isinstance(layer, ActNorm):
                    layer.initialise(x)
                x, _ = layer(x)
            if number < len(self._splits):
                x, _, _ = self._splits[number](x)

    def invert(self, z: Tensor) -> Tensor:
        """Map latents (B, C H W) back to images (B, C, H, W)."""
        parts = z.split([math.prod(shape) for shape in self._latent_shapes], 1)
        *leaving, x = (
            part.view(len(z), *shape) for part, shape in zip(parts, self._latent_shapes, strict=True)
        )
        for number in reversed(range(LEVELS)):
            if number < len(self._splits):
                x = self._splits[number].invert(x, leaving[number])
            for layer in reversed(self._levels[number]):
                x = layer.invert(x)
        return x

    def evaluate_log_likelihood(self, x: Tensor) -> Tensor:
        """Return log p(x): (B,)."""
        z, log_det = self(x)
        return log_det - (z.square().sum(1) + z.shape[1] * math.log(2 * math.pi)) / 2


def _build_realnvp_level(channels: int, width: int, is_last: bool, rng: torch.Generator) -> list[Layer]:
    """Checkerboards; then, but in the last level, a squeeze and couplings of channels."""
    layers: list[Layer] = []
    for number in range(LAST_COUPLINGS if is_last else COUPLINGS):
        layers += [
            ActNorm(channels),
            CheckerboardCoupling(channels, number % 2 == 0, width, BLOCKS, rng),
        ]
    if is_last:
        return layers
    channels, width = 4 * channels, 2 * width
    layers.append(Squeeze())
    for number in range(COUPLINGS):
        network = build_residual_network(channels // 2, channels, width, BLOCKS, rng)
        layers += [ActNorm(channels), ChannelCoupling(channels, number % 2 == 1, network, is_glow=False)]
    return layers


def _build_glow_level(channels: int, rng: torch.Generator) -> list[Layer]:
    """A squeeze, then steps of activation norm, mixing and coupling, which always keeps the first half."""
    channels *= 4
    layers: list[Layer] = [Squeeze()]
    for _ in range(GLOW_DEPTH):
        network = build_plain_network(channels // 2, channels, GLOW_WIDTH, rng)
        layers += [ActNorm(channels), Mixing(channels, rng), ChannelCoupling(channels, True, network, True)]
    return layers
