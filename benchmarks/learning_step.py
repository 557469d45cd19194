"""The learning step against what it replaced: ``python -m benchmarks.learning_step --json``.

Rows by generator and minibatch size, all measured by turns in one run:

- ``plain``: float32, layer by layer, Adam without fusion, as public codes have it;
- ``layers``: layer by layer in the engine's precision, Adam fused into one kernel;
- ``ours``: matrix products instead of layers, what learning runs;
- ``products``: those matrix products alone, without BatchNorm, activations, loss and Adam. Only where all
  kernels equal their strides: other layers are no such products.

The bound of ``fraction_of_matmul_peak`` is the products of a step alone at the speed of one large product
(``measure_matmul_peak``).
"""

from __future__ import annotations

import argparse
import functools
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.langevin_step import measure_matmul_peak
from benchmarks.timing import report, time_by_turns
from models.descent import descend
from models.langevin.energy import compute_learning_loss
from models.langevin.engine import EngineSettings, choose_engine
from models.networks.architectures import ARCHITECTURES
from models.networks.generator import Generator, build_generator
from models.networks.lowering import count_flops
from models.networks.upsampling import Geometry
from models.short_run.learning import ADAM_BETAS, build_optimiser, learning_step

Products = list[tuple[Tensor, Tensor]]

SIGMA, LEARNING_RATE = 0.3, 1e-3
SIZES = {"mnist": (100, 500, 2000), "svhn": (100, 500, 2000), "celeba": (50, 200)}
LEARNING = (
    1.5  # products of a learning step, in those of a Langevin step: forward, by the maps, by the weights
)


def run_layers(
    generator: Generator,
    optimiser: torch.optim.Optimizer,
    z: Tensor,
    images: Tensor,
    precision: torch.dtype = torch.float32,
) -> None:
    """The learning step, layer by layer as torch has them."""
    generator.train()
    with torch.autocast(z.device.type, dtype=precision, enabled=precision != torch.float32):
        generated = generator.layers(z)
    descend(optimiser, compute_learning_loss(generated, images, None, SIGMA))


def list_products(layers: nn.Sequential, n: int) -> list[tuple[int, int, int]]:
    """(rows, inputs, outputs) of the layers' products for ``n`` samples; none where a layer is no product."""
    products, height, width = [], 1, 1
    for module in layers:
        if isinstance(module, nn.Unflatten):
            _, height, width = module.unflattened_size
        elif isinstance(module, nn.Linear):
            products.append((n, module.in_features, module.out_features))
        elif isinstance(module, nn.ConvTranspose2d):
            geometry = Geometry.of(module)
            if not geometry.is_blockwise:
                return []
            outputs = module.out_channels * geometry.kernel**2
            products.append((n * height * width, module.in_channels, outputs))
            height, width = height * geometry.stride, width * geometry.stride
    return products


def build_products(shapes: list[tuple[int, int, int]], precision: torch.dtype, device: str) -> Products:
    """Operands of each product: forward, by the weights and, but for the first layer, by the maps."""
    rng, products = torch.Generator().manual_seed(2), []
    for index, (rows, inputs, outputs) in enumerate(shapes):
        x, weight, slope = (
            torch.randn(*shape, generator=rng).to(device, precision)
            for shape in ((rows, inputs), (outputs, inputs), (rows, outputs))
        )
        products += [(x, weight.T), (slope.T, x), *([(slope, weight)] if index else [])]
    return products


def multiply(products: Products) -> None:
    """All products, one after the other."""
    for left, right in products:
        torch.mm(left, right)


def benchmark(name: str, n: int, settings: EngineSettings, repeats: int) -> dict[str, Any]:
    """Times of one generator at one minibatch size."""
    rng = torch.Generator().manual_seed(0)
    device, precision = settings.device, settings.precision
    z = torch.randn(n, ARCHITECTURES[name].latent_dim, generator=rng).to(device)
    images = torch.rand(n, *ARCHITECTURES[name].image_shape, generator=rng).to(device)

    def build() -> Generator:
        return build_generator(name, None, torch.Generator().manual_seed(1)).to(device)

    plain, layers, ours = build(), build(), build()
    unfused = torch.optim.Adam(plain.parameters(), LEARNING_RATE, ADAM_BETAS, foreach=False, fused=False)
    fused, own = build_optimiser(layers, LEARNING_RATE), build_optimiser(ours, LEARNING_RATE)
    calls: dict[str, Callable[[], object]] = {
        "plain": functools.partial(run_layers, plain, unfused, z, images),
        "layers": functools.partial(run_layers, layers, fused, z, images, precision),
        "ours": functools.partial(learning_step, ours, own, z, images, None, SIGMA, precision),
    }
    if shapes := list_products(ours.layers, n):
        calls["products"] = functools.partial(multiply, build_products(shapes, precision, device))
    seconds = {key: statistics.median(found) for key, found in time_by_turns(calls, repeats, device).items()}
    bound = LEARNING * count_flops(ours.layers) / measure_matmul_peak(precision, device) * n
    return {
        "generator": name,
        "minibatch": n,
        **{f"{key}_us_per_sample": value / n * 1e6 for key, value in seconds.items()},
        "ratio_vs_plain": seconds["plain"] / seconds["ours"],
        "ratio_vs_layers": seconds["layers"] / seconds["ours"],
        "fraction_of_matmul_peak": bound / seconds["ours"],
    }


def main() -> None:
    """Print one JSON object, or a line a row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--output", type=Path, help="write the JSON object to this file as well")
    parser.add_argument("--generators", default=",".join(SIZES))
    parser.add_argument("--largest", type=int, default=2000, help="leave out larger minibatches")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    settings = choose_engine("auto", "auto", "auto", "auto")
    rows = [
        benchmark(name, n, settings, arguments.repeats)
        for name in arguments.generators.split(",")
        for n in SIZES[name]
        if n <= arguments.largest
    ]
    report(arguments, {"precision": str(settings.precision), "results": rows})
    if not arguments.json:
        for row in rows:
            ours = f"{row['ours_us_per_sample']:.0f} us a sample, {row['ratio_vs_plain']:.2f} times plain"
            layers = f"{row['ratio_vs_layers']:.2f} times layer by layer"
            share = f"{row['fraction_of_matmul_peak']:.0%} of the matrix-product peak"
            print(f"{row['generator']}, minibatch {row['minibatch']}: {ours}, {layers}, {share}")


if __name__ == "__main__":
    main()
