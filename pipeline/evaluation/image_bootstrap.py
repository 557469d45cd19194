"""How far an AUPRC rests on the test images that happened to be drawn: resampled images, numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ScoredImages:
    """Test images that one training scored: ``scores`` (C, N) of C chains, or their ranks.

    ``is_anomaly``: (N,) bool; ``ids``: (N,) integers that name an image whichever training scores it.
    """

    scores: np.ndarray
    is_anomaly: np.ndarray
    ids: np.ndarray


def rank_scores(scores: np.ndarray) -> np.ndarray:
    """The ranks from 0 of the scores (N,), equal ones sharing one: all that an AUPRC takes of them."""
    _, ranks = np.unique(scores, return_inverse=True)
    return ranks.astype(np.uint16 if len(scores) <= 1 << 16 else np.uint32)


def trace_precision_recall(
    scores: np.ndarray, is_anomaly: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision of ``scores`` (N,) at each of their M values, highest first, equal ones together.

    For each row of image weights (R, N): (R, M) and (R, M); anomaly = positive class.
    """
    order = np.argsort(-scores.astype(np.float64), kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # of each run of equal scores
    weights = weights[:, order]
    all_above = np.cumsum(weights, 1)[:, last]
    found = np.cumsum(weights * is_anomaly[order], 1)[:, last]
    precision = np.divide(found, all_above, out=np.zeros_like(found), where=all_above > 0)
    return found / found[:, -1:], precision


def compute_weighted_auprc(scores: np.ndarray, is_anomaly: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average precision of ``scores`` (N,) for each row of image weights (R, N): (R,)."""
    recall, precision = trace_precision_recall(scores, is_anomaly, weights)
    return (np.diff(recall, axis=1, prepend=0) * precision).sum(1)


def resample_auprcs(
    tests: Sequence[ScoredImages], rng: np.random.Generator, n_resamples: int = 400
) -> np.ndarray:
    """The tests' AUPRCs, mean over chains, in resamples of the images: (n_resamples, len(tests)).

    How often an image is drawn is Poisson's with mean 1: one number for each image and resample, the same in
    every test that has the image. Anomalies and others are scaled to weigh as many as there are, since the
    protocol fixes the base rate.
    """
    known = np.unique(np.concatenate([test.ids for test in tests]))
    drawn = rng.poisson(1.0, (n_resamples, len(known))).astype(float)
    columns = []
    for test in tests:
        weights = drawn[:, np.searchsorted(known, test.ids)]
        for group in (test.is_anomaly, ~test.is_anomaly):
            weights[:, group] = _scale(weights[:, group])
        areas = [compute_weighted_auprc(chain, test.is_anomaly, weights) for chain in test.scores]
        columns.append(np.mean(areas, 0))
    return np.stack(columns, 1)


def _scale(weights: np.ndarray) -> np.ndarray:
    """Weights (R, n) that sum to n in each row; equal ones where none of a few images was drawn."""
    weights = np.where(weights.any(1, keepdims=True), weights, 1.0)
    return weights * (weights.shape[1] / weights.sum(1, keepdims=True))
