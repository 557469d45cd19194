"""Do samples copy training images, or cover what nobody learned: measures beside the Frechet distance."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.images import to_unit

NEIGHBOURS = 3  # of Kynkaanniemi et al.


@dataclass(frozen=True)
class Nearest:
    """For each of N samples the nearest of some images: its index, and its Euclidean distance; (N,) each."""

    indices: Tensor
    distances: Tensor


def find_nearest(samples: Tensor, images: Tensor) -> Nearest:
    """Find the image nearest to each sample by the Euclidean distance of pixels in [0, 1].

    ``samples``: (N, C, H, W), ``images``: (M, C, H, W), uint8 or float in [0, 1]. By differences, not by
    products, whose rounding hides the small distances of copies.
    """
    rows = to_unit(samples).flatten(1)
    columns = to_unit(images).flatten(1)
    found = [
        torch.cdist(part, columns, compute_mode="donot_use_mm_for_euclid_dist").min(1)
        for part in rows.split(500)
    ]
    return Nearest(torch.cat([one.indices for one in found]), torch.cat([one.values for one in found]))


def pick_nearest(
    samples: Tensor, training: Tensor, unseen: Tensor, count: int = 16
) -> tuple[Tensor, Tensor, Tensor]:
    """Pick the ``count`` samples nearest to a training image, those images, and the nearest unseen ones.

    All three (count, C, H, W) float in [0, 1], as pictures take them.
    """
    picked = samples[find_nearest(samples, training).distances.argsort()[:count]]
    near, other = (images[find_nearest(picked, images).indices] for images in (training, unseen))
    return to_unit(picked), to_unit(near), to_unit(other)


def share_nearer(samples: Tensor, training: Tensor, unseen: Tensor) -> float:
    """The share of samples with a training image nearer to them than any unseen image.

    ``training``, ``unseen``: (M, C, H, W) each, as many of either: an image of the same source that is in
    neither has its nearest in either with the same chance, so .5 is no copying, and 1 is a copy each. Samples
    of poor quality may share few neighbours, and so stray from .5 for one pair of sets. Ties count half.
    Raises ValueError for unequal numbers.
    """
    if len(training) != len(unseen):
        raise ValueError(
            f"found {len(training)} training images and {len(unseen)} unseen ones, expected as many"
        )
    learned, other = (find_nearest(samples, images).distances for images in (training, unseen))
    return float(((learned < other).double() + (learned == other).double() / 2).mean())


def measure_coverage(generated: Tensor, real: Tensor) -> tuple[float, float]:
    """Precision and recall of features (N, F) and (M, F), by torch-fidelity.

    Precision is the share of generated images within the third nearest neighbour's distance of a real one,
    recall that of real ones with respect to the generated (Kynkaanniemi et al. 2019).
    """
    # It takes seconds to import, for it brings torchvision along.
    from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

    found = prc_features_to_metric(
        generated,
        real,
        prc_neighborhood=NEIGHBOURS,
        prc_batch_size=10_000,
        save_cpu_ram=False,
        verbose=False,
    )
    return found[KEY_METRIC_PRECISION], found[KEY_METRIC_RECALL]
