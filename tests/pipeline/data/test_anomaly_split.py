import numpy as np
import pytest

from pipeline.data.anomaly_split import split_anomaly

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
