"""How fast this machine's accelerator is, for ``make test-gpu``: ``python -m benchmarks.accelerator --json``.

Langevin and learning steps of Table 1's generators and the correction, each with its share of what one large
matrix product reaches; then the paper's MNIST schedule on Fashion-MNIST's 60,000 images, in what is left of
``--seconds``: whole rounds, from which the seconds of all of them follow where they did not fit. Where the
images are not there, blurred noise of their shape takes their place, since no time depends on what they show.
``--small`` does the same with a few samples, which a processor does in a minute.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from benchmarks import langevin_step, learning_step
from benchmarks.langevin_step import measure_matmul_peak
from benchmarks.timing import report
from benchmarks.whole_training import Clock, count_parts
from models.langevin.dynamics import ChainSettings
from models.langevin.engine import EngineSettings, choose_engine
from models.networks.architectures import ARCHITECTURES
from models.networks.generator import build_generator
from models.short_run.algorithm import TrainingPlan, TrainingState, start_training, train
from models.transport.solve import solve_transport
from pipeline.data.load import DataError, load_dataset
from pipeline.settings.params import Params, parse_params
from pipeline.settings.plan import build_plan
from pipeline.storage.files import project_root

SCHEDULE = {"profile": "paper", "dataset": "fashion_mnist"}
GOAL_SECONDS = 300.0  # of the whole schedule on one H100 or H200
N_IMAGES, DIM = 60_000, 30
WARM_UP = 200  # points
PARTS = ("inference", "transport", "learning", "measuring")


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is measured."""

    samples: int | None  # of the Langevin steps; None: as many as the benchmark of its own takes
    steps: int
    generators: tuple[str, ...]
    minibatches: tuple[int, ...]
    points: tuple[int, ...]  # of the correction
    images: int
    compiled: bool


WHOLE = Size(None, 20, tuple(ARCHITECTURES), (100, 500, 2000), (10_000, N_IMAGES), N_IMAGES, True)
SMALL = Size(20, 1, ("mnist",), (20,), (200,), 200, False)


class TimeIsUpError(Exception):
    """Raised between two rounds: another one would not fit."""


def measure_transport(n: int, device: str) -> dict[str, Any]:
    """Seconds of a correction of ``n`` points from scratch, and how its distances compare with products."""
    rng = torch.Generator().manual_seed(0)
    target = torch.randn(n, DIM, generator=rng).to(device)
    source = 1.3 * torch.randn(n, DIM, generator=rng).to(device)
    clock, order = Clock(device), torch.Generator().manual_seed(1)
    solve_transport(source[:WARM_UP], target[:WARM_UP], generator=order)
    with clock.part("transport"):
        found = solve_transport(source, target, generator=order)
    seconds = clock.seconds["transport"]
    flops = 2 * n * n * DIM  # of all pairs' distances, once
    return {
        "n": n,
        "d": DIM,
        "solver": found.solver,
        "seconds": seconds,
        "matched": float(found.matched_share),
        "fraction_of_matmul_peak": flops / seconds / measure_matmul_peak(torch.float32, device),
    }


def load_images(params: Params, size: Size) -> tuple[Tensor, str]:
    """Training images uint8 (N, 1, 28, 28), and where they are from."""
    with suppress(DataError, OSError):
        folder = project_root() / params.data.folder
        data = load_dataset(
            params.dataset, folder, n_train=size.images, n_test=1, seed=params.seed, download=False
        )
        return torch.from_numpy(data.train_images), data.source
    rng = torch.Generator().manual_seed(0)
    small = torch.rand(size.images, 1, 7, 7, generator=rng)
    images = torch.nn.functional.interpolate(small, size=(28, 28), mode="bilinear")
    return (255 * images).to(torch.uint8), f"blurred noise: no {params.dataset} in {params.data.folder}"


def choose_plan(params: Params, size: Size) -> TrainingPlan:
    """The paper's schedule; of a small run its shape."""
    plan = build_plan(params, "complete")
    if size.images == N_IMAGES:
        return plan
    chain = ChainSettings(plan.chain.step_size, 2)
    return dataclasses.replace(
        plan, chain=chain, rounds=2, passes=1, regression_passes=1, batch_size=100, minibatch=100
    )


def measure_schedule(size: Size, settings: EngineSettings, seconds: float) -> dict[str, Any]:
    """Train by the paper's schedule until ``seconds`` are over; what it took, or would take."""
    content = yaml.safe_load((project_root() / "params.yaml").read_text())
    params = parse_params(content | SCHEDULE)
    images, source = load_images(params, size)
    plan = choose_plan(params, size)
    rng = torch.Generator().manual_seed(params.seed)
    generator = build_generator(params.architecture, params.resolved_latent_dim, rng).to(settings.device)
    state = start_training(generator, len(images), plan)
    clock, ends = Clock(settings.device), [time.perf_counter()]

    def watch(state: TrainingState) -> None:
        ends.append(time.perf_counter())
        if ends[-1] - ends[0] + (ends[-1] - ends[-2]) > seconds and state.round < plan.rounds:
            raise TimeIsUpError

    with count_parts(clock), suppress(TimeIsUpError):
        train(state, images.to(settings.device), None, plan, settings, watch)
    rounds = [end - start for start, end in itertools.pairwise(ends)]
    missing = plan.rounds - len(rounds)
    whole = sum(rounds) + missing * rounds[-1]  # the first round compiles
    return {
        "images": len(images),
        "source": source,
        "rounds": plan.rounds,
        "rounds_done": len(rounds),
        "seconds_of_rounds": rounds,
        "seconds": whole,
        "is_extrapolated": missing > 0,
        "seconds_of": {part: clock.seconds[part] for part in PARTS},
        "mse": [record.mse_after for record in state.records],
        "goal_seconds": GOAL_SECONDS,
    }


def main() -> None:
    """Print one JSON object, or a line for each thing measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--output", type=Path, help="write the JSON object to this file as well")
    parser.add_argument("--small", action="store_true", help="a few samples of each")
    parser.add_argument("--seconds", type=float, default=300, help="for all; the schedule has what is left")
    arguments = parser.parse_args()
    start = time.perf_counter()
    size, settings = SMALL if arguments.small else WHOLE, choose_engine("auto", "auto", "auto", "auto")
    if not size.compiled:
        settings = dataclasses.replace(settings, compile="never")
    device = settings.device
    numbers: dict[str, Any] = {
        "device": device,
        "precision": str(settings.precision).removeprefix("torch."),
        "langevin": [
            langevin_step.benchmark(name, device, size.steps, size.samples, size.compiled)
            for name in size.generators
        ],
        "learning": [
            learning_step.benchmark(name, n, settings, 3)
            for name in size.generators
            for n in size.minibatches
            if name != "celeba" or n <= 500
        ],
        "transport": [measure_transport(n, device) for n in size.points],
    }
    left = arguments.seconds - (time.perf_counter() - start)
    numbers["schedule"] = schedule = measure_schedule(size, settings, left)
    report(arguments, numbers)
    if arguments.json:
        return
    for row in numbers["langevin"]:
        print(f"Langevin, {row['generator']}: {row['us_per_sample_step']:.2f} us a sample and step")
    for row in numbers["learning"]:
        size_of = f"{row['generator']}, minibatch {row['minibatch']}"
        print(f"learning, {size_of}: {row['ours_us_per_sample']:.2f} us a sample")
    for row in numbers["transport"]:
        print(f"transport, {row['n']} points: {row['seconds']:.1f} s")
    done = f"{schedule['rounds_done']} of {schedule['rounds']} rounds done"
    print(f"the paper's schedule: {schedule['seconds']:.0f} s, {done}, {schedule['source']}")


if __name__ == "__main__":
    main()
