"""Reconstruction error, recovery of occluded images and its error (sections 6, 7.3 and 7.8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.images import to_unit

BATCH = 2000  # images generated at once


@dataclass(frozen=True)
class RecoveryError:
    """Mean difference per hidden pixel and channel on [0, 1], NaN where no pixel is hidden."""

    absolute: float
    squared: float
    hidden_share: float


def recover_images(generated: Tensor, occluded: Tensor, visible: Tensor) -> Tensor:
    """Keep the visible pixels, fill the hidden ones from g(z): (B, C, H, W).

    ``generated``, ``occluded``: (B, C, H, W) in [0, 1]; ``visible``: (B, 1, H, W), 1 where seen.
    """
    return torch.where(visible.bool(), occluded, generated)


def measure_recovery(recovered: Tensor, originals: Tensor, visible: Tensor) -> RecoveryError:
    """Measure the error on the hidden pixels alone, all of them weighted alike (Table 8).

    ``recovered``, ``originals``: (N, C, H, W) in [0, 1]; ``visible``: (N, 1, H, W).
    """
    hidden = (visible == 0).expand_as(originals)
    difference = (recovered - originals)[hidden].double()
    return RecoveryError(
        absolute=float(difference.abs().mean()),
        squared=float(difference.square().mean()),
        hidden_share=float(hidden.double().mean()),
    )


def measure_error(generate: Callable[[Tensor], Tensor], latents: Tensor, images: Tensor) -> float:
    """Mean squared error per pixel and channel on [0, 1] of g(z), (N, d), against images (N, C, H, W)."""
    total = sum(
        float((generate(latents[rows]) - to_unit(images[rows])).square().sum(dtype=torch.float64))
        for rows in torch.arange(len(images), device=images.device).split(BATCH)
    )
    return total / images.numel()
