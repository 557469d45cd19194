"""Reconstruction error, recovery of occluded images and its error (sections 6, 7.3 and 7.8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.images import to_unit
from models.interface import FittedMethod

GENERATED_AT_ONCE = 2000  # images generated at once


@dataclass(frozen=True)
class Reconstruction:
    """Latent vectors (N, d) of both splits, and the error of g(z) as ``measure_error`` has it."""

    train_latents: Tensor
    test_latents: Tensor
    mse_train: float
    mse_test: float

    @property
    def latent_mean(self) -> float:
        """Root mean square over coordinates of the mean of the training images' latent vectors."""
        return float(self.train_latents.mean(0).square().mean().sqrt())

    @property
    def latent_std(self) -> float:
        """Mean over coordinates of the standard deviation of the training images' latent vectors."""
        return float(self.train_latents.std(0, correction=0).mean())


@dataclass(frozen=True)
class RecoveryError:
    """Mean difference per hidden pixel and channel on [0, 1], NaN where no pixel is hidden."""

    absolute: float
    squared: float
    hidden_share: float


def reconstruct_splits(
    fitted: FittedMethod,
    train_images: Tensor,
    test_images: Tensor,
    train_steps: int,
    test_steps: int,
    train_draw: int = 0,
) -> Reconstruction:
    """Infer and reconstruct images (N, C, H, W) of both splits (section 7.2).

    Training images go on from what training left for ``train_steps``, test images start from the prior and
    take ``test_steps``. ``train_draw`` numbers the training images' noise. Raises Lacking where the method
    infers no latent vectors.
    """
    train_latents = fitted.infer_training(train_images, None, train_steps, train_draw)
    test_latents = fitted.infer(test_images, None, test_steps, 0)
    return Reconstruction(
        train_latents,
        test_latents,
        measure_error(fitted.generate, train_latents, train_images),
        measure_error(fitted.generate, test_latents, test_images),
    )


def recover_training(fitted: FittedMethod, occluded: Tensor, visible: Tensor, steps: int) -> Tensor:
    """Recover the occluded training images (N, C, H, W) from what training left (Algorithm 3, section 7.8).

    ``visible``: (N, 1, H, W). Returns images in [0, 1]; raises Lacking where the method infers nothing.
    """
    latents = fitted.infer_training(occluded, visible, steps)
    parts = [
        recover_images(fitted.generate(latents[rows]), to_unit(occluded[rows]), visible[rows])
        for rows in torch.arange(len(occluded), device=latents.device).split(GENERATED_AT_ONCE)
    ]
    return torch.cat(parts)


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
        for rows in torch.arange(len(images), device=images.device).split(GENERATED_AT_ONCE)
    )
    return total / images.numel()
