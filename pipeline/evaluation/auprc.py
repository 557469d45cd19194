"""Anomaly detection: the area under the precision-recall curve over independent chains (section 7.5)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from models.interface import FittedMethod
from pipeline.evaluation.image_bootstrap import compute_weighted_auprc, trace_precision_recall


@dataclass(frozen=True)
class Detection:
    """How well scores tell ``n`` images apart: mean and standard deviation (ddof 0) of chains' AUPRCs.

    ``base_rate``: the share of anomalies, ``minimum``: the smallest AUPRC that there can be with it.
    """

    mean: float
    std: float
    base_rate: float
    minimum: float
    n: int


def compute_auprc(scores: np.ndarray, is_anomaly: np.ndarray) -> float:
    """Area under the precision-recall curve (average precision), anomaly = positive class.

    The mean over the anomalies of the precision at each one's score, equal scores counted together: what
    ``sklearn.metrics.average_precision_score`` computes (a test holds them equal), whose import takes longer
    than the scoring. Raises ValueError for scores that are not finite and for labels without an anomaly.
    """
    if not np.isfinite(scores).all() or not is_anomaly.any():
        raise ValueError("AUPRC: expected finite scores and at least one anomaly")
    return float(compute_weighted_auprc(scores, is_anomaly, np.ones((1, len(scores))))[0])


def trace_curve(scores: np.ndarray, is_anomaly: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision at each of the scores' M values, the highest first: (M,) and (M,)."""
    recall, precision = trace_precision_recall(scores, is_anomaly, np.ones((1, len(scores))))
    return recall[0], precision[0]


def compute_minimum_auprc(base_rate: float) -> float:
    """The smallest AUPRC that any score can have at this base rate p: 1 + (1 - p) ln(1 - p) / p.

    The large-sample limit of ranking every anomaly last (Boyd, Costa, Davis and Page, "Unachievable region
    in precision-recall space", ICML 2012, Theorem 2).
    """
    return 1 + (1 - base_rate) * math.log1p(-base_rate) / base_rate


def score_chains(fitted: FittedMethod, images: Tensor, steps: int, chains: int) -> list[np.ndarray]:
    """Score test images (N, C, H, W) by independent chains of ``steps`` steps: for each chain (N,) float64.

    Raises Lacking where the method scores no images.
    """
    return [fitted.score(images, steps, draw).double().cpu().numpy() for draw in range(chains)]


def judge_scores(
    scores: Sequence[np.ndarray], is_anomaly: np.ndarray, protocols: Mapping[str, np.ndarray]
) -> dict[str, Detection]:
    """Judge the chains' scores, (N,) each, under each protocol: (N,) bool, True for images that count."""
    judged = {}
    for protocol, chosen in protocols.items():
        labels = is_anomaly[chosen]
        areas = [compute_auprc(chain[chosen], labels) for chain in scores]
        base_rate = float(labels.mean())
        judged[protocol] = Detection(
            mean=float(np.mean(areas)),
            std=float(np.std(areas)),
            base_rate=base_rate,
            minimum=compute_minimum_auprc(base_rate),
            n=len(labels),
        )
    return judged
