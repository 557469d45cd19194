"""Where the time of a training goes: inference, transport, learning, logging, checkpoints.

    python -m benchmarks.whole_training --json
    python -m benchmarks.whole_training --profile paper --dataset fashion_mnist --json    # a GPU's work

Trains as the stage ``train complete`` does, MLflow in a fresh folder included; every part is timed around its
calls. Creating and migrating the database, once per repository, is reported apart. The limit of inference
and of learning is their matrix products at the speed of one large product, measured before the training.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
import yaml
from matplotlib.figure import Figure

from benchmarks.langevin_step import measure_matmul_peak
from benchmarks.learning_step import LEARNING
from benchmarks.timing import report
from models.langevin.engine import InferenceEngine, choose_engine
from models.networks.generator import build_generator
from models.networks.lowering import count_flops
from models.short_run import algorithm
from pipeline.data.load import load_dataset
from pipeline.settings.params import Params, parse_params
from pipeline.settings.plan import build_plan
from pipeline.storage.checkpoints import save_training
from pipeline.storage.files import project_root
from pipeline.tracking.stage_tracker import StageTracker
from pipeline.tracking.store import Store

PARTS = ("inference", "transport", "learning", "measuring", "logging", "checkpoints")


class Clock:
    """Adds up the seconds spent in each part."""

    def __init__(self, device: str):
        self.seconds: dict[str, float] = defaultdict(float)
        self._device = device

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time of a block; on a GPU the kernels that it queued belong to it."""
        self._wait()
        start = time.perf_counter()
        yield
        self._wait()
        self.seconds[name] += time.perf_counter() - start

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, counted."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return call(*args, **kwargs)

        return counted

    def _wait(self) -> None:
        if self._device == "cuda":
            torch.cuda.synchronize()


@contextmanager
def count_parts(clock: Clock) -> Iterator[None]:
    """Put the clock around the parts of models.short_run.algorithm for the length of a block."""
    places = [
        (InferenceEngine, "infer", "inference"),
        (algorithm, "solve_transport", "transport"),
        (algorithm, "learning_step", "learning"),
        (algorithm, "_take_snapshot", "measuring"),
    ]
    originals = [getattr(owner, name) for owner, name, _ in places]
    for (owner, name, part), original in zip(places, originals, strict=True):
        setattr(owner, name, clock.around(part, original))
    try:
        yield
    finally:
        for (owner, name, _), original in zip(places, originals, strict=True):
            setattr(owner, name, original)


def benchmark(params: Params, rounds: int | None) -> dict[str, Any]:
    """Train the complete task once; seconds and share of each part, and of the rest."""
    settings = choose_engine(**asdict(params.engine))
    numbers = params.profile_settings.prepare
    images = load_dataset(
        params.dataset,
        project_root() / params.data.folder,
        n_train=numbers.n_train,
        n_test=numbers.n_test,
        seed=params.seed,
        download=params.data.download,
    )
    pixels = torch.from_numpy(images.train_images).to(settings.device)
    plan = build_plan(params, "complete")
    plan = replace(plan, rounds=rounds or plan.rounds)
    rng = torch.Generator().manual_seed(params.seed)
    generator = build_generator(params.architecture, params.resolved_latent_dim, rng).to(settings.device)
    state = algorithm.start_training(generator, len(pixels), plan)
    clock = Clock(settings.device)
    peak = measure_matmul_peak(settings.precision, settings.device)

    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(MLFLOW_TRACKING_URI=f"sqlite:///{folder}/mlflow.db", DVC_ROOT=folder)
        start = time.perf_counter()
        Store(params)
        migration = time.perf_counter() - start
        tracker = StageTracker("train-complete")

        def keep_round(state: algorithm.TrainingState) -> None:
            with clock.part("checkpoints"):
                save_training(Path(folder) / "state.pt", state, "benchmark")
            record = asdict(state.records[-1])
            with clock.part("logging"):
                tracker.log_metrics(record, state.round)

        start = time.perf_counter()
        with clock.part("logging"):
            tracker.open(params)
        with count_parts(clock):
            algorithm.train(state, pixels, None, plan, settings, keep_round)
        with clock.part("logging"):
            tracker.flush()
        total = time.perf_counter() - start
        tracker.wait()  # whose database lies in this folder

    assert state.transport is not None  # a training has a round
    seconds = {part: clock.seconds[part] for part in PARTS}
    seconds["rest"] = total - sum(seconds.values())
    steps = len(pixels) * plan.rounds * plan.passes * plan.chain.steps
    learned = len(pixels) * plan.rounds * (plan.passes * plan.adam_steps + plan.regression_passes)
    flops = count_flops(generator.layers)
    limits = {"inference": steps * flops / peak, "learning": learned * LEARNING * flops / peak}
    return {
        "dataset": params.dataset,
        "profile": params.profile,
        "images": len(pixels),
        "rounds": plan.rounds,
        "sample_steps": steps,
        "solver": state.transport.solver,
        "seconds": total,
        "seconds_of": seconds,
        "share_of": {part: value / total for part, value in seconds.items()},
        "us_per_sample_step": seconds["inference"] / steps * 1e6,
        "us_per_learned_sample": seconds["learning"] / learned * 1e6,
        "matmul_peak_gflops": peak / 1e9,
        "fraction_of_matmul_peak": {part: limit / seconds[part] for part, limit in limits.items()},
        "database_migration_seconds": migration,
    }


def save_plot(result: dict[str, Any], path: Path) -> None:
    """Draw the share of each part as a bar."""
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    axes = figure.subplots()
    shares = result["share_of"]
    bars = axes.barh(list(shares), [100 * share for share in shares.values()], color="#1f5a96")
    axes.bar_label(bars, fmt="%.1f %%", fontsize=8, padding=3)
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel="share of the time, %")
    axes.set_title(f"a training of {result['seconds']:.0f} s: {result['dataset']}, {result['profile']}")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=100, metadata={"Software": None})


def main() -> None:
    """Print one JSON object, or a line for each part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--profile", help="smoke, embedded or paper; params.yaml's if not given")
    parser.add_argument("--dataset", help="params.yaml's if not given")
    parser.add_argument("--rounds", type=int, help="fewer rounds than the profile's")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--output", type=Path, help="write the JSON object to this file as well")
    arguments = parser.parse_args()
    content = yaml.safe_load(Path("params.yaml").read_text())
    chosen = {"profile": arguments.profile, "dataset": arguments.dataset}
    params = parse_params(content | {key: value for key, value in chosen.items() if value})
    result = benchmark(params, arguments.rounds)
    if arguments.plot:
        save_plot(result, arguments.plot)
    report(arguments, result)
    if arguments.json:
        return
    print(f"{result['seconds']:.1f} s, {result['us_per_sample_step']:.0f} us per sample-step of inference")
    for part, share in result["share_of"].items():
        near = result["fraction_of_matmul_peak"].get(part)
        print(f"{part}: {share:.1%}" + (f", at {near:.0%} of the matrix-product peak" if near else ""))


if __name__ == "__main__":
    main()
