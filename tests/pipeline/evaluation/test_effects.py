import numpy as np
import pytest
from scipy import stats

from pipeline.evaluation.effects import (
    UNDECIDED,
    VERDICTS,
    Estimate,
    adjust_holm,
    count_best_among,
    decide,
    estimate_best,
    estimate_over_images,
    estimate_over_places,
    estimate_over_seeds,
    fit_slope,
    judge,
)
from pipeline.evaluation.image_bootstrap import ScoredImages, compute_weighted_auprc, resample_auprcs

MARGIN = 0.5


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def covers(estimate: Estimate, truth: float) -> np.ndarray:
    low, high = estimate.bound()
    return (low <= truth) & (truth <= high)


def allow(repetitions: int) -> float:
    """Three binomial standard errors of a share that is 5 % or 95 %."""
    return 3 * (0.05 * 0.95 / repetitions) ** 0.5


def test_an_effect_over_seeds_is_students_one_sample_test(rng):
    effects = rng.normal(0.3, 1, 7)
    estimate = estimate_over_seeds(effects)
    expected = stats.ttest_1samp(effects, 0.1)
    interval = expected.confidence_interval(0.95)
    np.testing.assert_allclose(estimate.bound(), interval, rtol=1e-10)
    below, above = estimate.test_below(0.1), estimate.test_above(0.1)
    assert min(below, above) == pytest.approx(expected.pvalue)
    assert max(below, above) == 1


@pytest.mark.parametrize("seeds", [2, 5, 10])
def test_intervals_over_seeds_cover_the_true_effect_in_95_percent(rng, seeds):
    repetitions = 20_000
    estimate = estimate_over_seeds(rng.normal(0.3, 1, (repetitions, seeds)))
    assert covers(estimate, 0.3).mean() == pytest.approx(0.95, abs=allow(repetitions))


def draw_places(rng, repetitions, places, seeds, by_place, by_seed):
    """Effects of mean 0: places and seeds crossed, with standard deviations of their own and a rest of 1."""
    return (
        by_place * rng.standard_normal((repetitions, places, 1))
        + by_seed * rng.standard_normal((repetitions, 1, seeds))
        + rng.standard_normal((repetitions, places, seeds))
    )


@pytest.mark.parametrize("shape", [(3, 5), (5, 5), (14, 10)])
@pytest.mark.parametrize("parts", [(3, 0.3), (3, 3)])
def test_intervals_over_places_cover_in_95_percent_where_places_differ(rng, shape, parts):
    repetitions = 5000
    estimate = estimate_over_places(draw_places(rng, repetitions, *shape, *parts))
    assert covers(estimate, 0).mean() == pytest.approx(0.95, abs=allow(repetitions) + 0.01)


@pytest.mark.parametrize("shape", [(2, 2), (2, 5), (14, 2), (3, 2), (3, 5), (14, 5)])
@pytest.mark.parametrize("parts", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_intervals_over_places_never_cover_less(rng, shape, parts):
    repetitions = 3000
    estimate = estimate_over_places(draw_places(rng, repetitions, *shape, *parts))
    assert covers(estimate, 0).mean() > 0.95 - allow(repetitions) - 0.005


def test_an_effect_at_one_place_is_the_one_over_its_seeds(rng):
    effects = rng.standard_normal((1, 6))
    np.testing.assert_allclose(
        estimate_over_places(effects).bound(), estimate_over_seeds(effects[0]).bound(), rtol=1e-12
    )


class Detectors:
    """Two methods that score N test images, of which POSITIVE are anomalies; the images decide much."""

    N, POSITIVE, SEEDS = 200, 50, 5
    labels = np.arange(N) < POSITIVE

    def draw_scores(self, rng, repetitions=1):
        """(repetitions, SEEDS, 2, N): trainings differ in strength, images in how easy they are."""
        images = 0.7 * rng.standard_normal((repetitions, 1, 2, self.N))
        strength = np.array([1.2, 0.8]) + 0.25 * rng.standard_normal((repetitions, self.SEEDS, 2))
        noise = 0.3 * rng.standard_normal((repetitions, self.SEEDS, 2, self.N))
        shared = 0.7 * rng.standard_normal((repetitions, 1, 1, self.N))
        return strength[..., None] * self.labels + images + noise + shared

    def measure_effects(self, scores):
        """(..., SEEDS): the first method's average precision less the second's."""
        found = self.labels[np.argsort(-scores, -1)]
        precision = np.cumsum(found, -1) / np.arange(1, self.N + 1)
        areas = (precision * found).sum(-1) / self.POSITIVE
        return areas[..., 0] - areas[..., 1]


def test_intervals_over_images_cover_where_those_over_seeds_alone_do_not(rng):
    detectors, repetitions = Detectors(), 300
    truth = detectors.measure_effects(detectors.draw_scores(rng, 4000)).mean()
    with_images, seeds_alone = [], []
    for scores in detectors.draw_scores(rng, repetitions):  # (SEEDS, 2, N)
        effects = detectors.measure_effects(scores)
        ids = np.arange(detectors.N)
        tests = [
            ScoredImages(scores[seed, method][None], detectors.labels, ids)
            for method in (0, 1)
            for seed in range(detectors.SEEDS)
        ]
        areas = resample_auprcs(tests, rng, 100)
        resampled = areas[:, : detectors.SEEDS] - areas[:, detectors.SEEDS :]
        with_images.append(covers(estimate_over_images(effects, resampled, detectors.POSITIVE), truth))
        seeds_alone.append(covers(estimate_over_seeds(effects), truth))
    assert np.mean(with_images) == pytest.approx(0.95, abs=allow(repetitions))
    assert np.mean(seeds_alone) < 0.9


def test_images_that_no_two_seeds_share_add_nothing_to_the_spread_of_seeds(rng):
    effects, resampled = rng.standard_normal(5), 0.1 * rng.standard_normal((5000, 5))
    widened, plain = estimate_over_images(effects, resampled, 30), estimate_over_seeds(effects)
    np.testing.assert_allclose(widened.errors, plain.errors, rtol=1e-2)


@pytest.mark.parametrize("truth", [0, MARGIN, -MARGIN, 2 * MARGIN, -3 * MARGIN])
@pytest.mark.parametrize("spread", [0.1, 0.5, 2])
def test_a_wrong_verdict_is_rarer_than_5_percent(rng, truth, spread):
    repetitions = 20_000
    p = decide(estimate_over_seeds(rng.normal(truth, spread, (repetitions, 5))), MARGIN)
    true_of_it = {"reproduces": truth > MARGIN, "contradicted": truth < -MARGIN}
    true_of_it["no difference"] = abs(truth) < MARGIN
    wrong = [p[number] <= 0.05 for number, word in enumerate(VERDICTS) if not true_of_it[word]]
    assert np.any(wrong, 0).mean() < 0.05 + allow(repetitions)


def test_a_wrong_verdict_in_a_table_of_eight_claims_is_rarer_than_5_percent(rng):
    repetitions, truths = 5000, np.array([0, 0, MARGIN, -MARGIN, MARGIN, 2, -2, MARGIN])
    effects = rng.normal(truths[:, None], 0.5, (repetitions, 8, 5))
    p = decide(estimate_over_seeds(effects), MARGIN)  # (3, repetitions, 8)
    decided = adjust_holm(p.min(0)) <= 0.05
    right = np.where(truths > MARGIN, 0, np.where(truths < -MARGIN, 1, np.where(truths == 0, 2, -1)))
    wrong = decided & (p.argmin(0) != right)
    assert wrong.any(1).mean() < 0.05 + allow(repetitions)
    assert decided[:, truths == 2].mean() > 0.5  # there is power as well


def test_a_clear_effect_gets_its_verdict(rng):
    for truth, word in ((3, "reproduces"), (-3, "contradicted"), (0, "no difference")):
        p = decide(estimate_over_seeds(rng.normal(truth, 0.1, (1000, 5))), MARGIN)
        assert (VERDICTS[p.mean(1).argmin()], (p.min(0) <= 0.05).mean()) == (word, 1)


def test_one_seed_has_no_interval_and_decides_nothing():
    estimates = [
        estimate_over_seeds(np.array([9.0])),
        estimate_over_places(np.array([[9.0], [9.5], [10.0]])),
        estimate_best(np.array([[9.0], [1.0], [8.0]]), np.array([False, True, False])),
        estimate_over_images(np.array([9.0]), np.ones((10, 1)), 30),
    ]
    assert [word for word, _ in judge(estimates, [MARGIN] * 4)] == [UNDECIDED] * 4
    assert all(np.isnan(estimate.bound()).all() for estimate in estimates)
    assert [float(estimate.effect) for estimate in estimates] == [9, 9.5, 7, 9]


def test_seeds_that_agree_to_the_last_bit_are_certain():
    for value, word in ((1.0, "reproduces"), (0.0, "no difference"), (MARGIN, UNDECIDED)):
        ((found, _),) = judge([estimate_over_seeds(np.full(3, value))], [MARGIN])
        assert found == word


@pytest.mark.parametrize("means", [(0, 0, 0, 0, 0, 0), (0, -1, 0, 0.5, 0, 1), (-1, 0, 0, 0, 0, 0)])
def test_the_interval_of_where_the_best_is_covers_with_at_least_95_percent(rng, means):
    repetitions, among = 5000, np.array([False, True, True, True, True, False])
    by_seed = rng.standard_normal((repetitions, 1, 5))  # which pairing takes out
    values = np.array(means)[:, None] + by_seed + 0.5 * rng.standard_normal((repetitions, 6, 5))
    estimate = estimate_best(values, among)
    truth = min(means[0], means[-1]) - min(means[1:-1])
    assert covers(estimate, truth).mean() > 0.95 - allow(repetitions)
    wrong = [estimate.test_above(0), estimate.test_below(0)]
    wrong = wrong if truth == 0 else [wrong[truth > 0]]
    assert (np.min(wrong, 0) <= 0.05).mean() < 0.05 + allow(repetitions)


def test_a_clear_best_inside_is_found_and_the_seeds_are_paired(rng):
    among = np.array([False, True, False])
    values = np.array([[1.0], [0.0], [1.0]]) + 10 * rng.standard_normal(6)  # each seed has a level of its own
    low, high = estimate_best(values, among).bound()
    assert low == pytest.approx(1) and high == pytest.approx(1)
    assert count_best_among(values, among, rng) == 1
    assert count_best_among(values, ~among, rng) == 0


def test_resampled_seeds_alone_would_call_a_flat_curve_too_often(rng):
    """Why the share of resamples decides nothing: of equal settings it says 95 % far too often."""
    among = np.array([False, True, True, True, True, False])
    shares = np.array([count_best_among(rng.standard_normal((6, 5)), among, rng, 200) for _ in range(500)])
    assert (shares >= 0.95).mean() > 0.1


def test_a_slope_is_what_the_least_squares_line_rises(rng):
    positions = np.log([30.0, 50.0, 100.0])
    values = rng.standard_normal((3, 4))  # (V, S)
    expected = np.polyfit(positions, values, 1)[0] * (positions[-1] - positions[0])
    np.testing.assert_allclose(fit_slope(values, positions), expected, rtol=1e-10)


def test_holms_adjustment_of_a_worked_example():
    np.testing.assert_allclose(adjust_holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    assert adjust_holm(np.array([0.9, 0.8])).tolist() == [1, 1]


def test_the_simulated_detectors_are_measured_as_the_bootstrap_does(rng):
    detectors = Detectors()
    scores = detectors.draw_scores(rng)[0]
    areas = [
        compute_weighted_auprc(scores[0, method], detectors.labels, np.ones((1, detectors.N)))[0]
        for method in (0, 1)
    ]
    assert detectors.measure_effects(scores)[0] == pytest.approx(areas[0] - areas[1])
