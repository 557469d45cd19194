"""CelebA's folder, archive and lists: read exactly, damage reported in one line, nothing written outside."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.data.image_folder import DataError
from pipeline.data.load import load_dataset
from pipeline.data.readers import open_celeba
from tests.pipeline.data.small_files import MANGLE, md5_of, raises_line

FACES = [f"{number:06d}.jpg" for number in range(1, 9)]


def jpeg(size: tuple[int, int] = (178, 218), colour: tuple[int, int, int] = (200, 30, 90)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG")
    return file.getvalue()


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
