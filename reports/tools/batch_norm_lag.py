"""How far BatchNorm's running statistics trail an encoder's weights at the end of a leaderboard's training.

``python -m reports.tools.batch_norm_lag RAE WAE-GAN --rounds 1`` trains the leaderboard's cells of those
methods on complete images alone, takes the error of test images and the Frechet distance as they are, and
again with the statistics of encoder and decoder measured anew by one pass over the training images. What
comes out is added to reports/results/batch_norm_lag.json; docs/methods.md shows it. Nothing kept is changed.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.catalogue import METHODS
from models.images import to_unit
from models.rivals.bases.autoencoder import Autoencoder
from pipeline.evaluation.frechet import take_reference
from pipeline.evaluation.reconstruction import measure_error
from pipeline.settings.params import load_params
from pipeline.studies.grid import read_grid
from pipeline.studies.making import name_machine
from pipeline.studies.planning import key_method
from pipeline.studies.recall import KeyedCell, find_extractor
from pipeline.studies.threads import use_one_thread
from reports.tools.benchmark_tables import LAG, render_lag
from reports.tools.measured_rows import put_row
from reports.tools.trained_again import train_again

BATCH = 100  # images whose statistics are taken at once


@torch.no_grad()
def measure_statistics_anew(fitted: Autoencoder, images: Tensor) -> Autoencoder:
    """A copy whose running statistics are the plain mean over batches of images (N, C, H, W), uint8."""
    anew = copy.deepcopy(fitted)
    networks = anew.encoder, anew.generator
    layers = [layer for network in networks for layer in network.modules()]
    norms = [layer for layer in layers if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d))]
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    for number, rows in enumerate(order.split(BATCH), 1):
        for network in networks:
            network.train()
        for norm in norms:
            norm.momentum = 1 / number
        anew.generator(anew.encoder(to_unit(images[rows]), None)[0])
    for network in networks:
        network.eval()
    return anew


def measure_lag(keyed: KeyedCell) -> dict[str, Any]:
    """Train a cell's method on its complete images, and measure it as it is and with statistics anew."""
    cell = keyed.cell
    with use_one_thread():
        fitted, learned, test = train_again(keyed)
        if not isinstance(fitted, Autoencoder):
            raise ValueError(f"{cell.method}: expected a method with an encoder")
        reference = take_reference(find_extractor(cell).extract, learned)
        n_generated = cell.params.profile_settings.evaluate.n_generated
        row: dict[str, Any] = {"method": cell.method, **dict(cell.axes), "machine": name_machine(False)}
        for name, one in (("as_is", fitted), ("anew", measure_statistics_anew(fitted, learned))):
            row[f"mse_test_{name}"] = measure_error(one.generate, one.infer(test, None, 0, 0), test)
            row[f"frechet_distance_{name}"] = reference.measure_images(one.sample(n_generated).cpu())
    return row


def add_row(row: dict[str, Any], path: Path = LAG) -> None:
    """Add what was measured, in the place of an earlier measurement of the same training."""
    put_row(row, path, ("method", "rounds", "seed"), lambda one: (one["rounds"], one["method"], one["seed"]))


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; ends the process where it makes no sense."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="+", choices=list(METHODS), metavar="method")
    parser.add_argument("--rounds", type=int, required=True, help="which of the leaderboard's lengths")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(given)


def main() -> None:
    """Measure the methods that the command line names, one after the other."""
    arguments = parse_arguments()
    params, grid = load_params(), read_grid()
    for method in arguments.methods:
        wanted = {"rounds": arguments.rounds, "seed": arguments.seed}
        keyed = key_method("leaderboard", method, params, grid)
        found = [one for one in keyed if wanted.items() <= dict(one.cell.axes).items()]
        if not found:
            raise SystemExit(f"batch_norm_lag: found {wanted}, expected those of a cell of the leaderboard")
        add_row(measure_lag(found[0]))
    print(render_lag())


if __name__ == "__main__":
    main()
