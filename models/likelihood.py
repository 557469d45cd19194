"""p(I|z) = N(g(z), sigma^2) on the visible pixels: what every method's loss has in common."""

from __future__ import annotations

from torch import Tensor


def measure_residual(generated: Tensor, images: Tensor, visible: Tensor | None) -> Tensor:
    """|M (I - g(z))|^2 for each sample, (B,), of images (B, C, H, W); ``visible``: (B, 1, H, W) or None."""
    residual = generated.float() - images
    if visible is not None:
        residual = residual * visible
    return residual.square().flatten(1).sum(1)
