"""From parameters to the inputs of the algorithms: plans, chains, scoring."""

from __future__ import annotations

import dataclasses

from models.langevin.dynamics import ChainSettings
from models.short_run.algorithm import TrainingPlan
from models.short_run.scores import Scoring
from pipeline.settings.params import Params


def build_plan(params: Params, task: str) -> TrainingPlan:
    """Bring the parameters that a training of ``task`` uses into the form of Algorithm 1's inputs."""
    numbers, langevin = params.profile_settings.train, params.resolve_langevin()
    return TrainingPlan(
        rounds=getattr(numbers.rounds, task),
        passes=numbers.L,
        adam_steps=numbers.L2,
        regression_passes=getattr(numbers.regression_passes, task),
        batch_size=numbers.batch_size,
        minibatch=min(numbers.minibatch, numbers.batch_size),
        learning_rate=numbers.learning_rate,
        alpha=params.alpha,
        sigma=params.sigma,
        seed=params.seed,
        chain=build_chain(params, numbers.K),
        initialisation=langevin.initialisation,
        batch_norm=langevin.batch_norm,
        solver=params.transport.solver,
        epsilon=params.transport.epsilon,
    )


def build_chain(params: Params, steps: int) -> ChainSettings:
    """A short run of ``steps`` steps with the parameters' step size, drift and noise."""
    langevin = params.resolve_langevin()
    return ChainSettings(
        step_size=params.s,
        steps=steps,
        drift_coefficient=langevin.drift_coefficient,
        drift_reduction=langevin.drift_reduction,
        noise_scale=langevin.noise_scale,
        noise_decay=langevin.noise_decay,
        noise_every=langevin.noise_every,
    )


def build_scoring(params: Params, steps: int) -> Scoring:
    """How anomalies are scored: ``draw`` is Eq. (8)'s chain, ``mode`` the same without noise."""
    chain = build_chain(params, steps)
    if params.anomaly.inference == "mode":
        chain = dataclasses.replace(chain, noise_scale=0.0)
    return Scoring(chain, params.anomaly.score)
