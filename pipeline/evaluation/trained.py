"""The models that the stage train left, as fitted methods."""

from __future__ import annotations

import dataclasses

from models.langevin.engine import EngineSettings, InferenceEngine, choose_engine
from models.short_run.method import ShortRun
from pipeline.settings.params import Params
from pipeline.settings.plan import build_chain, build_scoring
from pipeline.storage import places
from pipeline.storage.checkpoints import load_model

GPU_CHUNK = 2000  # chains at once: those of all of CelebA take more memory than a card has


def load_trained(params: Params, task: str, planned_steps: int = 0) -> ShortRun:
    """Read the model trained for ``task``, ready to infer ``planned_steps`` sample-steps.

    How many steps a chain takes is said where it is run: those that the parameters name are not used.
    Raises ValueError with one line for an absent or damaged model.
    """
    batch_norm = params.resolve_langevin().batch_norm
    settings = choose_engine(**dataclasses.asdict(params.engine))
    if batch_norm == "frozen":  # batch statistics are those of all images, whatever memory that takes
        settings = limit_chunk(settings)
    model = load_model(places.MODELS / task, settings.device)
    engine = InferenceEngine(model.generator, params.sigma, settings, planned_steps, batch_norm)
    numbers = params.profile_settings
    return ShortRun(
        engine,
        model.latents,
        build_chain(params, numbers.train.K),
        build_scoring(params, numbers.evaluate.anomaly_steps),
        params.seed,
    )


def limit_chunk(settings: EngineSettings) -> EngineSettings:
    """Have a GPU infer a chunk at a time where the settings leave it all images at once."""
    if settings.device != "cuda" or settings.chunk is not None:
        return settings
    return dataclasses.replace(settings, chunk=GPU_CHUNK)
