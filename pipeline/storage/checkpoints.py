"""Trained models and resumable trainings on disk, written atomically, read without executing pickled code."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import logging
import os
import pickle
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from models.langevin.ranks import ALONE, Ranks
from models.networks.generator import Generator, build_generator
from models.short_run.algorithm import RoundRecord, TrainingPlan, TrainingState
from models.short_run.learning import build_optimiser
from models.transport.problem import TransportMap
from pipeline.storage.files import write_bytes

log = logging.getLogger(__name__)

LOOK_AGAIN = 1.0  # seconds between two looks whether a training that is waited for has ended
DAMAGE = (
    RuntimeError,
    pickle.UnpicklingError,
    EOFError,
    OSError,
    KeyError,
    ValueError,
    BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class TrainedModel:
    """A trained generator with the last latents (N, d) of its training images."""

    generator: Generator
    latents: Tensor


def save_tensors(path: Path, tensors: dict[str, Any]) -> None:
    """Write a dict of tensors, numbers and strings atomically; a reader sees the old file or the new one."""
    buffer = io.BytesIO()  # torch.save into a file says neither where nor why when the disk is full
    torch.save(tensors, buffer)
    write_bytes(path, buffer.getvalue())


def load_tensors(path: Path, *keys: str) -> dict[str, Any]:
    """Read what ``save_tensors`` wrote, with ``keys`` in it.

    Raises ValueError with one line for an absent or damaged file, and for another's.
    """
    try:
        data = path.read_bytes()
        with ZipFile(io.BytesIO(data)) as archive:  # torch itself does not look at the checksums
            if damaged := archive.testzip():
                raise ValueError(f"{damaged} is damaged")
        tensors = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        if not isinstance(tensors, dict) or not tensors.keys() >= set(keys):
            raise ValueError(f"other content than {', '.join(keys) or 'a dict'} found")
        return tensors
    except FileNotFoundError:
        raise ValueError(f"{path}: not found; run the stage that writes it (`dvc repro`)") from None
    except DAMAGE as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path}: not a readable checkpoint ({reason}); delete it and run again") from error


def save_model(folder: Path, architecture: str, generator: Generator, latents: Tensor) -> None:
    """Write a trained model to ``folder``/model.pt."""
    model = {
        "architecture": architecture,
        "latent_dim": generator.latent_dim,
        "weights": {name: value.cpu() for name, value in generator.state_dict().items()},
        "latents": latents.cpu(),
    }
    save_tensors(folder / "model.pt", model)


def load_model(folder: Path, device: str = "cpu") -> TrainedModel:
    """Read a trained model, in eval mode, onto ``device``."""
    model = load_tensors(folder / "model.pt", "architecture", "latent_dim", "weights", "latents")
    generator = build_generator(model["architecture"], model["latent_dim"], torch.Generator())
    generator.load_state_dict(model["weights"])
    return TrainedModel(generator.to(device).eval(), model["latents"].to(device))


def compute_training_key(plan: TrainingPlan, **others: Any) -> str:
    """Hash everything that determines a training: the plan, the data's digest, the engine."""
    inputs = {"plan": dataclasses.asdict(plan), **others}
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()[:16]


def name_previous(path: Path) -> Path:
    """Name the file of the checkpoint before the last one, kept in case the last one is damaged."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def save_training(path: Path, state: TrainingState, key: str) -> None:
    """Write a training between two rounds so that it can be taken up again; the last one before it stays."""
    saved = {
        "key": key,
        "weights": state.generator.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "latents": state.latents,
        "targets": state.targets,
        "transport": None if state.transport is None else vars(state.transport),
        "records": [dataclasses.asdict(record) for record in state.records],
    }
    if path.exists():
        write_bytes(name_previous(path), path.read_bytes())
    save_tensors(path, saved)


@contextmanager
def hold_training(path: Path) -> Iterator[Callable[[], None]]:
    """Keep other processes from the training whose checkpoint is ``path`` while a block trains it.

    A process that finds it held waits: two experiments that differ in what follows share a training. The
    block gets a function to call at its end, which forgets the checkpoints, or leaves the last one to a
    process that waits. The system releases what a killed process held.
    """
    folder = path.parent.with_name("trainings")
    folder.mkdir(parents=True, exist_ok=True)
    held, next_one = (
        FileLock(folder / f"{path.stem}.{name}.lock", poll_interval=LOOK_AGAIN) for name in ("held", "next")
    )

    def end_training() -> None:
        with suppress(Timeout), next_one.acquire(timeout=0):  # held by a process that waits
            forget_training(path)

    with next_one:  # while it waits: one that ends sees by it that another one follows
        try:
            held.acquire(timeout=0)
        except Timeout:
            log.warning("another process trains the same: waiting for what it leaves")
            held.acquire()
    try:
        yield end_training
    finally:
        held.release()


def forget_training(path: Path) -> None:
    """Remove the checkpoints of a finished training, and what killed ones left of theirs."""
    for pattern in (f"{path.stem}*", f".{path.stem}*"):
        for one in path.parent.glob(pattern):
            one.unlink(missing_ok=True)


def resume_training(
    path: Path, generator: Generator, plan: TrainingPlan, key: str, ranks: Ranks = ALONE
) -> TrainingState | None:
    """Take up the training saved at ``path``, or the one before it where that is damaged or another's.

    Each one refused is a log line. None where neither fits ``key``: the training starts from the beginning.
    Of several ``ranks`` rank 0 reads for all.
    """
    saved = ranks.broadcast(lambda: _read_training(path, key) or _read_training(name_previous(path), key))
    return None if saved is None else _restore_training(saved, generator, plan)


def count_kept_rounds(path: Path, key: str) -> int:
    """How many rounds of the training ``key`` the checkpoint at ``path`` holds."""
    saved = _read_training(path, key)
    return 0 if saved is None else len(saved["records"])


def _read_training(path: Path, key: str) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        saved = load_tensors(path)
    except ValueError as error:
        log.warning("refused: %s", error)
        os.replace(path, path.with_suffix(".refused"))  # else the next save moves it over the good one
        return None
    if saved.get("key") != key:
        log.warning("refused: %s: belongs to other parameters or data; delete it", path)
        return None
    return saved


def _restore_training(saved: dict[str, Any], generator: Generator, plan: TrainingPlan) -> TrainingState:
    device = next(generator.parameters()).device
    generator.load_state_dict(saved["weights"])
    optimiser = build_optimiser(generator, plan.learning_rate)
    optimiser.load_state_dict(saved["optimiser"])
    return TrainingState(
        generator,
        optimiser,
        saved["latents"].to(device),
        saved["targets"].to(device),
        None if saved["transport"] is None else TransportMap(**saved["transport"]),
        [RoundRecord(**record) for record in saved["records"]],
    )
