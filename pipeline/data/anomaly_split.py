"""The held-out class: a training set and two protocols' test sets (section 7.5; conventions, section 5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SPLIT_SEED = 42  # the BiGAN, MEG and LEBM line's
TRAIN_SHARE = 0.8


@dataclass(frozen=True)
class AnomalySplit:
    """Indices into the pooled images: one training set, two test sets that must never share a row.

    ``pooled``: the other 20 % of the normal images and all held-out ones. ``tenth``: the same normal images
    and 20 % of the held-out ones, a slice of the data set with its natural share of anomalies.
    """

    train: np.ndarray
    pooled: np.ndarray
    tenth: np.ndarray


def split_anomaly(labels: np.ndarray, held_out: int) -> AnomalySplit:
    """Split the pooled images with ``labels`` (N,); raises ValueError where ``held_out`` is absent."""
    normal, anomalous = np.flatnonzero(labels != held_out), np.flatnonzero(labels == held_out)
    if not len(anomalous) or not len(normal):
        present = ", ".join(str(label) for label in np.unique(labels))
        raise ValueError(
            f"anomaly.held_out: found {held_out}, expected one of at least two classes: {present}"
        )
    rng = np.random.RandomState(SPLIT_SEED)
    normal, anomalous = rng.permutation(normal), rng.permutation(anomalous)
    n_train = int(TRAIN_SHARE * len(normal))
    n_slice = max(1, round((1 - TRAIN_SHARE) * len(anomalous)))
    test = normal[n_train:]
    return AnomalySplit(
        train=np.sort(normal[:n_train]),
        pooled=np.concatenate([test, anomalous]),
        tenth=np.concatenate([test, anomalous[:n_slice]]),
    )
