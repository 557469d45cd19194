"""SVHN's MAT files: read exactly, damage reported in one line, and before scipy's reader sees it."""

from __future__ import annotations

import io

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.load import load_dataset
from tests.pipeline.data.small_files import MANGLE, md5_of, raises_line

HOUSES = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)  # (N, H, W, C)


def mat(**variables: np.ndarray) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, variables)
    return file.getvalue()


def houses(n: int = 20, labels: np.ndarray | None = None) -> bytes:
    labels = np.arange(n) % 10 + 1 if labels is None else labels
    return mat(X=HOUSES[:n].transpose(1, 2, 3, 0), y=labels.astype(np.uint8)[:, None])


def test_svhn_files_are_read_exactly(tmp_path):
    for split in ("train", "test"):
        (tmp_path / f"{split}_32x32.mat").write_bytes(houses())
    images = load_dataset("svhn", tmp_path, checksums=md5_of(tmp_path))
    np.testing.assert_array_equal(images.train_images, HOUSES.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(images.train_labels, (np.arange(20) + 1) % 10)  # 10 is the digit 0


DAMAGED_MAT = {
    "no X": (mat(y=np.ones((20, 1), dtype=np.uint8)), "variable 'X' is missing"),
    "no y": (mat(X=HOUSES.transpose(1, 2, 3, 0)), "variable 'y' is missing"),
    "not MAT": (b"<html>not found</html>", "not a MAT file"),
    "empty": (b"", "not a MAT file"),
    "truncated": (houses()[:5000], "not a MAT file"),
    "NaN pixels": (mat(X=np.full((32, 32, 3, 20), np.nan), y=np.ones((20, 1))), "X is float64"),
    "other order": (mat(X=HOUSES, y=np.ones((20, 1))), "should be uint8 (32, 32, 3, N)"),
    "class 11": (houses(labels=np.full(20, 11)), "y holds values outside 1-10"),
    "class 0": (houses(labels=np.arange(20) % 10), "y holds values outside 1-10"),
    "text labels": (mat(X=HOUSES.transpose(1, 2, 3, 0), y="abc"), "y holds values outside 1-10"),
    "too few labels": (houses(labels=np.ones(19)), "19 labels found; should be 20"),
    "one image": (houses(1), "1 images found; should be at least 2"),
    "zero images": (houses(0), "0 images found; should be at least 2"),
}


@pytest.mark.injects("damaged data", 1)
@pytest.mark.parametrize("damage", DAMAGED_MAT)
def test_damaged_mat_file_is_one_line_with_the_file(tmp_path, damage):
    content, message = DAMAGED_MAT[damage]
    (tmp_path / "train_32x32.mat").write_bytes(content)
    (tmp_path / "test_32x32.mat").write_bytes(houses())
    with raises_line("train_32x32.mat", message):
        load_dataset("svhn", tmp_path, checksums=md5_of(tmp_path))


@MANGLE
@given(data=st.data())
def test_mangled_mat_file_never_reaches_scipy(tmp_path, data):
    # scipy's reader crashes the process (SIGSEGV) on some mangled files: the checksum has to come first.
    good = houses(3)
    for split in ("train", "test"):
        (tmp_path / f"{split}_32x32.mat").write_bytes(good)
    checksums = md5_of(tmp_path)
    mangled = bytearray(good)
    mangled[data.draw(st.integers(0, len(good) - 1))] ^= data.draw(st.integers(1, 255))
    (tmp_path / "test_32x32.mat").write_bytes(mangled[: data.draw(st.integers(0, len(good)))])
    with raises_line("test_32x32.mat", "md5", f"should be {checksums['test_32x32.mat']}"):
        load_dataset("svhn", tmp_path, checksums=checksums)
