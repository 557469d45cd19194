"""What Figures 6 and 7 show of a fitted method: occluded images restored."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.images import to_bytes, to_unit
from models.interface import FittedMethod
from pipeline.data.masks import INPAINTING_MASKS, make_scaled_masks
from pipeline.evaluation.reconstruction import recover_images

DIVERSE_MASK = INPAINTING_MASKS[2]  # Figure 7's
N_INPAINTED, N_DIVERSE, N_CHAINS = 8, 4, 8


def illustrate_inpainting(
    fitted: FittedMethod, images: Tensor, seed: int, steps: int
) -> dict[str, np.ndarray]:
    """Restore some of the uint8 images (N, C, H, W) under all six masks, and a few several times under one.

    Chains start at the prior and see the visible pixels alone (Eq. 16, section 7.4). Arrays: ``originals``
    (B, C, H, W); ``occlusions`` (6, B, 1, H, W); ``restored`` (6, B, C, H, W); ``diverse_occlusions``
    (b, 1, H, W) and ``diverse`` (b, chains, C, H, W).
    """
    shown = images[:N_INPAINTED]
    repeated = shown[:N_DIVERSE]
    occlusions = [_make_visible(mask, shown, seed) for mask in INPAINTING_MASKS]
    diverse = _make_visible(DIVERSE_MASK, repeated, seed)
    # One call for all: a row's noise is that of its index, and few rows at once are slow.
    visible = torch.cat([*occlusions, *[diverse] * N_CHAINS])
    occluded = torch.cat([*[shown] * len(occlusions), *[repeated] * N_CHAINS]) * visible
    z = fitted.infer(occluded, visible, steps, 0)
    restored = to_bytes(recover_images(fitted.generate(z), to_unit(occluded), visible))
    n_restored = len(occlusions) * len(shown)
    by_chain = restored[n_restored:].reshape(N_CHAINS, len(repeated), *images.shape[1:])
    return {
        "originals": shown.cpu().numpy(),
        "occlusions": torch.stack(occlusions).cpu().numpy(),
        "restored": restored[:n_restored].reshape(len(occlusions), len(shown), *images.shape[1:]),
        "diverse_occlusions": diverse.cpu().numpy(),
        "diverse": np.swapaxes(by_chain, 0, 1),
    }


def _make_visible(mask: tuple[str, int, float], images: Tensor, seed: int) -> Tensor:
    """What is visible of each image under a mask given for 64 x 64 pixels: (B, 1, H, W) uint8."""
    kind, size, share = mask
    height, width = images.shape[2:]
    masks = make_scaled_masks(kind, range(len(images)), height, width, seed, size, share)
    return torch.from_numpy(masks).to(images.device)
