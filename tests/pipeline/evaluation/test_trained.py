"""The own run's models are measured as the tables' are: by the same fitted method."""

import dataclasses
from pathlib import Path

import torch

from models.langevin.engine import EngineSettings
from models.networks.generator import build_generator
from models.short_run.method import TrainingRequest, stop_training
from pipeline.evaluation.trained import load_trained
from pipeline.settings.params import load_params
from pipeline.settings.plan import build_plan, build_scoring
from pipeline.storage import places
from pipeline.storage.checkpoints import save_model

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
