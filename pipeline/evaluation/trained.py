"""The models that the stage train left, ready to infer."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from models.langevin.engine import InferenceEngine, choose_engine
from pipeline.settings.params import Params
from pipeline.storage.checkpoints import TrainedModel, load_model

MODELS = Path("artifacts/models")


def load_engine(params: Params, task: str, planned_steps: int) -> tuple[TrainedModel, InferenceEngine]:
    """Read the model trained for ``task`` and make it ready to infer ``planned_steps`` sample-steps."""
    settings = choose_engine(**dataclasses.asdict(params.engine))
    model = load_model(MODELS / task, settings.device)
    batch_norm = params.langevin.batch_norm
    return model, InferenceEngine(model.generator, params.sigma, settings, planned_steps, batch_norm)
