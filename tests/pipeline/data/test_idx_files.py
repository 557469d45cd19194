"""MNIST and Fashion-MNIST: read exactly, downloaded once; damage is one line, and nothing is left behind."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import threading
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torchvision.datasets import MNIST

from pipeline.data import published_files
from pipeline.data.image_folder import DataError
from pipeline.data.load import load_dataset
from pipeline.data.published_files import DEBIAN_FOLDER
from pipeline.data.readers import open_idx
from tests.pipeline.data.small_files import (
    DIGITS,
    IDX_FILES,
    LABELS,
    MANGLE,
    idx,
    md5_of,
    raises_line,
    write_mnist,
)


def test_mnist_files_are_read_exactly(tmp_path):
    raw = write_mnist(tmp_path)
    images = load_dataset("mnist", tmp_path, checksums=md5_of(raw))
    np.testing.assert_array_equal(images.train_images[:, 0], DIGITS)
    np.testing.assert_array_equal(images.train_labels, LABELS)
    np.testing.assert_array_equal(images.test_images[:, 0], DIGITS[::-1])
    assert images.train_images.dtype == np.uint8
    assert images.train_labels.dtype == np.int64
    assert images.source == str(raw)
    subset = load_dataset("mnist", tmp_path, n_train=10, checksums=md5_of(raw))
    for image, label in zip(subset.train_images, subset.train_labels, strict=True):
        position = [image.tobytes() == digit.tobytes() for digit in DIGITS].index(True)
        assert LABELS[position] == label


DAMAGED_IDX = {
    "truncated gzip": (IDX_FILES[0], idx(DIGITS)[:-200], "not a whole gzip file"),
    "not gzip": (IDX_FILES[0], b"<html>not found</html>", "not a whole gzip file"),
    "empty": (IDX_FILES[1], b"", "magic number 0x0000 found; should be 0x0801"),
    "wrong magic": (IDX_FILES[0], idx(DIGITS, magic=0x0D03), "magic number 0x0d03 found; should be 0x0803"),
    "labels as images": (IDX_FILES[0], idx(LABELS), "a label file found, should be an image file"),
    "images as labels": (IDX_FILES[1], idx(DIGITS), "an image file found, should be a label file"),
    "header too large": (IDX_FILES[0], idx(DIGITS, shape=(41, 28, 28)), "31360 bytes of data found"),
    "huge header": (IDX_FILES[0], idx(DIGITS, shape=(2**32 - 1, 28, 28)), "31360 bytes of data found"),
    "too few labels": (IDX_FILES[1], idx(LABELS[:39]), "39 labels found; should be 40"),
    "zero images": (IDX_FILES[0], idx(DIGITS[:0]), "0 images found; should be at least 2"),
    "one image": (IDX_FILES[0], idx(DIGITS[:1]), "1 images found; should be at least 2"),
    "other size": (IDX_FILES[0], idx(DIGITS[:, :27]), "27 x 28 images found; should be 28 x 28"),
    "class 37": (IDX_FILES[1], idx(np.where(LABELS == 9, 37, LABELS).astype(np.uint8)), "label 37 found"),
}


@pytest.mark.injects("damaged data", 1)
@pytest.mark.parametrize("damage", DAMAGED_IDX)
def test_damaged_idx_file_is_one_line_with_the_file(tmp_path, damage):
    name, content, message = DAMAGED_IDX[damage]
    raw = write_mnist(tmp_path)
    (raw / name).write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    with raises_line(name, message):  # checksums fit the damaged file: the parser has to notice
        load_dataset("mnist", tmp_path, checksums=md5_of(raw))
    assert sorted(tmp_path.rglob("*")) == before


@MANGLE
@given(data=st.data())
def test_mangled_idx_data_is_read_or_refused(tmp_path, data):
    plain = bytearray(gzip.decompress(idx(DIGITS)))
    for _ in range(data.draw(st.integers(1, 4))):
        plain[data.draw(st.integers(0, 20))] = data.draw(st.integers(0, 255))
    packed = bytearray(gzip.compress(bytes(plain[: data.draw(st.integers(0, len(plain)))])))
    if data.draw(st.booleans()):
        packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    (tmp_path / "images.gz").write_bytes(packed)
    (tmp_path / "labels.gz").write_bytes(idx(LABELS))
    try:
        split = open_idx(tmp_path / "images.gz", tmp_path / "labels.gz")
    except DataError:
        pass  # any other error fails the test
    else:
        assert split.read(np.arange(40)).shape == (40, 1, 28, 28)


@pytest.mark.injects("damaged data", 1)
def test_other_content_than_published_is_refused(tmp_path):
    raw = write_mnist(tmp_path)
    expected = dict(MNIST.resources)[IDX_FILES[0]]
    with raises_line(str(raw / IDX_FILES[0]), "md5", f"should be {expected}"):
        load_dataset("mnist", tmp_path, download=True)
    assert md5_of(raw)[IDX_FILES[0]] == hashlib.md5(idx(DIGITS)).hexdigest()


@pytest.mark.injects("damaged data", 1)
def test_swapped_files_are_recognised_by_their_checksums(tmp_path):
    raw = write_mnist(tmp_path)
    checksums = md5_of(raw)
    (raw / IDX_FILES[0]).write_bytes(idx(LABELS))
    with raises_line(IDX_FILES[0], f"content of {IDX_FILES[1]}", "swapped?"):
        load_dataset("mnist", tmp_path, checksums=checksums)


# Download: torchvision's code against a server on this machine


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Serve tmp_path/mirror as MNIST's mirror, after one that is not reachable, with matching md5."""
    (tmp_path / "mirror").mkdir()
    raw = write_mnist(tmp_path / "mirror")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(raw)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:1/", f"http://127.0.0.1:{server.server_port}/"])
    monkeypatch.setattr(MNIST, "resources", list(md5_of(raw).items()))
    yield raw
    server.shutdown()
    server.server_close()
    thread.join()


def test_missing_files_are_downloaded_and_then_found(tmp_path, mirror):
    images = load_dataset("mnist", tmp_path / "data", download=True)
    np.testing.assert_array_equal(images.train_images[:, 0], DIGITS)
    assert sorted(p.name for p in (tmp_path / "data" / "MNIST" / "raw").iterdir()) == sorted(IDX_FILES)
    for file in mirror.iterdir():
        file.unlink()
    again = load_dataset("mnist", tmp_path / "data", download=True)
    assert again.digest == images.digest


@pytest.mark.injects("damaged data", 1)
@pytest.mark.parametrize("damage", ["other content", "absent"])
def test_failed_download_is_one_line_and_leaves_no_file(tmp_path, mirror, damage):
    (mirror / IDX_FILES[2]).unlink()
    if damage == "other content":
        (mirror / IDX_FILES[2]).write_bytes(b"<html>moved</html>")
    with raises_line(IDX_FILES[2], "download failed", f"into {tmp_path / 'data' / 'MNIST' / 'raw'}"):
        load_dataset("mnist", tmp_path / "data", download=True)
    left = {p.name for p in (tmp_path / "data").rglob("*") if p.is_file()}
    assert left <= set(IDX_FILES) - {IDX_FILES[2]}
    assert not list((tmp_path / "data" / "MNIST" / "raw").glob(".*"))


# fashion_mnist in Debian's folder


def test_debian_folder_is_used_only_without_files_in_the_data_folder(tmp_path, monkeypatch):
    debian = write_mnist(tmp_path, "debian")
    monkeypatch.setattr(published_files, "DEBIAN_FOLDER", debian)
    monkeypatch.setattr(
        published_files,
        "DEBIAN_SHA256",
        {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in debian.iterdir()},
    )
    assert load_dataset("fashion_mnist", tmp_path / "data").source == str(debian)
    raw = write_mnist(tmp_path / "data", "FashionMNIST")
    assert load_dataset("fashion_mnist", tmp_path / "data", checksums=md5_of(raw)).source == str(raw)
    (debian / IDX_FILES[0]).write_bytes(idx(DIGITS[:20]))
    with raises_line(str(debian / IDX_FILES[0]), "sha256", "fetch it again"):
        load_dataset("fashion_mnist", tmp_path / "empty")


@pytest.mark.skipif(
    not DEBIAN_FOLDER.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed"
)
def test_debians_fashion_mnist_is_complete(tmp_path):
    images = load_dataset("fashion_mnist", tmp_path)
    assert images.train_images.shape == (60000, 1, 28, 28)
    assert (np.bincount(images.test_labels) == 1000).all()
