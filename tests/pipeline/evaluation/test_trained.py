"""The own run's models are measured as the tables' are: by the same fitted method."""

import dataclasses
from pathlib import Path

import pytest
import torch

from models.langevin import engine as inference
from models.langevin.engine import EngineSettings
from models.networks.generator import build_generator
from models.short_run.method import TrainingRequest, stop_training
from pipeline.evaluation import trained
from pipeline.evaluation.trained import load_trained
from pipeline.settings.params import load_params
from pipeline.settings.plan import build_plan, build_scoring
from pipeline.storage import places
from pipeline.storage.checkpoints import load_model, save_model

PARAMS = load_params(Path(__file__).parents[3] / "params.yaml")


def test_a_stored_model_infers_draws_and_scores_as_the_training_that_left_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    engine = dataclasses.replace(PARAMS.engine, device="cpu", precision="float32")
    params = dataclasses.replace(PARAMS, engine=engine)
    rng = torch.Generator().manual_seed(0)
    generator = build_generator("mnist", 5, rng).eval()
    latents = torch.randn(6, 5, generator=rng)
    images = torch.randint(0, 256, (6, 1, 28, 28), generator=rng, dtype=torch.uint8)
    save_model(places.MODELS / "complete", "mnist", generator, latents)
    plan = build_plan(params, "complete")
    request = TrainingRequest(
        architecture="mnist",
        latent_dim=5,
        images=images,
        visible=None,
        sigma=plan.sigma,
        seed=plan.seed,
        budget=1,
        minibatch=6,
        learning_rate=plan.learning_rate,
        precision=torch.float32,
        plan=plan,
        settings=EngineSettings(),
        scoring=build_scoring(params, 2),
    )
    left, stored = stop_training(request, generator, latents), load_trained(params, "complete")
    assert torch.equal(stored.infer(images, None, 3, 2), left.infer(images, None, 3, 2))
    assert torch.equal(stored.infer_training(images, None, 3, 1), left.infer_training(images, None, 3, 1))
    assert not torch.equal(stored.infer_training(images, None, 3), left.infer_training(images, None, 3, 1))
    assert torch.equal(stored.sample(4), left.sample(4))
    assert torch.equal(stored.score(images, 4, 1), left.score(images, 4, 1))


@pytest.mark.parametrize(
    ("device", "batch_norm", "chunk", "expected"),
    [
        ("cuda", "frozen", None, [2000, 2000, 1]),
        ("cuda", "frozen", 3000, [3000, 1001]),
        ("cuda", "batch", None, [4001]),  # the statistics are those of all images
        ("cpu", "frozen", None, [500] * 8 + [1]),  # as before, or a CPU's bits would change
    ],
)
def test_a_gpu_is_handed_no_more_images_at_once_than_it_has_memory_for(
    tmp_path, monkeypatch, device, batch_norm, chunk, expected
):
    monkeypatch.chdir(tmp_path)
    params = dataclasses.replace(PARAMS, langevin=dataclasses.replace(PARAMS.langevin, batch_norm=batch_norm))
    generator = build_generator("mnist", 5, torch.Generator().manual_seed(0)).eval()
    save_model(places.MODELS / "complete", "mnist", generator, torch.zeros(4001, 5))
    settings = EngineSettings(device, torch.float32, "never", chunk)
    monkeypatch.setattr(trained, "choose_engine", lambda **given: settings)
    monkeypatch.setattr(trained, "load_model", lambda folder, device: load_model(folder))  # there may be none
    handed = []

    def note_length(step, z, noise):
        handed.append(len(z))
        return z

    monkeypatch.setattr(inference, "run_chain", note_length)
    fitted = load_trained(params, "complete")
    fitted.infer_training(torch.zeros(4001, 1, 28, 28, dtype=torch.uint8), None, 1)
    assert handed == expected
