import numpy as np
import pytest

from pipeline.evaluation.auprc import compute_auprc, compute_minimum_auprc


def test_auprc_is_the_mean_precision_at_the_anomalies():
    scores = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    is_anomaly = np.array([True, False, True, False, False])
    assert compute_auprc(scores, is_anomaly) == pytest.approx((1 / 1 + 2 / 3) / 2)


def test_no_ranking_scores_below_the_minimum():
    is_anomaly = np.arange(20_000) < 0.357 * 20_000
    worst = np.where(is_anomaly, 0.0, 1.0) + np.linspace(0, 0.5, 20_000)[::-1] * is_anomaly
    minimum = compute_minimum_auprc(is_anomaly.mean())
    assert compute_auprc(worst, is_anomaly) == pytest.approx(minimum, abs=1e-3)
    assert minimum == pytest.approx(0.2046, abs=1e-3)
