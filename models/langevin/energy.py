"""p(I|z) = N(g(z), sigma^2) on the visible pixels: what learning descends, and the energy of z given I."""

from __future__ import annotations

from torch import Tensor


def measure_residual(generated: Tensor, images: Tensor, visible: Tensor | None) -> Tensor:
    """|M (I - g(z))|^2 for each sample, (B,), of images (B, C, H, W); ``visible``: (B, 1, H, W) or None."""
    residual = generated.float() - images
    if visible is not None:
        residual = residual * visible
    return residual.square().flatten(1).sum(1)


def compute_learning_loss(generated: Tensor, images: Tensor, visible: Tensor | None, sigma: float) -> Tensor:
    """Negative Eq. (5) or (17): |M (I - g(z))|^2 / (2 sigma^2), summed over pixels, mean over samples.

    ``generated``, ``images``: (B, C, H, W); ``visible``: (B, 1, H, W) or None. Returns a scalar.
    """
    return measure_residual(generated, images, visible).mean() / (2 * sigma**2)


def compute_energy(
    generated: Tensor, images: Tensor, z: Tensor, sigma: float, visible: Tensor | None = None
) -> Tensor:
    """U(z) = |M (I - g(z))|^2 / (2 sigma^2) + |z|^2 / 2 per sample, (B,): Eq. (7) and (16), negated.

    ``generated``, ``images``: (B, C, H, W) in [0, 1]; ``z``: (B, d); ``visible``: (B, 1, H, W), 1 where
    the pixel counts, None where all do. Additive constants are left out.
    """
    return measure_residual(generated, images, visible) / (2 * sigma**2) + z.square().sum(1) / 2
