"""Occlusion masks of section 7.4 and 8 (Eq. 16-19): which pixels of an image are visible.

A mask is uint8, 1 = visible and 0 = hidden. It depends on the seed and on the image's index alone, so it is
the same whatever the number of images and the order in which they are masked.

Sizes are in pixels of the image at hand. The paper gives them for 64 x 64 images; ``scale_mask_size`` keeps
the occluded share at other sizes, rounding halves up:

    64 x 64   15  16  20  25  30  32  35  40  45
    32 x 32    8   8  10  13  15  16  18  20  23
    28 x 28    7   7   9  11  13  14  15  18  20

Salt-and-pepper patches stay 3 x 3: their amount is a share already.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MASK_KINDS = ("none", "region", "two_regions", "salt_pepper")
PATCH_SIZE = 3
PAPER_IMAGE_SIZE = 64
INPAINTING_MASKS = (  # section 7.4: kind, size on 64 x 64 images, share
    ("two_regions", 16, 0.0),
    ("region", 32, 0.0),
    ("region", 45, 0.0),
    ("salt_pepper", 0, 0.5),
    ("salt_pepper", 0, 0.7),
    ("salt_pepper", 0, 0.9),
)


@dataclass(frozen=True)
class Occlusion:
    """Occluded uint8 images (n, C, H, W), what is visible of them (n, 1, H, W), a region's side in pixels."""

    images: np.ndarray
    visible: np.ndarray
    size: int


def scale_mask_size(size: int, image_size: int) -> int:
    """Scale a mask size of the paper's 64 x 64 images to images of ``image_size`` pixels: at least 1."""
    return max(1, (2 * size * image_size + PAPER_IMAGE_SIZE) // (2 * PAPER_IMAGE_SIZE))


def check_mask(kind: str, size: int, share: float, height: int, width: int) -> None:
    """Raise ValueError unless a mask of this kind fits an image of height x width pixels.

    ``size`` (side of a region, pixels) counts for the two region kinds, ``share`` (of the pixels, hidden,
    in [0, 1]) for salt_pepper; the other one is ignored.
    """
    if kind not in MASK_KINDS:
        raise ValueError(f"mask.kind: {kind!r} found; should be one of {', '.join(MASK_KINDS)}")
    largest = min(height, width)
    if kind == "two_regions":
        largest = min(largest, max(height, width) // 2)  # side by side, or one above the other
    if kind in ("region", "two_regions") and not 1 <= size <= largest:
        where = f"pixels on a {height} x {width} image"
        raise ValueError(f"mask.side: {size} {where} found; should be 1 to {largest} for {kind}")
    if kind == "salt_pepper" and not 0 <= share <= 1:
        raise ValueError(f"mask.share: {share} found; should be in [0, 1]")


def make_masks(
    kind: str,
    indices: range | np.ndarray,
    height: int,
    width: int,
    seed: int,
    size: int = 0,
    share: float = 0.0,
) -> np.ndarray:
    """Make the masks of the images numbered ``indices``: uint8 (n, 1, H, W), 1 = visible.

    Kinds: ``none`` hides nothing; ``region`` one square of ``size`` pixels at a uniform place;
    ``two_regions`` two such squares that do not overlap; ``salt_pepper`` 3 x 3 patches that hide exactly
    round(share * H * W) pixels. Raises ValueError as ``check_mask`` does.
    """
    check_mask(kind, size, share, height, width)
    masks = np.ones((len(indices), 1, height, width), dtype=np.uint8)
    if kind == "none":
        return masks
    for mask, index in zip(masks[:, 0], indices, strict=True):
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, int(index)])))
        if kind == "region":
            _hide_square(mask, rng.integers([height - size + 1, width - size + 1]), size)
        elif kind == "two_regions":
            for corner in _two_corners(rng, height, width, size):
                _hide_square(mask, corner, size)
        else:
            mask[_patched_pixels(rng, height, width, round(share * height * width))] = 0
    return masks


def make_scaled_masks(
    kind: str, indices: range | np.ndarray, height: int, width: int, seed: int, side: int, share: float
) -> np.ndarray:
    """Make masks as ``make_masks`` does, of regions whose ``side`` is in pixels of a 64 x 64 image."""
    size = scale_mask_size(side, height)
    return make_masks(kind, indices, height, width, seed, size=size, share=share)


def occlude_images(images: np.ndarray, kind: str, side: int, share: float, seed: int) -> Occlusion:
    """Hide pixels of uint8 images (n, C, H, W), which are numbered 0, 1, ... for their masks.

    ``side`` is in pixels of a 64 x 64 image. Raises ValueError as ``check_mask`` does.
    """
    n, _, height, width = images.shape
    visible = make_scaled_masks(kind, range(n), height, width, seed, side, share)
    return Occlusion(apply_masks(images, visible), visible, scale_mask_size(side, height))


def apply_masks(images: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Set the hidden pixels of uint8 images (n, C, H, W) to 0, given masks (n, 1, H, W)."""
    return images * visible


def _hide_square(mask: np.ndarray, corner: np.ndarray, size: int) -> None:
    top, left = corner
    mask[top : top + size, left : left + size] = 0


def _two_corners(rng: np.random.Generator, height: int, width: int, size: int) -> np.ndarray:
    """Draw the upper left corners (2, 2) of two squares, uniform over all pairs that do not overlap."""
    corner_range = [height - size + 1, width - size + 1]
    while True:  # rejection, 64 pairs at a time: in the tightest case 4 / (size + 1)^2 of them are accepted
        pairs = rng.integers(corner_range, size=(64, 2, 2))
        apart = np.abs(pairs[:, 0] - pairs[:, 1]).max(axis=1) >= size
        if apart.any():
            return pairs[apart.argmax()]


def _patched_pixels(rng: np.random.Generator, height: int, width: int, n_hidden: int) -> np.ndarray:
    """Choose exactly ``n_hidden`` pixels, bool (H, W), by placing 3 x 3 patches in random order.

    Patches may stick out over the border: then 9 of them cover each pixel and all are equally likely to be
    hidden. A pixel is hidden at the time of its earliest patch, hence a minimum filter over random times
    instead of a loop over patches. The last patch is trimmed in raster order.
    """
    margin = PATCH_SIZE - 1
    times = rng.random((height + margin, width + margin))
    times = np.min([times[dy : dy + height] for dy in range(PATCH_SIZE)], axis=0)
    times = np.min([times[:, dx : dx + width] for dx in range(PATCH_SIZE)], axis=0)  # (H, W)
    if n_hidden == 0:
        return np.zeros((height, width), dtype=bool)
    last = np.partition(times, n_hidden - 1, axis=None)[n_hidden - 1]
    hidden = times < last
    in_last_patch = np.flatnonzero(times == last)
    hidden.flat[in_last_patch[: n_hidden - hidden.sum()]] = True
    return hidden
