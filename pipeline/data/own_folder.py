"""A user's own images as a data set: classes from folders, and a split that no added image changes.

Which split an image is in depends on its own bytes alone, so that equal files are in the same one, and a
file that comes, goes or is renamed moves no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.data.image_folder import DataError
from pipeline.data.own_images import read_image
from pipeline.data.readers import Split
from pipeline.storage.pictures import list_classes

TEST_SHARE = 5  # one image of so many is tested
FEWEST = 2  # images of a split
NAME = "folder"


def open_folder(folder: Path, shape: tuple[int, int, int]) -> dict[str, Split]:
    """Open both splits of the pictures in ``folder``, as uint8 (n, C, H, W) of ``shape`` (C, H, W).

    Labels number the class folders in the order of their names; without any, all are 0. Raises DataError for
    a folder without pictures, for a split of fewer than two, and, when they are read, for damaged files.
    """
    try:
        classes = list_classes(folder)
    except ValueError as error:
        raise DataError(str(error)) from None
    paths = [path for pictures in classes.values() for path in pictures]
    labels = np.repeat(np.arange(len(classes)), [len(pictures) for pictures in classes.values()])
    is_test = np.array([is_tested(path) for path in paths])
    splits = {}
    for split, chosen in (("train", ~is_test), ("test", is_test)):
        if chosen.sum() < FEWEST:
            raise DataError(
                f"data.images: {chosen.sum()} of {len(paths)} images in {folder} are to {split}; expected "
                f"{FEWEST} at least: one in {TEST_SHARE} is tested"
            )
        splits[split] = _open_part([paths[row] for row in np.flatnonzero(chosen)], labels[chosen], shape)
    return splits


def is_tested(path: Path) -> bool:
    """Whether a picture is in the test split, by its bytes."""
    try:
        return int(hashlib.sha256(path.read_bytes()).hexdigest(), 16) % TEST_SHARE == 0
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def _open_part(paths: Sequence[Path], labels: np.ndarray, shape: tuple[int, int, int]) -> Split:
    def read(indices: np.ndarray) -> np.ndarray:
        try:
            return np.stack([read_image(paths[row], shape, NAME) for row in indices])
        except ValueError as error:
            raise DataError(str(error)) from error

    return Split(labels.astype(np.int64), read)
