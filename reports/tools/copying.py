"""Does a lower Frechet distance come of copies? It is taken to the training images, and a copy is one.

``python -m reports.tools.copying VAE ABP Ours --rounds 4 16 --seed 1 2 3`` trains those cells of the study
``convergence`` again and measures their samples against the training images and as many test images: the
Frechet distance to either, the share of samples that are nearer to a training image, precision and recall.
The row "unlearned" is of images that were not learned, in the place of samples. What comes out is added to
reports/results/copying, with a picture of each method; docs/results/copying.md shows it. What is there
already is not measured again, and nothing that is kept is changed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from models.catalogue import METHODS
from pipeline.evaluation.coverage import measure_coverage, pick_nearest, share_nearer
from pipeline.evaluation.frechet import compute_frechet_distance
from pipeline.settings.params import load_params
from pipeline.studies.grid import read_grid
from pipeline.studies.making import find_engine, name_machine, name_precision
from pipeline.studies.measured import RECORDED
from pipeline.studies.planning import key_method
from pipeline.studies.recall import KeyedCell, find_extractor, load_images
from pipeline.studies.request import build_request
from pipeline.studies.threads import use_one_thread
from reports.drawing import save_nearest
from reports.tools.copying_table import FILE, FOLDER, UNLEARNED, render_copying
from reports.tools.measured_rows import put_row, read_rows

STUDY = "convergence"


def measure_copying(keyed: KeyedCell, picture: Path | None = None) -> dict[str, Any]:
    """Train a cell's method on its complete images and measure its samples; draw those nearest to them."""
    cell = replace(keyed.cell, task="complete")
    learned, test = read_splits(keyed)
    with use_one_thread():
        fitted = METHODS[cell.method].load()(build_request(cell, learned, None))
        samples = fitted.sample(cell.params.profile_settings.evaluate.n_generated).cpu()
        if picture is not None:
            shown = pick_nearest(samples, learned, test)
            save_nearest(picture, f"{cell.method}: of {len(samples):,} samples", shown)
        return describe(keyed, cell.method, compare_samples(keyed, samples, learned, test))


def measure_unlearned(keyed: KeyedCell, longest: KeyedCell) -> dict[str, Any]:
    """Measure digits in the place of samples: those that ``longest`` learns and ``keyed`` does not."""
    learned, test = read_splits(keyed)
    known = {image.numpy().tobytes() for image in learned}
    others = [image for image in read_splits(longest)[0] if image.numpy().tobytes() not in known]
    with use_one_thread():
        row = describe(keyed, UNLEARNED, compare_samples(keyed, torch.stack(others), learned, test))
    return row | {"rounds": 0}  # no training


def read_splits(keyed: KeyedCell) -> tuple[Tensor, Tensor]:
    """The images that a cell learns from and its test images, uint8 (N, C, H, W)."""
    images = load_images(keyed.cell, keyed.seen)
    return torch.from_numpy(images.train_images), torch.from_numpy(images.test_images)


def compare_samples(keyed: KeyedCell, samples: Tensor, learned: Tensor, test: Tensor) -> dict[str, float]:
    """Compare samples with the training images and with as many test images."""
    unseen = test[: len(learned)]
    extract = find_extractor(keyed.cell).extract
    features = extract(samples)
    precision, recall = measure_coverage(features[: len(unseen)], extract(unseen))
    return {
        "frechet_train": compute_frechet_distance(features, extract(learned)),
        "frechet_test": compute_frechet_distance(features, extract(unseen)),
        "nearer_training": share_nearer(samples, learned[: len(unseen)], unseen),
        "precision": precision,
        "recall": recall,
    }


def describe(keyed: KeyedCell, method: str, numbers: dict[str, float]) -> dict[str, Any]:
    """A row: what was measured, of which training, on which machine."""
    engine = find_engine(keyed.cell.params.engine)
    axes = {axis: dict(keyed.cell.axes)[axis] for axis in ("n_train", "rounds", "seed")}
    return {
        "method": method, **axes, **numbers, "key": keyed.key,
        "machine": name_machine(engine.device != "cpu"), "precision_of_inference": name_precision(engine),
    }  # fmt: skip


def add_row(row: dict[str, Any], path: Path = FILE) -> None:
    """Add what was measured, in the place of an earlier measurement of the same training."""
    order = [*METHODS, UNLEARNED]
    put_row(
        row,
        path,
        ("method", "n_train", "rounds", "seed"),
        lambda one: (one["n_train"], one["rounds"], order.index(one["method"]), one["seed"]),
    )


def find_cells(method: str, profile: str, seed: int) -> dict[tuple[int, int], KeyedCell]:
    """Find a method's cells of the study of a seed, by number of images and rounds."""
    keyed = key_method(STUDY, method, load_params(profile=profile), read_grid())
    axes = ((dict(one.cell.axes), one) for one in keyed)
    return {(axis["n_train"], axis["rounds"]): one for axis, one in axes if axis["seed"] == seed}


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; ends the process where it makes no sense."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="+", choices=list(METHODS), metavar="method")
    parser.add_argument("--rounds", type=int, nargs="+", required=True, help="of the study's lengths")
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--n-train", type=int, default=1000, help="of the study's numbers of images")
    parser.add_argument("--profile", default=RECORDED)
    return parser.parse_args(given)


def main() -> None:
    """Measure what the command line names and what is not there yet, one training after the other."""
    given = parse_arguments()
    wanted = [(given.n_train, rounds) for rounds in given.rounds]
    cells = {
        (seed, method): find_cells(method, given.profile, seed)
        for seed in given.seed
        for method in given.methods
    }
    for (seed, _), of_seed in cells.items():  # before hours of training
        lacking = [place for place in wanted if place not in of_seed]
        if lacking:
            raise SystemExit(
                f"--n-train, --rounds, --seed: found {lacking} of seed {seed}, "
                f"expected of the study {STUDY}: {list(of_seed) or 'one of its seeds'}"
            )
    known = {(row["method"], row["key"]) for row in read_rows(FILE)}
    for (seed, method), of_seed in cells.items():
        for place in tqdm(wanted, f"{method}, seed {seed}", disable=None):
            shown = seed == given.seed[0] and place == max(wanted)
            if (method, of_seed[place].key) not in known:
                add_row(measure_copying(of_seed[place], FOLDER / f"{method}.png" if shown else None))
    for seed in given.seed:
        of_seed = cells[seed, given.methods[0]]
        if max(of_seed)[0] > given.n_train and not has_unlearned(given.n_train, seed):
            add_row(measure_unlearned(of_seed[wanted[0]], of_seed[max(of_seed)]))
    print(render_copying())


def has_unlearned(n_train: int, seed: int) -> bool:
    """Whether unlearned digits were measured for a seed, whose images are the same for each method."""
    same = (UNLEARNED, n_train, seed)
    return any((row["method"], row["n_train"], row["seed"]) == same for row in read_rows(FILE))


if __name__ == "__main__":
    main()
