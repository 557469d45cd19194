"""Table 1: the generators' layers, as numbers that can be read without loading torch."""

from __future__ import annotations

from dataclasses import dataclass, replace


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
DIVISORS = (1, 2, 4, 8, 16)  # all divide every number of channels above


def find_architecture(name: str) -> Architecture:
    """Find a row of Table 1 by its name, or one with fewer channels: ``celeba/8`` has an eighth of celeba's.

    The image's own channels and the hidden linear layers stay. Raises ValueError for an unknown name.
    """
    row, slash, divisor = name.partition("/")
    if row not in ARCHITECTURES or (slash and divisor not in map(str, DIVISORS)):
        raise ValueError(
            f"generator: found {name!r}, expected one of {', '.join(ARCHITECTURES)}, as it is or divided by "
            f"one of {', '.join(map(str, DIVISORS))}, such as celeba/8"
        )
    whole, by = ARCHITECTURES[row], int(divisor or 1)
    first, height, width = whole.feature_map
    channels = (*(count // by for count in whole.channels[:-1]), whole.channels[-1])
    return replace(whole, feature_map=(first // by, height, width), channels=channels)
