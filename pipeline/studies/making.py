"""Where, when and how long a cell was measured: what never decides its numbers, and stands beside them.

Seconds differ from run to run, so they are kept apart from the cells, in a file that is no stage's output:
two runs of the same code leave the same cells.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from models.langevin.engine import EngineSettings, choose_engine
from pipeline.settings.params import EngineParams
from pipeline.storage import places
from pipeline.storage.files import project_root, write_json
from pipeline.storage.processor import name_processor
from pipeline.studies.study_folders import hold_study

Making = dict[str, Any]
AGAIN = Path(".dvc/tmp/made_again.json")
# How the names of GPUs begin: older cells say the machine alone.
GPUS = ("NVIDIA", "Tesla", "GeForce", "Quadro", "TITAN", "AMD Instinct", "AMD Radeon", "Radeon")
DEVICES = {"cpu": "a CPU", "cuda": "a GPU"}


class Stopwatch:
    """Seconds since it was made, of the clock and of this process's processors."""

    def __init__(self) -> None:
        self._clock, self._processors = time.perf_counter(), time.process_time()

    def describe(self, engine: EngineSettings, **more: str) -> Making:
        """How a cell was made by ``engine`` that has just ended; ``more``: digests, by name."""
        return {
            "seconds": round(time.perf_counter() - self._clock, 1),
            "cpu_seconds": round(time.process_time() - self._processors, 1),
            "machine": name_machine(engine.device != "cpu"),
            "device": engine.device,
            "precision": name_precision(engine),
            "torch": torch.__version__,
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            **more,
        }


@functools.cache  # which says what the processor lacks, once
def find_engine(given: EngineParams) -> EngineSettings:
    """The device and the precision of a cell's inference on this machine: ``auto`` is no cell's setting."""
    return choose_engine(**dataclasses.asdict(given))


def name_precision(engine: EngineSettings) -> str:
    """In what inference multiplies: ``bfloat16`` or ``float32``."""
    return str(engine.precision).removeprefix("torch.")


def name_machine(on_gpu: bool) -> str:
    """Name what computes: the GPU, or the processor's model."""
    return torch.cuda.get_device_name() if on_gpu else name_processor()


def describe_machine(making: Mapping[str, Any]) -> str:
    """The machine that made a cell, and its precision where that was noted; empty where nobody knows."""
    precision = making.get("precision")
    return str(making.get("machine", "")) + (f" in {precision}" if precision else "")


def describe_mixture(profile: str, study: str, kept: Iterable[str], engine: EngineSettings) -> str:
    """Say that cells were inferred in another precision than ``engine`` would add; "" if none was.

    ``kept``: their keys; those of which Git does not say in which precision are left out.
    """
    here, known = name_precision(engine), read_making(profile, study)
    others = [found for key in kept if (found := known.get(key, {}).get("precision", here)) != here]
    if not others:
        return ""
    names = " and ".join(sorted(set(others)))
    return (
        f"{study}: {len(others)} kept cells were inferred in {names}, what is missing would be in {here} on "
        "this machine: an error differs by some percent (docs/protocol.md), expected all cells of a "
        "comparison in one precision"
    )


def find_device(making: Mapping[str, Any]) -> str:
    """Whether a cell was made on the ``cpu`` or by ``cuda``; empty where nobody knows."""
    machine = str(making.get("machine", ""))
    return str(making.get("device") or (machine and ("cuda" if machine.startswith(GPUS) else "cpu")))


def check_devices(profile: str, study: str, kept: Mapping[str, Making], engine: EngineSettings) -> None:
    """Raise ValueError where cells were made on a CPU and ``engine`` would add some of a GPU, or the reverse.

    ``kept``: how they were made, by key, empty where the study's own note is to be looked at.
    """
    known = read_making(profile, study)
    makings = [made or known.get(key, {}) for key, made in kept.items()]
    others = [made for made in makings if find_device(made) not in ("", engine.device)]
    if not others:
        return
    machines = " and ".join(sorted({str(made.get("machine", "")) for made in others}))
    there, here = DEVICES[find_device(others[0])], DEVICES[engine.device]
    go_on = "set CUDA_VISIBLE_DEVICES to nothing" if engine.device == "cuda" else "take a machine with a GPU"
    raise ValueError(
        f"{study}: {len(others)} kept cells were made on {there} ({machines}), what is missing would be made "
        f"on {here} ({name_machine(engine.device != 'cpu')}), expected all cells of a comparison on one: "
        f"{go_on} to go on as they were made, or give engine.device as {engine.device} in params.yaml to "
        "train all of them anew here, under keys of their own"
    )


def write_making(profile: str, study: str, made: Mapping[str, Making], keys: Iterable[str]) -> None:
    """Write how a study's cells were made, by key: ``made`` now; of the others in ``keys`` what was known."""
    with hold_study(profile, study):  # another process may be adding another method's
        known = read_making(profile, study) | {key: how for key, how in made.items() if how}
        kept = {key: known[key] for key in sorted(set(keys)) if key in known}
        if kept:
            write_json(places.find_provenance(profile, study), kept)


def read_making(profile: str, study: str) -> dict[str, Making]:
    """How a study's cells were made, by key; empty where nobody knows."""
    return _read(places.find_provenance(profile, study))


def note_again(key: str, made: Making) -> None:
    """Note how a kept cell was made once more, on this machine; its provenance stays as it is."""
    write_json(project_root() / AGAIN, read_again() | {key: made})


def read_again() -> dict[str, Making]:
    """How kept cells were made once more, by key."""
    return _read(project_root() / AGAIN)


def _read(path: Path) -> dict[str, Making]:
    try:
        found: dict[str, Making] = json.loads(path.read_text())
        return found
    except (OSError, ValueError):
        return {}
