"""Speed of one Langevin step against a plain eager float32 autograd loop, measured in the same run.

    python -m benchmarks.langevin_step --json

The rival is what public codes of this family do: eval-mode generator in float32, batches of 2,000,
``torch.autograd.grad`` of the energy. The peak is a bfloat16 matrix product of 2048 x 2048, same run.
"""

from __future__ import annotations

import argparse
import functools
import time
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.timing import report, time_calls
from models.langevin.dynamics import ChainSettings
from models.langevin.energy import compute_energy
from models.langevin.engine import Compilation, Device, InferenceEngine, NoiseAddress, choose_engine
from models.langevin.noise import Stream, draw_normal
from models.networks.architectures import ARCHITECTURES
from models.networks.generator import Generator, build_generator
from models.networks.lowering import count_flops

SIGMA, STEP_SIZE = 0.3, 0.3
RIVAL_BATCH = {"mnist": 2000, "svhn": 500, "celeba": 100}  # 2,000 CelebA samples take minutes a step
SAMPLES = {"mnist": 2000, "svhn": 1000, "celeba": 200}


def measure_matmul_peak(dtype: torch.dtype, device: str, size: int = 2048) -> float:
    """Best of ten products of two size x size matrices, in FLOP/s."""
    rng = torch.Generator().manual_seed(0)
    a = torch.randn(size, size, generator=rng).to(device, dtype)
    return 2 * size**3 / min(time_calls(lambda: a @ a, 10, device))


def run_eager_step(generator: Generator, z: Tensor, images: Tensor, noise: Tensor) -> Tensor:
    """The rival: one step of Eq. (8) by float32 autograd, bookkeeping for the weights included."""
    z = z.detach().requires_grad_()
    energy = compute_energy(generator(z), images, z, SIGMA).sum()
    (gradient,) = torch.autograd.grad(energy, z)
    return (z - STEP_SIZE**2 / 2 * gradient + STEP_SIZE * noise).detach()


def benchmark(
    name: str, device: Device, steps: int, samples: int | None = None, compiled: bool = True
) -> dict[str, float | int | str]:
    """Measure the engine, uncompiled and ``compiled``, and the rival for one generator of Table 1."""
    rng = torch.Generator().manual_seed(0)
    generator = build_generator(name, None, rng).to(device)
    generator.train()
    n, dim = samples or SAMPLES[name], generator.latent_dim
    indices = torch.arange(n, device=device)
    z = draw_normal(0, Stream.TARGETS, indices, 0, 1, dim)[0]
    with torch.no_grad():
        generator(z[:64])  # BatchNorm statistics that are not the initial ones
    generator.eval()
    images = torch.randint(0, 256, (n, *generator.architecture.image_shape), generator=rng, dtype=torch.uint8)
    images = images.to(device)

    batch = min(RIVAL_BATCH[name], n)
    floats, noise = images[:batch].float() / 255, torch.zeros_like(z[:batch])
    eager = min(time_calls(lambda: run_eager_step(generator, z[:batch], floats, noise), 3, device)) / batch

    chain, address = ChainSettings(STEP_SIZE, steps), NoiseAddress(0, Stream.TEST_CHAIN, 0)
    result: dict[str, float | int | str] = {"generator": name, "eager_us_per_sample_step": eager * 1e6}
    settings = choose_engine(device, "auto", "auto", "auto")
    peak = measure_matmul_peak(settings.precision, device)
    flops = count_flops(generator.layers)
    choices: tuple[Compilation, ...] = ("never", "always") if compiled else ("never",)
    for compile in choices:
        settings = choose_engine(device, "auto", compile, "auto")
        engine = InferenceEngine(generator, SIGMA, settings)
        start = time.perf_counter()
        engine.infer(z, images, None, indices, ChainSettings(STEP_SIZE, 1), address)
        first = time.perf_counter() - start
        run = functools.partial(engine.infer, z, images, None, indices, chain, address)
        seconds = min(time_calls(run, 3, device))
        per_step = seconds / (n * steps)
        suffix = "" if compile == choices[-1] else "_uncompiled"
        result |= {
            f"us_per_sample_step{suffix}": per_step * 1e6,
            f"ratio_vs_eager{suffix}": eager / per_step,
            f"fraction_of_matmul_peak{suffix}": flops / per_step / peak,
        }
        if compile == "always":
            result["first_call_seconds"] = first
    return result | {
        "mflop_per_sample_step": flops / 1e6,
        "matmul_peak_gflops": peak / 1e9,
        "precision": str(settings.precision).removeprefix("torch."),
        "samples": n,
        "steps": steps,
        "rival_batch": batch,
    }


def save_plot(results: list[dict], path: Path) -> None:
    """Draw microseconds per sample-step of rival and engine, and the fraction of the peak."""
    figure = Figure(figsize=(9, 3), layout="constrained")
    axes = figure.subplots(1, len(results))
    for one, result in zip(axes, results, strict=True):
        keys = ("eager_us_per_sample_step", "us_per_sample_step_uncompiled", "us_per_sample_step")
        bars = one.bar(["eager fp32", "engine", "compiled"], [result[key] for key in keys], color="#1f5a96")
        one.bar_label(bars, fmt="%.0f", fontsize=8)
        share = result["fraction_of_matmul_peak"]
        one.set_title(
            f"{result['generator']}: {result['ratio_vs_eager']:.1f}x, {share:.0%} of peak", fontsize=10
        )
        one.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("us per sample and step")
    figure.savefig(path, dpi=100, metadata={"Software": None})


def main() -> None:
    """Print one JSON object, or a line for each generator."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--generators", default=",".join(ARCHITECTURES))
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--output", type=Path, help="write the JSON object to this file as well")
    arguments = parser.parse_args()
    names = arguments.generators.split(",")
    results = [benchmark(name, arguments.device, arguments.steps) for name in names]
    if arguments.plot:
        save_plot(results, arguments.plot)
    report(arguments, {"results": results})
    if not arguments.json:
        for result in results:
            print(
                f"{result['generator']}: {result['us_per_sample_step']:.0f} us per sample-step, "
                f"{result['ratio_vs_eager']:.1f} times eager, "
                f"{result['fraction_of_matmul_peak']:.0%} of the matrix-product peak"
            )


if __name__ == "__main__":
    main()
