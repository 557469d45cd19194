"""Cells trained again, mostly of the study ``convergence``, to measure what a cell does not keep."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from models.catalogue import METHODS
from models.interface import FittedMethod
from pipeline.evaluation.coverage import measure_coverage, share_nearer
from pipeline.evaluation.frechet import compute_frechet_distance
from pipeline.settings.params import load_params
from pipeline.studies.grid import read_grid
from pipeline.studies.making import find_engine, name_machine, name_precision
from pipeline.studies.measured import RECORDED
from pipeline.studies.planning import key_method
from pipeline.studies.recall import KeyedCell, find_extractor, load_images
from pipeline.studies.request import build_request

STUDY = "convergence"
Compare = Callable[[Tensor], dict[str, float]]  # samples (N, C, H, W) -> what is measured of them


class Training(NamedTuple):
    """A trained method, what it learned from and its test images, uint8 (N, C, H, W)."""

    fitted: FittedMethod
    learned: Tensor
    test: Tensor


def train_again(keyed: KeyedCell) -> Training:
    """Train a cell's method on its complete images, as the cell was."""
    cell = replace(keyed.cell, task="complete")
    learned, test = read_splits(keyed)
    return Training(METHODS[cell.method].load()(build_request(cell, learned, None)), learned, test)


def read_splits(keyed: KeyedCell) -> tuple[Tensor, Tensor]:
    """The images that a cell learns from and its test images, uint8 (N, C, H, W)."""
    images = load_images(keyed.cell, keyed.seen)
    return torch.from_numpy(images.train_images), torch.from_numpy(images.test_images)


def prepare_comparison(keyed: KeyedCell, learned: Tensor, test: Tensor) -> Compare:
    """Take the features of the training images and of as many test images, once for all samples compared."""
    unseen = test[: len(learned)]
    extract = find_extractor(keyed.cell).extract
    of_learned, of_unseen = extract(learned), extract(unseen)

    def compare(samples: Tensor) -> dict[str, float]:
        features = extract(samples)
        precision, recall = measure_coverage(features[: len(unseen)], of_unseen)
        return {
            "frechet_train": compute_frechet_distance(features, of_learned),
            "frechet_test": compute_frechet_distance(features, of_unseen),
            "nearer_training": share_nearer(samples, learned[: len(unseen)], unseen),
            "precision": precision,
            "recall": recall,
        }

    return compare


def describe(keyed: KeyedCell, method: str, numbers: dict[str, float]) -> dict[str, Any]:
    """A row: what was measured, of which training, on which machine."""
    engine = find_engine(keyed.cell.params.engine)
    axes = {axis: dict(keyed.cell.axes)[axis] for axis in ("n_train", "rounds", "seed")}
    return {
        "method": method, **axes, **numbers, "key": keyed.key,
        "machine": name_machine(engine.device != "cpu"), "precision_of_inference": name_precision(engine),
    }  # fmt: skip


def make_parser(description: str) -> argparse.ArgumentParser:
    """Make the parser of a command line that names trainings."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("methods", nargs="+", choices=list(METHODS), metavar="method")
    parser.add_argument("--rounds", type=int, nargs="+", required=True, help="of the study's lengths")
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--n-train", type=int, default=1000, help="of the study's numbers of images")
    parser.add_argument("--profile", default=RECORDED)
    return parser


def find_wanted(given: argparse.Namespace) -> dict[tuple[int, str], list[KeyedCell]]:
    """The cells that a command line names, in the order of its rounds, by seed and method.

    Raises SystemExit, before hours of training, where the study has not all of them.
    """
    wanted = {}
    for seed in given.seed:
        for method in given.methods:
            of_seed = find_cells(method, given.profile, seed)
            lacking = [rounds for rounds in given.rounds if (given.n_train, rounds) not in of_seed]
            if lacking:
                raise SystemExit(
                    f"--n-train, --rounds, --seed: found {given.n_train}, {lacking}, {seed}, expected of the "
                    f"study {STUDY} (images, rounds) {list(of_seed) or 'of one of its seeds'}"
                )
            wanted[seed, method] = [of_seed[given.n_train, rounds] for rounds in given.rounds]
    return wanted


def find_cells(method: str, profile: str, seed: int) -> dict[tuple[int, int], KeyedCell]:
    """Find a method's cells of the study of a seed, by number of images and rounds."""
    keyed = key_method(STUDY, method, load_params(profile=profile), read_grid())
    axes = ((dict(one.cell.axes), one) for one in keyed)
    return {(axis["n_train"], axis["rounds"]): one for axis, one in axes if axis["seed"] == seed}
