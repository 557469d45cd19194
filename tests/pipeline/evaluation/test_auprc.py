import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from models.interface import FittedMethod
from pipeline.evaluation.auprc import compute_auprc, compute_minimum_auprc, judge_scores, score_chains


def test_auprc_is_the_mean_precision_at_the_anomalies():
    scores = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    is_anomaly = np.array([True, False, True, False, False])
    assert compute_auprc(scores, is_anomaly) == pytest.approx((1 / 1 + 2 / 3) / 2)


@pytest.mark.parametrize("levels", [3, 40, 10**6])
def test_auprc_is_scikit_learns(levels):
    rng = np.random.default_rng(levels)
    for n in (2, 7, 300, 2000):
        scores = rng.integers(0, levels, n) / 7 - 3.0  # of three levels nearly all scores are equal ones
        is_anomaly = rng.random(n) < 0.3
        is_anomaly[0] = True
        assert compute_auprc(scores, is_anomaly) == pytest.approx(
            average_precision_score(is_anomaly, scores), rel=1e-12
        )


@pytest.mark.parametrize(
    ("scores", "is_anomaly"), [([1.0, np.nan], [True, False]), ([1.0, 2.0], [False] * 2)]
)
def test_what_has_no_auprc_is_refused(scores, is_anomaly):
    with pytest.raises(ValueError, match="finite scores and at least one anomaly"):
        compute_auprc(np.array(scores), np.array(is_anomaly))


def test_no_ranking_scores_below_the_minimum():
    is_anomaly = np.arange(20_000) < 0.357 * 20_000
    worst = np.where(is_anomaly, 0.0, 1.0) + np.linspace(0, 0.5, 20_000)[::-1] * is_anomaly
    minimum = compute_minimum_auprc(is_anomaly.mean())
    assert compute_auprc(worst, is_anomaly) == pytest.approx(minimum, abs=1e-3)
    assert minimum == pytest.approx(0.2046, abs=1e-3)


class Darkness(FittedMethod):
    """Scores an image by how dark it is; every second chain gets it the wrong way round."""

    def score(self, images, steps, draw):
        return -steps * images.float().mean((1, 2, 3)) * (-1) ** draw


def test_chains_are_judged_apart_and_each_protocol_by_its_own_images():
    images = torch.tensor([0, 10, 200, 210, 220], dtype=torch.uint8).view(-1, 1, 1, 1)
    is_anomaly = np.array([True, True, False, False, False])
    scores = score_chains(Darkness(), images, steps=3, chains=2)
    assert [score[1] for score in scores] == [-30, 30]
    protocols = {"pooled": np.ones(5, dtype=bool), "tenth": np.array([True, False, True, True, True])}
    judged = judge_scores(scores, is_anomaly, protocols)
    right, wrong = 1.0, (1 / 4 + 2 / 5) / 2
    assert judged["pooled"].mean == pytest.approx((right + wrong) / 2)
    assert judged["pooled"].std == pytest.approx((right - wrong) / 2)  # of these chains, not of a population
    assert (judged["pooled"].n, judged["tenth"].n) == (5, 4)
    assert judged["tenth"].base_rate == 0.25
    assert judged["tenth"].mean == pytest.approx((1 + 1 / 4) / 2)
