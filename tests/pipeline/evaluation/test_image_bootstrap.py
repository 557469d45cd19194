import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from pipeline.evaluation.image_bootstrap import (
    ScoredImages,
    compute_weighted_auprc,
    rank_scores,
    resample_auprcs,
)


@pytest.fixture
def rng():
    return np.random.default_rng(2)


@pytest.mark.parametrize("decimals", [0, 8])  # with and without equal scores
def test_a_weighted_auprc_is_scikit_learns(rng, decimals):
    labels = np.arange(60) % 4 == 0
    scores = (rng.standard_normal(60) + labels).round(decimals)
    weights = rng.exponential(size=(5, 60))
    expected = [average_precision_score(labels, scores, sample_weight=row) for row in weights]
    np.testing.assert_allclose(compute_weighted_auprc(scores, labels, weights), expected, rtol=1e-10)
    ranks = rank_scores(scores)
    assert ranks.dtype == np.uint16
    np.testing.assert_array_equal(
        compute_weighted_auprc(ranks, labels, weights), compute_weighted_auprc(scores, labels, weights)
    )


def test_an_image_weighs_the_same_wherever_it_is_scored_and_others_are_independent(rng):
    labels = np.arange(200) % 5 == 0
    scores = (rng.standard_normal(200) + labels)[None]
    order = rng.permutation(200)
    tests = [
        ScoredImages(scores, labels, np.arange(200)),
        ScoredImages(scores[:, order], labels[order], order),  # the same images in another order
        ScoredImages(scores, labels, np.arange(200) + 200),  # others
    ]
    areas = resample_auprcs(tests, rng, 1000)
    np.testing.assert_allclose(areas[:, 0], areas[:, 1], rtol=1e-10)
    assert abs(np.corrcoef(areas[:, 0], areas[:, 2])[0, 1]) < 0.15
    assert areas[:, 0].std() > 0.01


def test_resampling_keeps_the_base_rate(rng):
    """Scores that say nothing have the base rate in every resample, however the anomalies are weighted."""
    labels = np.arange(50) % 5 == 0
    areas = resample_auprcs([ScoredImages(np.zeros((1, 50)), labels, np.arange(50))], rng, 20)
    np.testing.assert_allclose(areas, 0.2, rtol=1e-12)
