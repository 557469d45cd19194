"""Table 1: the generators' layers, as numbers that can be read without loading torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """A row of Table 1: fully connected widths, the first feature map, then transposed convolutions.

    ``hidden``: widths of the linear layers before the feature map. ``feature_map``: its (C, H, W).
    ``channels``: output channels of the transposed convolutions, each of which doubles height and width.
    """

    latent_dim: int
    hidden: tuple[int, ...]
    feature_map: tuple[int, int, int]
    channels: tuple[int, ...]
    kernel_size: int

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the generated image."""
        _, height, width = self.feature_map
        scale = 2 ** len(self.channels)
        return self.channels[-1], height * scale, width * scale


ARCHITECTURES = {
    "mnist": Architecture(30, (1024,), (128, 7, 7), (64, 1), kernel_size=2),
    "svhn": Architecture(64, (), (512, 2, 2), (256, 128, 64, 3), kernel_size=5),
    "celeba": Architecture(64, (), (1024, 4, 4), (512, 256, 128, 3), kernel_size=5),
}
