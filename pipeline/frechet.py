"""Frechet distance between two sets of images, in Inception's features or the embedded extractor's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.utils import create_feature_extractor

from pipeline.inference import to_unit

INCEPTION_NAME = "weights-inception-2015-12-05-6726825d.pth"
INCEPTION_SHA256_PREFIX = "6726825d"  # the published file carries the start of its hash in its name
INCEPTION_MIN_SAMPLES = 2048  # fewer leave the covariance of 2,048 features singular


def compute_frechet_distance(features: Tensor, reference: Tensor) -> float:
    """Frechet distance |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) by torch-fidelity.

    ``features``: (N, F), ``reference``: (M, F), float64. Not negative: rounding below 0 is cut off.
    """
    statistics = [fid_features_to_statistics(part) for part in (features, reference)]
    return max(0.0, fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID])


def load_inception(path: str | Path) -> Callable[[Tensor], Tensor]:
    """Load torch-fidelity's Inception from a local file; returns images -> features (N, 2048) float64.

    Images are (N, 1 or 3, H, W), uint8 or float in [0, 1]. Raises ValueError if the file is absent, its
    SHA-256 does not begin with 6726825d, or it holds anything but tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"fid.inception_file: {path} not found; expected {INCEPTION_NAME}, or null")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if not digest.startswith(INCEPTION_SHA256_PREFIX):
        raise ValueError(
            f"fid.inception_file: {path} has SHA-256 {digest[:8]}..., expected {INCEPTION_SHA256_PREFIX}... "
            f"({INCEPTION_NAME})"
        )
    # torch-fidelity unpickles without restriction: what passes the restricted reading first cannot run code.
    torch.load(path, weights_only=True)
    extractor = create_feature_extractor(
        "inception-v3-compat",
        ["2048"],
        cuda=torch.cuda.is_available(),
        feature_extractor_weights_path=str(path),
        verbose=False,
    )
    device = next(extractor.parameters()).device

    @torch.no_grad()
    def extract(images: Tensor) -> Tensor:
        parts = [extractor(_to_rgb_bytes(part).to(device))[0].double().cpu() for part in images.split(50)]
        return torch.cat(parts)

    return extract


def _to_rgb_bytes(images: Tensor) -> Tensor:
    """(B, 1 or 3, H, W) -> (B, 3, H, W) uint8, as Inception's preprocessing expects."""
    pixels = (to_unit(images) * 255).round().clamp(0, 255).to(torch.uint8)
    return pixels.expand(-1, 3, -1, -1)
