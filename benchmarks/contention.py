"""What a busy neighbour costs a training: ``python -m benchmarks.contention --json``.

The rival is the same training alone. The neighbour, another training (``neighbour.py``), is stopped and let
go on by turns, so that both are measured alternately in one run; it has as many threads as there are cores,
as ours, so half the speed is fair, a ``slowdown`` of 2. ``OMP_WAIT_POLICY=ACTIVE`` before the command shows
what threads that spin while they wait would cost.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.timing import report
from models.langevin.dynamics import ChainSettings
from models.langevin.engine import EngineSettings, InferenceEngine
from models.networks.architectures import ARCHITECTURES
from models.networks.generator import build_generator
from models.short_run.algorithm import TrainingPlan, TrainingState, run_round, start_training

GENERATOR, IMAGES = "mnist", 400
PLAN = TrainingPlan(
    rounds=1,
    passes=1,
    adam_steps=1,
    regression_passes=1,
    batch_size=200,
    minibatch=100,
    learning_rate=1e-3,
    alpha=0.5,
    sigma=0.3,
    seed=0,
    chain=ChainSettings(0.3, 10),
)
SETTLING = 0.3  # seconds after the neighbour was stopped or let go on


class Neighbour:
    """The neighbour's process, which can be stopped and let go on."""

    def __init__(self) -> None:
        path = Path(__file__).with_name("neighbour.py")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
        self._process = subprocess.Popen(
            [sys.executable, path], env=environment, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "busy":
            raise OSError(f"the neighbour {path} ended with status {self._process.wait()}")

    def set_busy(self, busy: bool) -> None:
        """Let the neighbour work, or stop it."""
        self._process.send_signal(signal.SIGCONT if busy else signal.SIGSTOP)
        time.sleep(SETTLING)

    def end(self) -> None:
        """Kill the process, stopped or not."""
        self._process.kill()
        self._process.wait()


@contextmanager
def start_neighbour() -> Iterator[Neighbour]:
    """A busy neighbour for the length of a block."""
    neighbour = Neighbour()
    try:
        yield neighbour
    finally:
        neighbour.end()


class Training:
    """A small training as the stages run it: short runs, the correction, learning."""

    def __init__(self) -> None:
        rng = torch.Generator().manual_seed(0)
        generator = build_generator(GENERATOR, None, rng)
        shape = (IMAGES, *ARCHITECTURES[GENERATOR].image_shape)
        self._images = torch.randint(0, 256, shape, generator=rng, dtype=torch.uint8)
        self._state: TrainingState = start_training(generator, IMAGES, PLAN)
        self._engine = InferenceEngine(generator, PLAN.sigma, EngineSettings(compile="never"))

    def measure_round(self) -> float:
        """Seconds of one round."""
        start = time.perf_counter()
        run_round(self._state, self._images, None, PLAN, self._engine)
        return time.perf_counter() - start


def benchmark(repeats: int) -> dict[str, Any]:
    """Seconds of a round alone and beside the neighbour, by turns, and their ratio."""
    training = Training()
    training.measure_round()  # warms up
    seconds: dict[bool, list[float]] = {False: [], True: []}
    with start_neighbour() as neighbour:
        for _ in range(repeats):
            for busy, found in seconds.items():
                neighbour.set_busy(busy)
                found.append(training.measure_round())
    alone, beside = (statistics.median(found) for found in seconds.values())
    return {
        "slowdown": beside / alone,
        "alone_seconds": alone,
        "beside_seconds": beside,
        "worst_beside_seconds": max(seconds[True]),
        "repeats": repeats,
        "wait_policy": os.environ["OMP_WAIT_POLICY"],
        "cores": os.cpu_count(),
        "load_at_the_end": os.getloadavg()[0],  # above 2 on two cores: others were busy as well
    }


def main() -> None:
    """Print one JSON object, or a line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--output", type=Path, help="write the JSON object to this file as well")
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    result = benchmark(arguments.repeats)
    report(arguments, result)
    if not arguments.json:
        print(f"{result['slowdown']:.2f} times as long beside a busy neighbour")


if __name__ == "__main__":
    main()
