"""Stage prepare stores the data set that params.yaml names, with its numbers and a picture."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data.image_folder import DataError, data_digest, read_images
from pipeline.settings.params import load_params
from stages.holdout import OUTPUT as NORMAL
from stages.holdout import holdout
from stages.prepare import FIGURE, OUTPUT, describe_balance, prepare

PARAMS = dataclasses.replace(load_params(Path(__file__).parents[2] / "params.yaml"), profile="smoke")


def test_prepare_stores_what_its_metrics_say(tmp_path, keep_digits, monkeypatch):
    monkeypatch.chdir(tmp_path)
    metrics = prepare(PARAMS, None)
    stored = read_images(OUTPUT)
    settings = PARAMS.profile_settings.prepare
    assert stored["train_images"].shape == (settings.n_train, 1, 28, 28)
    assert stored["test_images"].shape == (settings.n_test, 1, 28, 28)
    assert stored.meta["dataset"] == metrics["dataset"] == "mnist5k"
    assert stored.meta["digest"] == metrics["digest"] and "classes" not in stored.meta
    assert metrics["n_train"] == settings.n_train
    assert metrics["train_mean"] == pytest.approx(stored["train_images"].mean() / 255)
    counts = np.bincount(stored["train_labels"])
    assert (metrics["smallest_class"], metrics["largest_class"]) == (counts.min(), counts.max())
    assert Path(FIGURE).read_bytes().startswith(b"\x89PNG")


def test_the_names_of_a_users_class_folders_are_kept_beside_the_same_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for number in range(40):
        path = tmp_path / "own" / ("birds", "cats")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (28, 28), dtype=np.uint8)).save(path)
    data = dataclasses.replace(PARAMS.data, images="own", generator="mnist")
    params = dataclasses.replace(PARAMS, dataset="folder", data=data)
    metrics = prepare(params, None)
    stored = read_images(OUTPUT)
    assert stored.meta["classes"] == ["birds", "cats"]
    assert stored.meta["digest"] == metrics["digest"] == data_digest(stored.arrays)
    anomaly = dataclasses.replace(PARAMS.anomaly, held_out=1)
    assert holdout(dataclasses.replace(params, anomaly=anomaly), None)["held_out_name"] == "cats"
    assert read_images(NORMAL).meta["held_out_name"] == "cats"


def test_a_balance_names_a_range_only_where_there_is_one():
    assert describe_balance(np.array([20, 20])) == "20 per class, 2 classes"
    assert describe_balance(np.array([20, 1200])) == "20 to 1,200 per class, 2 classes"
    assert describe_balance(np.array([20])) == "of one class"


def test_prepare_leaves_nothing_when_the_data_are_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = dataclasses.replace(PARAMS.data, folder="data", download=False)
    with pytest.raises(DataError, match=r"data/train_32x32\.mat: file is missing"):
        prepare(dataclasses.replace(PARAMS, dataset="svhn", data=data), None)
    assert not list(tmp_path.iterdir())
