"""Frechet distance of generated images, in Inception's features or the embedded extractor's (Table 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from models.interface import FittedMethod


def compute_frechet_distance(features: Tensor, reference: Tensor) -> float:
    """Frechet distance |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) by torch-fidelity.

    ``features``: (N, F), ``reference``: (M, F), float64. Not negative: rounding below 0 is cut off.
    """
    # It takes seconds to import, for it brings torchvision along.
    from torch_fidelity.metric_fid import (
        KEY_METRIC_FID,
        fid_features_to_statistics,
        fid_statistics_to_metric,
    )

    statistics = [fid_features_to_statistics(part) for part in (features, reference)]
    return max(0.0, fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID])


@dataclass(frozen=True)
class Reference:
    """What images are compared with: the ``features`` (M, F) that ``extract`` takes of the training images.

    ``extract``: images (N, C, H, W), uint8 or float in [0, 1] -> (N, F) float64.
    """

    extract: Callable[[Tensor], Tensor]
    features: Tensor

    def measure_images(self, images: Tensor) -> float:
        """Measure the distance of images (N, C, H, W).

        That of test images is the floor: what a perfect generator gets with as many samples as those are.
        """
        return compute_frechet_distance(self.extract(images.cpu()), self.features)

    def measure_samples(self, fitted: FittedMethod, n: int) -> float:
        """Measure the distance of ``n`` draws from a fitted method; raises Lacking where it draws none."""
        return self.measure_images(fitted.sample(n))


def take_reference(extract: Callable[[Tensor], Tensor], images: Tensor) -> Reference:
    """Take the features of the training images (M, C, H, W) as the reference."""
    return Reference(extract, extract(images))
