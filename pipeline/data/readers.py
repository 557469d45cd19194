"""Reading the data sets' files as they are on disk: IDX (MNIST, Fashion-MNIST), MAT (SVHN), JPEG (CelebA)."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pipeline.data.image_folder import DataError

if TYPE_CHECKING:
    import torch

IDX_MAGIC = {1: 0x0801, 3: 0x0803}  # unsigned bytes in 1 dimension (labels) or 3 (images)
JPEG_ERRORS = (  # what a damaged archive or picture makes of its reader
    OSError,
    SyntaxError,
    ValueError,
    KeyError,
    zipfile.BadZipFile,
    zlib.error,
    Image.DecompressionBombError,
)
CELEBA_SIZE = (178, 218)  # width, height of the aligned images
CELEBA_CROP = 140
CELEBA_ATTRIBUTE = "Male"
CELEBA_SPLITS = {"train": 0, "test": 2}  # 1 is the validation split, which nothing here uses


@dataclass(frozen=True)
class Split:
    """One opened split: its labels (N,) int64, and how to read the images at some indices.

    ``read`` maps indices (n,) to images uint8 (n, C, H, W), so that a choice is made before 160,000 JPEGs are
    decoded.
    """

    labels: np.ndarray
    read: Callable[[np.ndarray], np.ndarray]


def open_idx(image_path: Path, label_path: Path) -> Split:
    """Open gzipped IDX files of 28 x 28 grey images and their labels 0-9.

    Raises DataError for a truncated gzip, a wrong magic number, swapped files, a size or count that does not
    fit, fewer than two images.
    """
    from torchvision.datasets.mnist import read_image_file, read_label_file  # slow to load

    images = _read_idx(image_path, 3, read_image_file).numpy()[:, None]  # (N, 1, H, W)
    labels = _read_idx(label_path, 1, read_label_file).numpy()
    _check_labels(label_path, labels, len(images))
    return Split(labels, lambda indices: images[indices])


def _read_idx(path: Path, ndim: int, reader: Callable[[str], torch.Tensor]) -> torch.Tensor:
    try:
        data = gzip.decompress(path.read_bytes())
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: not a whole gzip file ({error}); fetch it again") from error
    header = 4 * (ndim + 1)
    magic, *shape = struct.unpack(f">{ndim + 1}I", data[:header].ljust(header, b"\0"))
    if magic == IDX_MAGIC[4 - ndim]:
        kinds = ("an image", "a label") if ndim == 1 else ("a label", "an image")
        raise DataError(f"{path}: {kinds[0]} file found, should be {kinds[1]} file; are the two swapped?")
    if magic != IDX_MAGIC[ndim]:
        raise DataError(f"{path}: magic number {magic:#06x} found; should be {IDX_MAGIC[ndim]:#06x}")
    if ndim == 3 and shape[1:] != [28, 28]:
        raise DataError(f"{path}: {shape[1]} x {shape[2]} images found; should be 28 x 28")
    expected = int(np.prod(shape, dtype=object))
    if len(data) - header != expected:
        raise DataError(f"{path}: {len(data) - header} bytes of data found; its header says {expected}")
    _check_count(path, shape[0])
    with tempfile.NamedTemporaryFile() as plain:  # torchvision's readers take the name of a plain file
        plain.write(data)
        plain.flush()
        return reader(plain.name)


def open_svhn(path: Path) -> Split:
    """Open a MAT file of SVHN (format 2): X uint8 (32, 32, 3, N), y (N, 1) with 10 for the digit 0.

    Labels come out as 0-9. Give it files with a verified checksum only: scipy's reader can crash the process
    on mangled ones. Raises DataError for a file that is not MAT, missing keys, another shape or dtype, labels
    out of range, fewer than two images.
    """
    try:
        import scipy.io  # slow to load

        variables = scipy.io.loadmat(path, variable_names=["X", "y"])
    except Exception as error:  # scipy raises a dozen types for damaged files
        raise DataError(
            f"{path}: not a MAT file that scipy can read ({one_line(error)}); fetch it again"
        ) from error
    for key in ("X", "y"):
        if key not in variables:
            raise DataError(f"{path}: variable {key!r} is missing; should hold X (images) and y (labels)")
    images, labels = variables["X"], variables["y"]
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[:3] != (32, 32, 3):
        raise DataError(f"{path}: X is {images.dtype} {images.shape}; should be uint8 (32, 32, 3, N)")
    images = images.reshape(32, 32, 3, -1)  # MATLAB drops a last dimension of 1
    _check_count(path, images.shape[3])
    if labels.dtype.kind not in "uif" or not np.isin(labels, range(1, 11)).all():
        raise DataError(f"{path}: y holds values outside 1-10; should be digits, 10 for the digit 0")
    labels = labels.astype(np.int64).reshape(-1) % 10
    _check_labels(path, labels, images.shape[3])
    images = images.transpose(3, 2, 0, 1)  # (N, C, H, W)
    return Split(labels, lambda indices: np.ascontiguousarray(images[indices]))


def open_celeba(folder: Path) -> dict[str, Split]:
    """Open CelebA's train and test splits; images come out as uint8 (n, 3, 64, 64).

    Images are read from img_align_celeba/ or, without that folder, straight from img_align_celeba.zip:
    nothing is ever extracted. Each is centre-cropped to 140 x 140 and resized (bilinear) to 64 x 64, as in
    the regularised autoencoders (RAE) whose CelebA numbers the paper's Table 2 quotes. CelebA has no
    classes: the label is the attribute Male (0 or 1) of list_attr_celeba.txt. Splits follow
    list_eval_partition.txt, without the validation images. Raises DataError for malformed lists, missing or
    corrupt JPEGs (when they are read), fewer than two images.
    """
    partition = _read_celeba_partition(folder / "list_eval_partition.txt")
    classes = _read_celeba_classes(folder / "list_attr_celeba.txt")
    source = folder / "img_align_celeba"
    if source.is_dir():
        present = set(os.listdir(source))
    else:
        source = folder / "img_align_celeba.zip"
        present = _list_archive(source)
    for what, known in ((source, present), (folder / "list_attr_celeba.txt", classes)):
        missing = [name for name in partition if name not in known]
        if missing:
            raise DataError(
                f"{what}: {missing[0]} and {len(missing) - 1} more of {len(partition)} images missing"
            )
    splits = {}
    for split, number in CELEBA_SPLITS.items():
        names = np.array([name for name, part in partition.items() if part == number])
        _check_count(folder / f"list_eval_partition.txt ({split})", len(names))
        labels = np.array([classes[name] for name in names], dtype=np.int64)
        splits[split] = _open_faces(source, names, labels)
    return splits


def _open_faces(source: Path, names: np.ndarray, labels: np.ndarray) -> Split:
    return Split(labels, lambda indices: _read_faces(source, names[indices]))


def _read_celeba_partition(path: Path) -> dict[str, int]:
    partition = {}
    for number, line in enumerate(_read_lines(path), start=1):
        words = line.split()
        # A bare file name: one with a folder in it could point out of the data folder.
        if len(words) != 2 or words[1] not in "012" or Path(words[0]).name != words[0]:
            raise DataError(
                f"{path}: line {number} is {line[:60]!r}; should be an image's name and 0, 1 or 2"
            )
        partition[words[0]] = int(words[1])
    return partition


def _read_celeba_classes(path: Path) -> dict[str, int]:
    _, header, *rows = [*_read_lines(path), "", ""]
    names = header.split()
    if CELEBA_ATTRIBUTE not in names:
        raise DataError(f"{path}: line 2 lacks {CELEBA_ATTRIBUTE}; should name the attributes")
    column = 1 + names.index(CELEBA_ATTRIBUTE)
    classes = {}
    for number, row in enumerate(filter(None, map(str.split, rows)), start=3):
        if len(row) != 1 + len(names) or row[column] not in ("1", "-1"):
            shown = " ".join(row)[:60]
            raise DataError(
                f"{path}: line {number} is {shown!r}; should be a name and {len(names)} times 1 or -1"
            )
        classes[row[0]] = int(row[column] == "1")
    return classes


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not ASCII; should be a text list") from error


def _list_archive(path: Path) -> set[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removeprefix("img_align_celeba/") for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{path}: not a whole zip archive ({one_line(error)}); fetch it again") from error


def _read_faces(source: Path, names: np.ndarray) -> np.ndarray:
    """Decode, crop and resize the named JPEGs of a folder or an archive: uint8 (n, 3, 64, 64)."""
    images = np.empty((len(names), 3, 64, 64), dtype=np.uint8)

    def read_one(position: int) -> None:
        name = names[position]
        try:
            data = archive.read(f"img_align_celeba/{name}") if archive else (source / name).read_bytes()
            with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
                if image.size != CELEBA_SIZE:
                    raise DataError(f"{source / name}: {image.size} pixels found; should be {CELEBA_SIZE}")
                left, top = ((side - CELEBA_CROP) // 2 for side in image.size)
                box = (left, top, left + CELEBA_CROP, top + CELEBA_CROP)
                face = image.convert("RGB").crop(box).resize((64, 64), Image.Resampling.BILINEAR)
        except DataError:
            raise
        except JPEG_ERRORS as error:
            raise DataError(
                f"{source / name}: not a whole JPEG ({one_line(error)}); fetch it again"
            ) from error
        images[position] = np.asarray(face).transpose(2, 0, 1)

    # Threads help: decoding releases the interpreter lock.
    with (
        nullcontext() if source.is_dir() else zipfile.ZipFile(source) as archive,
        ThreadPoolExecutor() as pool,
    ):
        for _ in pool.map(read_one, range(len(names))):
            pass
    return images


def one_line(error: BaseException) -> str:
    """Return an error's message without line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


def _check_count(path: Path, count: int) -> None:
    if count < 2:
        raise DataError(f"{path}: {count} images found; should be at least 2")


def _check_labels(path: Path, labels: np.ndarray, n_images: int) -> None:
    if len(labels) != n_images:
        raise DataError(f"{path}: {len(labels)} labels found; should be {n_images}, one per image")
    if labels.max() > 9:
        raise DataError(f"{path}: label {labels.max()} found; should be 0 to 9")
