"""The learning step against plain float32 with unfused Adam: ``python -m benchmarks.learning_step --json``.

Rows by generator and minibatch size. ``chunked`` accumulates the gradient over chunks of 100 samples, which
fit the cache; BatchNorm then takes each chunk's statistics instead of the minibatch's, so it is another
algorithm, and stands here to show what exact chunking could gain at most.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.timing import report, time_calls
from models.langevin.energy import compute_learning_loss
from models.langevin.engine import EngineSettings, choose_engine
from models.networks.architectures import ARCHITECTURES
from models.networks.generator import Generator, build_generator
from models.short_run.learning import ADAM_BETAS, build_optimiser, learning_step

SIGMA, LEARNING_RATE, CHUNK_ROWS = 0.3, 1e-3, 100
SIZES = {"mnist": (100, 500, 2000), "svhn": (100, 500, 2000), "celeba": (50, 200)}
REPEATS = 3


def measure(run: Callable[[], object], n: int, device: str) -> float:
    """Microseconds per sample: the median of several runs after one that warms up."""
    return statistics.median(time_calls(run, REPEATS, device)) / n * 1e6


def accumulate(
    generator: Generator,
    optimiser: torch.optim.Optimizer,
    z: Tensor,
    images: Tensor,
    settings: EngineSettings,
) -> None:
    """One Adam step on the gradient summed over chunks, each with batch statistics of its own."""
    generator.train()
    optimiser.zero_grad(set_to_none=True)
    for part, targets in zip(z.split(CHUNK_ROWS), images.split(CHUNK_ROWS), strict=True):
        with torch.autocast(z.device.type, settings.precision, settings.precision != torch.float32):
            generated = generator(part)
        (compute_learning_loss(generated, targets, None, SIGMA) * len(part) / len(z)).backward()
    optimiser.step()


def benchmark(name: str, n: int, settings: EngineSettings) -> dict[str, Any]:
    """Times of one generator at one minibatch size."""
    rng = torch.Generator().manual_seed(0)
    latent_dim = ARCHITECTURES[name].latent_dim
    z = torch.randn(n, latent_dim, generator=rng).to(settings.device)
    images = torch.rand(n, *ARCHITECTURES[name].image_shape, generator=rng).to(settings.device)

    def build() -> Generator:
        return build_generator(name, None, torch.Generator().manual_seed(1)).to(settings.device)

    plain, ours, chunked = build(), build(), build()
    rival = torch.optim.Adam(plain.parameters(), LEARNING_RATE, ADAM_BETAS, foreach=False, fused=False)
    own, other = build_optimiser(ours, LEARNING_RATE), build_optimiser(chunked, LEARNING_RATE)
    device = settings.device
    times = {
        "plain": measure(lambda: learning_step(plain, rival, z, images, None, SIGMA), n, device),
        "ours": measure(
            lambda: learning_step(ours, own, z, images, None, SIGMA, settings.precision), n, device
        ),
        "chunked": measure(lambda: accumulate(chunked, other, z, images, settings), n, device),
    }
    return {
        "generator": name,
        "minibatch": n,
        **{f"{key}_us_per_sample": value for key, value in times.items()},
        "ratio_vs_plain": times["plain"] / times["ours"],
        "ratio_chunked_vs_ours": times["ours"] / times["chunked"],
    }


def main() -> None:
    """Print one JSON object, or a line a row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--output", type=Path, help="write the JSON object to this file as well")
    parser.add_argument("--generators", default=",".join(SIZES))
    arguments = parser.parse_args()
    settings = choose_engine("auto", "auto", "auto", "auto")
    rows = [benchmark(name, n, settings) for name in arguments.generators.split(",") for n in SIZES[name]]
    report(arguments, {"precision": str(settings.precision), "results": rows})
    if not arguments.json:
        for row in rows:
            chunked = f"chunked {row['ratio_chunked_vs_ours']:.2f} times ours"
            ours = f"{row['ours_us_per_sample']:.0f} us a sample, {row['ratio_vs_plain']:.2f} times plain"
            print(f"{row['generator']}, minibatch {row['minibatch']}: {ours}; {chunked}")


if __name__ == "__main__":
    main()
