import numpy as np
import pytest
import torch

from models.generator import build_generator
from models.langevin import ChainSettings
from pipeline.anomaly import Scoring, compute_auprc, compute_minimum_auprc, score_images, split_anomaly
from pipeline.inference import EngineSettings, InferenceEngine

LABELS = np.repeat(np.arange(10), 50)


def test_the_training_set_holds_no_anomaly_and_the_test_sets_no_training_image():
    split = split_anomaly(LABELS, 4)
    assert not (LABELS[split.train] == 4).any()
    for test in (split.pooled, split.tenth):
        assert len(np.unique(test)) == len(test)
        assert not np.isin(test, split.train).any()


def test_the_protocols_have_their_base_rates():
    split = split_anomaly(LABELS, 4)
    assert len(split.train) == 360
    assert np.isin(np.flatnonzero(LABELS == 4), split.pooled).all()
    assert (LABELS[split.pooled] == 4).mean() == pytest.approx(50 / 140)  # .357
    assert (LABELS[split.tenth] == 4).mean() == pytest.approx(0.1)


def test_an_absent_class_is_named():
    with pytest.raises(
        ValueError, match="anomaly.held_out: found 11, expected one of at least two classes: 0, 1"
    ):
        split_anomaly(LABELS, 11)


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


def test_scores_are_defined_for_constant_images_and_chains_are_independent_of_the_company():
    generator = build_generator("mnist", 5, torch.Generator().manual_seed(0))
    engine = InferenceEngine(generator, 0.3, EngineSettings())
    images = torch.zeros(6, 1, 28, 28, dtype=torch.uint8)
    images[3:] = 255
    scoring = Scoring(ChainSettings(0.3, 2))
    scores, others = (score_images(engine, images, 5, scoring, seed=1, draw=draw) for draw in range(2))
    assert scores.shape == (6,) and scores.isfinite().all()
    assert not torch.isclose(scores, others).any()
    fewer = score_images(engine, images[:4], 5, scoring, seed=1, draw=0)
    torch.testing.assert_close(fewer, scores[:4], atol=1e-2, rtol=1e-5)


def test_other_scores_are_those_of_the_same_latents():
    generator = build_generator("mnist", 5, torch.Generator().manual_seed(0)).eval()
    engine = InferenceEngine(generator, 0.3, EngineSettings())
    images = torch.randint(0, 256, (6, 1, 28, 28), generator=torch.Generator().manual_seed(1))
    chain = ChainSettings(0.3, 2)
    joint, reconstruction, laplace = (
        score_images(engine, images.byte(), 5, Scoring(chain, score), seed=1, draw=0)
        for score in ("joint", "reconstruction", "laplace")
    )
    assert (joint > reconstruction).all()  # by |z|^2 / 2
    assert (laplace > joint).all()  # by half the log determinant of a matrix above the identity
