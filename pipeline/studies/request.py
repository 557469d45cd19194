"""What a cell's method is asked to train on."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

from torch import Tensor

from models.langevin.engine import choose_engine
from models.short_run.method import TrainingRequest, count_sample_gradients
from pipeline.settings.plan import build_plan, build_scoring
from pipeline.studies.grid import Cell

# A task trains as the own run's training of that name does; all others as ``complete``.
TRAINING_OF = {"anomaly": "normal", "occluded": "occluded"}


def build_request(cell: Cell, images: Tensor, visible: Tensor | None) -> TrainingRequest:
    """What a cell's method is asked to train on: images uint8 (N, C, H, W), visible (N, 1, H, W) or None."""
    params = cell.params
    settings = choose_engine(**dataclasses.asdict(params.engine))
    plan = build_plan(params, TRAINING_OF.get(cell.task, "complete"))
    return TrainingRequest(
        architecture=params.architecture,
        latent_dim=params.resolved_latent_dim,
        images=images.to(settings.device),
        visible=None if visible is None else visible.to(settings.device),
        sigma=plan.sigma,
        seed=plan.seed,
        budget=count_sample_gradients(plan, len(images)),
        minibatch=plan.minibatch,
        learning_rate=plan.learning_rate,
        precision=settings.precision,
        plan=replace(plan, learning_rate=plan.learning_rate * cell.rate_factor),
        settings=settings,
        scoring=build_scoring(params, params.profile_settings.evaluate.anomaly_steps),
        rate_factor=cell.rate_factor,
        noisy_scores=params.anomaly.inference == "draw",
    )
