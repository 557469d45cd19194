"""Stage fid gives a distance in the features of a trained extractor, and none in those of another."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from models.networks.classifier import build_classifier
from models.networks.generator import build_generator
from pipeline.data.image_folder import write_images
from pipeline.evaluation.features import save_classifier
from pipeline.settings.params import load_params
from pipeline.storage import places
from pipeline.storage.checkpoints import save_model
from pipeline.storage.files import write_json
from stages.fid import FIGURE, INPUT, NEAREST_FIGURE, fid

PARAMS = dataclasses.replace(load_params(Path(__file__).parents[2] / "params.yaml"), profile="smoke")


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A folder with images, a generator and an extractor."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    arrays = {name: rng.integers(0, 256, (80, 1, 28, 28)).astype(np.uint8) for name in ("train_images",)}
    write_images(INPUT, arrays | {"test_images": arrays["train_images"][::-1].copy()}, {"dataset": "mnist5k"})
    generator = build_generator("mnist", None, torch.Generator().manual_seed(0)).eval()
    latents = torch.randn(80, generator.latent_dim, generator=torch.Generator().manual_seed(1))
    save_model(places.MODELS / "complete", "mnist", generator, latents)
    save_classifier(places.EXTRACTOR, build_classifier(1, 10, torch.Generator().manual_seed(0)), 1)


@pytest.mark.parametrize(("accuracy", "is_refused"), [(0.11, True), (0.9, False)])
def test_a_distance_is_refused_where_the_extractor_is_near_chance(trained, caplog, accuracy, is_refused):
    write_json(places.find_metrics("extractor"), {"test_accuracy": accuracy, "classes": 10})
    metrics = fid(PARAMS, None)
    assert (metrics["frechet_distance"] is None) == (metrics["floor"] is None) == is_refused
    assert bool(metrics["refused"]) == is_refused
    said = [f"Frechet distance refused: {metrics['refused']}"] if is_refused else []
    assert [record.getMessage() for record in caplog.records] == said
    if not is_refused:
        assert 0 < metrics["frechet_distance"] < math.inf
        assert metrics["floor"] == pytest.approx(0, abs=1e-6)  # the same images in another order
    n_generated = PARAMS.profile_settings.evaluate.n_generated
    assert (metrics["n"], metrics["n_reference"], metrics["n_floor"]) == (n_generated, 80, 80)
    assert 0 <= metrics["nearer_training"] <= 1 and metrics["n_compared"] == 80
    of_features = [metrics[key] for key in ("frechet_distance_test", "precision", "recall")]
    of_features += [metrics[f"frechet_distance_{one}"] for one in ("one_gaussian", "ten_gaussians")]
    assert all((number is None) == is_refused for number in of_features)
    assert Path(NEAREST_FIGURE).read_bytes().startswith(b"\x89PNG")
    assert Path(FIGURE).read_bytes().startswith(b"\x89PNG")
    write_json(places.find_metrics("fid"), metrics)  # with a distance that is null
