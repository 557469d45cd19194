"""The image store writes whole folders or nothing, and refuses to read anything but what it wrote."""

from __future__ import annotations

import json
import resource
import signal

import numpy as np
import pytest

from pipeline.data.image_folder import DataError, data_digest, read_images, write_images


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "train_images": rng.integers(0, 256, (5, 1, 4, 3), dtype=np.uint8),
        "train_labels": np.arange(5, dtype=np.int64),
    }


def test_read_returns_what_was_written(tmp_path, arrays):
    digest = write_images(tmp_path / "a" / "complete", arrays, {"dataset": "mnist5k"})
    stored = read_images(tmp_path / "a" / "complete")
    assert stored.arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        assert stored[name].dtype == array.dtype
        np.testing.assert_array_equal(stored[name], array)
    assert stored.meta["dataset"] == "mnist5k"
    assert stored.meta["digest"] == digest == data_digest(arrays) == data_digest(stored.arrays)


def test_arrays_are_mapped_and_cannot_be_changed(tmp_path, arrays):
    write_images(tmp_path / "x", arrays, {})
    images = read_images(tmp_path / "x")["train_images"]
    assert isinstance(images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0


def test_second_write_replaces_the_folder_and_leaves_nothing_else(tmp_path, arrays):
    write_images(tmp_path / "x", {**arrays, "old": np.zeros(3)}, {})
    write_images(tmp_path / "x", arrays, {})
    assert sorted(p.name for p in tmp_path.rglob("*")) == [
        "meta.json",
        "train_images.npy",
        "train_labels.npy",
        "x",
    ]


def test_same_arrays_give_the_same_bytes(tmp_path, arrays):
    for folder in ("x", "y"):
        write_images(tmp_path / folder, arrays, {"b": 1, "a": 2})
    for file in (tmp_path / "x").iterdir():
        assert file.read_bytes() == (tmp_path / "y" / file.name).read_bytes()


@pytest.mark.injects("tracking and disk", 1)
@pytest.mark.parametrize("room", [100, 5_000, 40_100])  # none, some, all but the last bytes of 40,128
def test_full_disk_keeps_the_old_folder_and_no_partial_one(tmp_path, arrays, room):
    write_images(tmp_path / "x", arrays, {"run": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(DataError, match=r"/x: cannot be written \(File too large\)") as caught:
            write_images(tmp_path / "x", {"train_images": np.zeros(40_000, np.uint8)}, {"run": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert "\n" not in str(caught.value)
    assert read_images(tmp_path / "x").meta["run"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_folder_that_cannot_be_made_is_named(tmp_path, arrays):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file/x: cannot be written"):
        write_images(tmp_path / "file" / "x", arrays, {})


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"complete/meta\.json: file is missing"):
        read_images(tmp_path / "complete")


def _truncate(folder):
    path = folder / "train_images.npy"
    path.write_bytes(path.read_bytes()[:-1])


def _empty(folder):
    (folder / "train_images.npy").write_bytes(b"")


def _remove(folder):
    (folder / "train_images.npy").unlink()


def _pickle(folder):
    np.save(folder / "train_images.npy", np.array([{"code": 1}], dtype=object), allow_pickle=True)


def _archive(folder):
    with open(folder / "train_images.npy", "wb") as file:
        np.savez(file, train_images=np.zeros((5, 1, 4, 3), dtype=np.uint8))


def _reshape(folder):
    np.save(folder / "train_images.npy", np.zeros((5, 4, 3, 1), dtype=np.uint8))


def _retype(folder):
    np.save(folder / "train_images.npy", np.full((5, 1, 4, 3), np.nan))


@pytest.mark.injects("damaged data", 1)
@pytest.mark.parametrize("damage", [_truncate, _empty, _remove, _pickle, _archive, _reshape, _retype])
def test_damaged_array_is_one_line_with_the_file(tmp_path, arrays, damage):
    write_images(tmp_path / "x", arrays, {})
    damage(tmp_path / "x")
    with pytest.raises(DataError, match=r"x/train_images\.npy: ") as caught:
        read_images(tmp_path / "x")
    assert "\n" not in str(caught.value)


@pytest.mark.injects("damaged data", 1)
@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"arrays": []}', '{"arrays": {"a": {"shape": 3}}}'])
def test_damaged_meta_is_one_line_with_the_file(tmp_path, arrays, text):
    write_images(tmp_path / "x", arrays, {})
    (tmp_path / "x" / "meta.json").write_text(text)
    with pytest.raises(DataError, match=r"x/meta\.json: not the description"):
        read_images(tmp_path / "x")


def test_meta_is_plain_json(tmp_path, arrays):
    write_images(tmp_path / "x", arrays, {"dataset": "svhn"})
    meta = json.loads((tmp_path / "x" / "meta.json").read_text())
    assert meta["arrays"]["train_images"] == {"shape": [5, 1, 4, 3], "dtype": "uint8"}


def test_digest_depends_on_content_name_shape_and_dtype_only(arrays):
    digest = data_digest(arrays)
    images, labels = arrays["train_images"], arrays["train_labels"]
    assert digest == data_digest({"train_labels": labels, "train_images": np.asfortranarray(images)})
    changed = images.copy()
    changed[0, 0, 0, 0] ^= 1
    others = [
        {"train_images": changed, "train_labels": labels},
        {"train_images": images.reshape(5, 1, 3, 4), "train_labels": labels},
        {"train_images": images.view(np.int8), "train_labels": labels},
        {"test_images": images, "train_labels": labels},
    ]
    assert len({digest, *map(data_digest, others)}) == 5
