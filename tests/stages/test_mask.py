"""Stage mask stores occluded training images and which of their pixels are visible."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.image_folder import DataError, read_images, write_images
from pipeline.settings.params import load_params
from stages.mask import FIGURE, INPUT, OUTPUT, mask

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
IMAGES = np.random.default_rng(0).integers(1, 256, (30, 3, 32, 32), dtype=np.uint8)


def with_mask(**changes):
    return dataclasses.replace(PARAMS, mask=dataclasses.replace(PARAMS.mask, **changes))


@pytest.fixture
def complete(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_images(INPUT, {"train_images": IMAGES}, {"dataset": "svhn"})


@pytest.mark.parametrize(
    ("changes", "hidden"),
    [
        ({"kind": "region", "side": 30}, 15 * 15),  # of 64 x 64, hence 15 of 32
        ({"kind": "two_regions", "side": 16}, 2 * 8 * 8),
        ({"kind": "salt_pepper", "share": 0.7}, round(0.7 * 32 * 32)),
    ],
)
def test_mask_hides_the_scaled_amount_of_every_image(complete, changes, hidden):
    metrics = mask(with_mask(**changes), None)
    stored = read_images(OUTPUT)
    visible = np.broadcast_to(stored["train_visible"], IMAGES.shape)
    assert ((stored["train_visible"] == 0).sum(axis=(1, 2, 3)) == hidden).all()
    np.testing.assert_array_equal(stored["train_images"], np.where(visible, IMAGES, 0))
    assert metrics["hidden_share"] == pytest.approx(hidden / 32**2)
    assert metrics["n"] == 30
    assert stored.meta["dataset"] == metrics["dataset"] == "svhn"
    assert Path(FIGURE).read_bytes().startswith(b"\x89PNG")


def test_same_seed_gives_the_same_digest_and_another_seed_does_not(complete):
    digests = [mask(dataclasses.replace(PARAMS, seed=seed), None)["digest"] for seed in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]


def test_mask_that_does_not_fit_leaves_nothing(complete):
    with pytest.raises(
        ValueError, match=r"mask\.side: 20 pixels on a 32 x 32 image found; should be 1 to 16"
    ):
        mask(with_mask(kind="two_regions", side=40), None)
    assert not Path(OUTPUT).exists()
    assert not Path(FIGURE).exists()


def test_mask_without_prepared_images_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"artifacts/data/complete/meta\.json: file is missing"):
        mask(PARAMS, None)
