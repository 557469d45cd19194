"""Stage train: Algorithm 1 on complete images, or Algorithm 3 where a mask says what is visible.

By several processes or GPUs with RANKS=4 in the environment, or started by torchrun (docs/paper_scale.md).
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import functools
import io
import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.images import to_unit
from models.langevin.engine import EngineSettings, InferenceEngine, choose_engine
from models.langevin.ranks import ALONE, RankLostError, Ranks
from models.networks.generator import build_generator
from models.short_run import algorithm
from models.short_run.algorithm import TrainingPlan, TrainingState, start_training, train
from pipeline.data.image_folder import read_images
from pipeline.launch import connect_ranks, launch_ranks, read_count, read_rank
from pipeline.settings.params import TASKS, Params
from pipeline.settings.plan import build_plan
from pipeline.stage import Interrupted, ignore_termination, run_stage
from pipeline.storage import places
from pipeline.storage.checkpoints import (
    TrainedModel,
    compute_training_key,
    count_kept_rounds,
    hold_training,
    load_model,
    resume_training,
    save_model,
    save_training,
)
from pipeline.storage.code_digest import digest_code
from pipeline.storage.files import project_root, write_json, write_text
from pipeline.storage.kept_outputs import keep_outputs, read_kept
from reports.drawing import save_grid, save_latent_marginal, save_training_curves

N_SHOWN = 16
GREY = 0.5
log = logging.getLogger(__name__)


def train_task(params: Params, tracker: Any, task: str) -> dict[str, Any] | None:
    """Train the generator of ``task``, logging each round; return the last round's numbers.

    Where nothing that decides them has changed since the outputs were written, they are left as they are;
    where that is said of the training alone, they are written anew from the model that it left. Of several
    ranks rank 0 alone writes and logs; the others end with the training, and return nothing.
    """
    stored = read_images(places.DATA / task)
    settings = choose_engine(**dataclasses.asdict(params.engine))
    plan = build_plan(params, task)
    root = Path(__file__).parents[1]
    key = compute_training_key(
        plan,
        data=stored.meta["digest"],
        architecture=params.architecture,
        latent_dim=params.resolved_latent_dim,
        engine=dataclasses.asdict(settings),
        torch=torch.__version__,
        code=digest_code([Path(algorithm.__file__)], root),
    )
    outputs_key = f"{key} {digest_code([Path(__file__), Path(algorithm.__file__)], root)}"
    checkpoint = project_root() / ".dvc" / "tmp" / "checkpoints" / f"{task}-{key}.pt"
    with ExitStack() as held:
        with connect_ranks(settings.device) as ranks:
            check_alike(ranks, key)
            if ranks.leads:
                end_training = held.enter_context(hold_training(checkpoint))
            kept = ranks.broadcast(lambda: read_kept(f"train-{task}", outputs_key))
            trained = ranks.broadcast(lambda: read_kept(f"training-{task}", key))
            arrays = {
                name: torch.from_numpy(stored[name].copy()).to(settings.device) for name in stored.arrays
            }
            images, visible = arrays["train_images"], arrays.get("train_visible")
            if kept is None and trained is None:
                corrections = places.find_corrections(task)
                state = run_training(
                    params, tracker, images, visible, plan, settings, checkpoint, key, corrections, ranks
                )
        if not ranks.leads:
            return None
        if kept is not None:
            log.warning("nothing that decides this training has changed: its results are kept")
            for row in read_curves(places.find_curves(task)):
                log_numbers(tracker, row)  # its run in MLflow is a new one
            return kept
        if trained is not None:
            log.warning("nothing that decides this training has changed: its results are written anew")
            rounds = trained["rounds"]
            for row in rounds:
                log_numbers(tracker, row)
            model = load_model(places.MODELS / task, settings.device)
        else:
            rounds = [dataclasses.asdict(record) for record in state.records]
            model = TrainedModel(state.generator, state.latents)
        about = f"{stored.meta['dataset']}, {task}, alpha = {plan.alpha:g}, s = {plan.chain.step_size:g}"
        metrics = {
            "dataset": stored.meta["dataset"],
            "n_train": len(images),
            **{name: value for name, value in rounds[-1].items() if value is not None},
        }
        curves = {name: [row[name] for row in rounds] for name in rounds[0]}
        write_text(places.find_curves(task), write_curves(rounds))
        save_model(places.MODELS / task, params.architecture, model.generator, model.latents)
        pictures = draw_training(task, curves, model, images, visible, plan, settings, about)
        outputs = [places.MODELS / task / "model.pt", places.find_curves(task), *pictures]
        write_json(places.find_metrics(f"train-{task}"), metrics)
        keep_outputs(f"training-{task}", key, {"rounds": rounds}, outputs[:1])
        keep_outputs(f"train-{task}", outputs_key, metrics, outputs)
        end_training()
        return metrics


def read_curves(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, as they are written there."""
    return list(csv.DictReader(path.read_text().splitlines()))


def write_curves(rounds: Sequence[Mapping[str, object]]) -> str:
    """The numbers of all rounds as CSV, a row each, every digit of them."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rounds[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rounds)
    return text.getvalue()


def check_alike(ranks: Ranks, key: str) -> None:
    """Raise ValueError on a rank whose training would be another one than rank 0's."""
    own = {"training": key, "threads": torch.get_num_threads()}
    first = ranks.broadcast(lambda: own)
    if own != first:
        raise ValueError(
            f"rank {ranks.rank} has {own}, rank 0 has {first}: start all ranks with the same revision, "
            "settings, data, torch and OMP_NUM_THREADS"
        )


def log_numbers(tracker: Any, numbers: Mapping[Any, Any]) -> None:
    """Log a round's numbers, each a curve over rounds."""
    values = {name: value for name, value in numbers.items() if name != "round" and value not in (None, "")}
    tracker.log_metrics(values, int(numbers["round"]))


def note_correction(path: Path, state: TrainingState) -> None:
    """Add the last round's correction to a CSV file: how it ended, and its seconds.

    Seconds differ between two runs of the same training, so they are in no output and no record.
    """
    assert state.transport is not None  # a round ends with one
    number, transport = state.round, state.transport
    rows = read_curves(path) if path.exists() and number > 1 else []
    kept = [row for row in rows if int(row["round"]) < number]
    row = {"round": number, "solver": transport.solver, "gap": transport.gap, "rounds": transport.iterations}
    seconds = round(transport.seconds, 3)
    write_text(path, write_curves([*kept, {**row, "seconds": seconds}]))
    log.info("round %d: corrected by %s in %.1f s", number, transport.solver, seconds)


def run_training(
    params: Params,
    tracker: Any,
    images: Tensor,
    visible: Tensor | None,
    plan: TrainingPlan,
    settings: EngineSettings,
    checkpoint: Path,
    key: str,
    corrections: Path,
    ranks: Ranks = ALONE,
) -> TrainingState:
    """Train from the checkpoint of ``key`` or from the start, with a checkpoint and a log entry each round.

    ``corrections`` is the file that says how each round's correction ended and how long it took.
    Ctrl-C raises Interrupted and another rank's end RankLostError, both of which say what is kept.
    """
    rng = torch.Generator().manual_seed(params.seed)
    generator = build_generator(params.architecture, params.resolved_latent_dim, rng).to(settings.device)
    state = resume_training(checkpoint, generator, plan, key, ranks)
    if state is not None and len(state.records) == plan.rounds:
        log.warning("takes all %d rounds as they were trained before", plan.rounds)
    elif state is not None:
        log.warning("goes on with round %d of %d", len(state.records) + 1, plan.rounds)
    else:
        state = start_training(generator, len(images), plan)

    def keep_round(state: TrainingState) -> None:
        if ranks.leads:
            save_training(checkpoint, state, key)
            note_correction(corrections, state)
        log_numbers(tracker, dataclasses.asdict(state.records[-1]))

    for record in state.records:  # of a resumed training: its run in MLflow is a new one
        log_numbers(tracker, dataclasses.asdict(record))
    try:
        return train(state, images, visible, plan, settings, keep_round, ranks=ranks)
    except (KeyboardInterrupt, RankLostError) as error:
        ignore_termination()
        finished = count_kept_rounds(checkpoint, key)
        kept = (
            f"round {finished} is kept, and the same command goes on from there"
            if finished
            else ("no round was finished, and the same command starts again")
        )
        where = f"in round {finished + 1} of {plan.rounds}; {kept}"
        if isinstance(error, RankLostError):
            raise RankLostError(f"{error} {where}, with any number of ranks") from error
        raise Interrupted(f"interrupted {where}") from error


def draw_training(
    task: str,
    curves: Mapping[str, Sequence[float]],
    model: TrainedModel,
    images: Tensor,
    visible: Tensor | None,
    plan: TrainingPlan,
    settings: EngineSettings,
    about: str,
) -> list[Path]:
    """Draw a training's curves, its latents against the prior, and some images beside g of their latents.

    Pixels that ``visible`` (N, 1, H, W) hides are grey: black would not show on a black background.
    """
    paths = [places.FIGURES / f"train-{task}_{name}.png" for name in ("curves", "latents", "pairs")]
    save_training_curves(paths[0], curves, about)
    save_latent_marginal(paths[1], model.latents, about)
    engine = InferenceEngine(model.generator, plan.sigma, settings)
    shown = slice(0, len(images), max(1, len(images) // N_SHOWN))
    given, title = to_unit(images[shown]), "training images"
    if visible is not None:
        given, title = torch.where(visible[shown] == 1, given, GREY), f"{title}, hidden pixels grey"
    rows = [
        (title, given),
        ("g(z) of their latents", engine.generate(model.latents[shown])),
    ]
    save_grid(paths[2], [(title, row[:N_SHOWN]) for title, row in rows])
    return paths


def main() -> None:
    """Run the stage for the task named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=TASKS)
    task = parser.parse_args().task
    name, rank = f"train-{task}", read_rank()
    if rank is None:
        try:
            count = read_count()
        except ValueError as error:
            sys.exit(f"{name}: {error}")
        if count > 1:
            sys.exit(launch_ranks(name, count, "stages.train", task))
    run_stage(name, functools.partial(train_task, task=task), live=True, rank=rank or 0)


if __name__ == "__main__":
    main()
