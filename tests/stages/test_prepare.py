"""Stage prepare stores the data set that params.yaml names, with its numbers and a picture."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.image_folder import DataError, read_images
from pipeline.settings.params import load_params
from stages.prepare import FIGURE, OUTPUT, prepare

PARAMS = dataclasses.replace(load_params(Path(__file__).parents[2] / "params.yaml"), profile="smoke")


def test_prepare_stores_what_its_metrics_say(tmp_path, keep_digits, monkeypatch):
    monkeypatch.chdir(tmp_path)
    metrics = prepare(PARAMS, None)
    stored = read_images(OUTPUT)
    settings = PARAMS.profile_settings.prepare
    assert stored["train_images"].shape == (settings.n_train, 1, 28, 28)
    assert stored["test_images"].shape == (settings.n_test, 1, 28, 28)
    assert stored.meta["dataset"] == metrics["dataset"] == "mnist5k"
    assert stored.meta["digest"] == metrics["digest"]
    assert metrics["n_train"] == settings.n_train
    assert metrics["train_mean"] == pytest.approx(stored["train_images"].mean() / 255)
    counts = np.bincount(stored["train_labels"])
    assert (metrics["smallest_class"], metrics["largest_class"]) == (counts.min(), counts.max())
    assert Path(FIGURE).read_bytes().startswith(b"\x89PNG")


def test_prepare_leaves_nothing_when_the_data_are_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = dataclasses.replace(PARAMS.data, folder="data", download=False)
    with pytest.raises(DataError, match=r"data/train_32x32\.mat: file is missing"):
        prepare(dataclasses.replace(PARAMS, dataset="svhn", data=data), None)
    assert not list(tmp_path.iterdir())
