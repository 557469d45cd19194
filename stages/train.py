"""Stage train: Algorithm 1 on complete images, or Algorithm 3 where a mask says what is visible."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from models.images import to_unit
from models.langevin.engine import InferenceEngine, choose_engine
from models.networks.generator import build_generator
from models.short_run import algorithm
from models.short_run.algorithm import RoundRecord, TrainingState, start_training, train
from pipeline.data.image_folder import read_images
from pipeline.settings.params import TASKS, Params
from pipeline.settings.plan import build_plan
from pipeline.stage import run_stage
from pipeline.storage.checkpoints import (
    compute_training_key,
    forget_training,
    resume_training,
    save_model,
    save_training,
)
from pipeline.storage.code_digest import digest_code
from pipeline.storage.files import write_text
from reports.drawing import save_grid, save_latent_marginal, save_training_curves

INPUT = Path("artifacts/data")
OUTPUT = Path("artifacts/models")
FIGURES = Path("reports/figures")
CURVES = Path("metrics/curves")
N_SHOWN = 16


def train_task(params: Params, tracker: Any, task: str, checkpoints: list[Path]) -> dict[str, Any]:
    """Train the generator of ``task``, logging each round; return the last round's numbers.

    The checkpoint is added to ``checkpoints``, for the caller to forget when all is written.
    """
    stored = read_images(INPUT / task)
    settings = choose_engine(**dataclasses.asdict(params.engine))
    images = torch.from_numpy(stored["train_images"].copy()).to(settings.device)
    visible = None
    if "train_visible" in stored.arrays:
        visible = torch.from_numpy(stored["train_visible"].copy()).to(settings.device)
    plan = build_plan(params, task)
    rng = torch.Generator().manual_seed(params.seed)
    generator = build_generator(params.architecture, params.resolved_latent_dim, rng).to(settings.device)

    key = compute_training_key(
        plan,
        data=stored.meta["digest"],
        architecture=params.architecture,
        latent_dim=params.resolved_latent_dim,
        engine=dataclasses.asdict(settings),
        torch=torch.__version__,
        code=digest_code([Path(algorithm.__file__)], Path(__file__).parents[1]),
    )
    checkpoint = Path(os.environ.get("DVC_ROOT", ".")) / ".dvc" / "tmp" / "checkpoints" / f"{task}-{key}.pt"
    state = resume_training(checkpoint, generator, plan, key) or start_training(generator, len(images), plan)

    def log_round(record: RoundRecord) -> None:
        numbers = dataclasses.asdict(record)
        tracker.log_metrics({name: value for name, value in numbers.items() if name != "round"}, record.round)

    def keep_round(state: TrainingState) -> None:
        save_training(checkpoint, state, key)
        log_round(state.records[-1])

    for record in state.records:  # of a resumed training: its run in MLflow is a new one
        log_round(record)
    state = train(state, images, visible, plan, settings, keep_round)

    curves = pd.DataFrame([dataclasses.asdict(record) for record in state.records])
    write_text(CURVES / f"train-{task}.csv", curves.to_csv(index=False))
    save_model(OUTPUT / task, params.architecture, generator, state.latents)
    about = f"{stored.meta['dataset']}, {task}, alpha = {plan.alpha:g}, s = {plan.chain.step_size:g}"
    save_training_curves(FIGURES / f"train-{task}_curves.png", curves, about)
    save_latent_marginal(FIGURES / f"train-{task}_latents.png", state.latents, about)
    engine = InferenceEngine(generator, plan.sigma, settings)
    shown = slice(0, len(images), max(1, len(images) // N_SHOWN))
    rows = [
        ("training images", to_unit(images[shown])),
        ("g(z) of their latents", engine.generate(state.latents[shown])),
    ]
    save_grid(FIGURES / f"train-{task}_pairs.png", [(title, row[:N_SHOWN]) for title, row in rows])
    checkpoints.append(checkpoint)
    return {
        "dataset": stored.meta["dataset"],
        "n_train": len(images),
        **dataclasses.asdict(state.records[-1]),
    }


def main() -> None:
    """Run the stage for the task named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=TASKS)
    task = parser.parse_args().task
    checkpoints: list[Path] = []
    run_stage(f"train-{task}", functools.partial(train_task, task=task, checkpoints=checkpoints), live=True)
    for checkpoint in checkpoints:
        forget_training(checkpoint)


if __name__ == "__main__":
    main()
