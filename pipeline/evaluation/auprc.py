"""The area under the precision-recall curve, and the smallest that there can be (section 7.5)."""

from __future__ import annotations

import math

import numpy as np


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
