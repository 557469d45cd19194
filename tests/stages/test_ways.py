"""Stages reconstruct and recover measure a draw and a point, and say which is which."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from models.images import to_unit
from models.networks.generator import build_generator
from pipeline.data.image_folder import read_images, write_images
from pipeline.evaluation.reconstruction import measure_error, measure_recovery, recover_training
from pipeline.evaluation.trained import load_trained
from pipeline.settings.params import load_params
from pipeline.storage import places
from pipeline.storage.checkpoints import save_model
from stages import reconstruct, recover

PARAMS = dataclasses.replace(load_params(Path(__file__).parents[2] / "params.yaml"), profile="smoke")
SILENT = dataclasses.replace(PARAMS, langevin=dataclasses.replace(PARAMS.langevin, noise_scale=0.0))


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A folder with images, whole and occluded, and a generator for each."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    images = {
        f"{split}_images": rng.integers(0, 256, (24, 1, 28, 28), np.uint8) for split in ("train", "test")
    }
    visible = np.ones((24, 1, 28, 28), np.uint8)
    visible[..., :14] = 0
    write_images(reconstruct.INPUT, images, {"dataset": "mnist5k"})
    occluded = {"train_images": images["train_images"] * visible, "train_visible": visible}
    write_images(recover.INPUT, occluded, {"dataset": "mnist5k", "kind": "region", "side": 13})
    generator = build_generator("mnist", None, torch.Generator().manual_seed(0)).eval()
    latents = torch.randn(24, generator.latent_dim, generator=torch.Generator().manual_seed(1))
    for task in ("complete", "occluded"):
        save_model(places.MODELS / task, "mnist", generator, latents)


def test_a_point_is_the_chain_without_noise_and_costs_no_number_of_the_draw(trained):
    metrics = reconstruct.reconstruct(PARAMS, None)
    images = torch.from_numpy(read_images(reconstruct.INPUT)["train_images"].copy())
    steps = PARAMS.profile_settings.train.K
    fitted = load_trained(PARAMS, "complete", 1000)
    found = {
        ending: measure_error(one.generate, one.infer_training(images, None, steps, 1), images)
        for ending, one in (("", fitted), ("_point", load_trained(SILENT, "complete", 1000)))
    }
    assert metrics["way"] == "draw" and found[""] != found["_point"]
    assert {ending: metrics[f"mse_train{ending}"] for ending in found} == pytest.approx(found, rel=1e-5)
    assert metrics["mse_test"] != metrics["mse_test_point"]


def test_recovery_has_both_errors(trained):
    metrics = recover.recover(PARAMS, None)
    stored = read_images(recover.INPUT)
    images, visible = (torch.from_numpy(stored[f"train_{name}"].copy()) for name in ("images", "visible"))
    originals = to_unit(torch.from_numpy(read_images(recover.ORIGINALS)["train_images"].copy()))
    steps = PARAMS.profile_settings.evaluate.recover_steps
    for ending, params in (("", PARAMS), ("_point", SILENT)):
        recovered = recover_training(load_trained(params, "occluded", 1000), images, visible, steps)
        error = measure_recovery(recovered, originals, visible)
        found = [metrics[f"absolute_error{ending}"], metrics[f"squared_error{ending}"]]
        assert found == pytest.approx([error.absolute, error.squared], rel=1e-5)
    assert metrics["way"] == "draw" and metrics["absolute_error"] != metrics["absolute_error_point"]


def test_a_chain_without_noise_is_called_the_point_that_it_is(trained):
    errors, recovery = reconstruct.reconstruct(SILENT, None), recover.recover(SILENT, None)
    assert errors["way"] == recovery["way"] == "point"
    assert errors["mse_train"] == errors["mse_train_point"] and errors["mse_test"] == errors["mse_test_point"]
    assert recovery["absolute_error"] == recovery["absolute_error_point"]
