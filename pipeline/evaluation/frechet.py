"""Frechet distance between two sets of images, in Inception's features or the embedded extractor's."""

from __future__ import annotations

from torch import Tensor
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric


def compute_frechet_distance(features: Tensor, reference: Tensor) -> float:
    """Frechet distance |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) by torch-fidelity.

    ``features``: (N, F), ``reference``: (M, F), float64. Not negative: rounding below 0 is cut off.
    """
    statistics = [fid_features_to_statistics(part) for part in (features, reference)]
    return max(0.0, fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID])
