"""Anomaly detection: the two protocols, the score and its AUPRC (section 7.5; conventions, section 5)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.langevin import ChainSettings
from models.noise import Stream, draw_normal
from pipeline.inference import InferenceEngine, NoiseAddress, to_unit
from pipeline.scores import SCORES

SPLIT_SEED = 42  # the BiGAN, MEG and LEBM line's
TRAIN_SHARE = 0.8
CHUNK = 1000  # images scored at once


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


@dataclass(frozen=True)
class Scoring:
    """How test images are scored: the chain that infers z, and a function of ``SCORES`` by its name."""

    chain: ChainSettings
    score: str = "joint"


def score_images(
    engine: InferenceEngine, images: Tensor, latent_dim: int, scoring: Scoring, seed: int, draw: int
) -> Tensor:
    """Score images (N, C, H, W) at the end of one short run each: (N,), a higher score is more anomalous.

    Chains start from the prior; those of another ``draw`` are independent. Score `joint` is U(z^K), the
    negative of log p(I, z) in Eq. (7).
    """
    indices = torch.arange(len(images), device=images.device)
    z = draw_normal(seed, Stream.TEST_INIT, indices, draw, 1, latent_dim)[0]
    z = engine.infer(z, images, None, indices, scoring.chain, NoiseAddress(seed, Stream.TEST_CHAIN, draw))
    if scoring.score == "joint":
        return engine.evaluate_energy(z, images)
    generator = engine.generator.eval().requires_grad_(False)
    score = SCORES[scoring.score]
    parts = [
        score(generator, z[rows], to_unit(images[rows]), engine.sigma)
        for rows in torch.arange(len(z), device=z.device).split(CHUNK)
    ]
    return torch.cat(parts)


def compute_auprc(scores: np.ndarray, is_anomaly: np.ndarray) -> float:
    """Area under the precision-recall curve (average precision), anomaly = positive class."""
    from sklearn.metrics import average_precision_score  # slow to load

    return float(average_precision_score(is_anomaly, scores))


def compute_minimum_auprc(base_rate: float) -> float:
    """The smallest AUPRC that any score can have at this base rate p: 1 + (1 - p) ln(1 - p) / p.

    The large-sample limit of ranking every anomaly last (Boyd, Costa, Davis and Page, "Unachievable region
    in precision-recall space", ICML 2012, Theorem 2).
    """
    return 1 + (1 - base_rate) * math.log1p(-base_rate) / base_rate
