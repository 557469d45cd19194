"""The image folders that stages hand to each other: artifacts/data/<name>/*.npy and meta.json."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pipeline.storage.files import write_folder

META_FILE = "meta.json"


class DataError(ValueError):
    """Data that cannot be used; the message is one line naming the file, what was found and what is right."""


@dataclass(frozen=True)
class StoredImages:
    """What one folder holds: ``arrays`` by name (read-only, memory-mapped), and the ``meta`` beside them."""

    arrays: dict[str, np.ndarray]
    meta: dict

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]


def data_digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the sha256 (hex) of named arrays: names, dtypes, shapes and bytes, whatever their order."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def write_images(folder: str | Path, arrays: Mapping[str, np.ndarray], meta: Mapping) -> str:
    """Write arrays and meta.json as one folder, whole or not at all, and return the arrays' digest.

    The folder is written beside its final place and renamed, so a reader never sees half of it and a failed
    write leaves an older folder as it was. meta.json also records the arrays' shapes, dtypes and digest.
    Raises DataError with the path when the disk refuses (full, read-only).
    """
    folder = Path(folder)
    digest = data_digest(arrays)
    shapes = {name: {"shape": list(a.shape), "dtype": str(a.dtype)} for name, a in arrays.items()}
    try:
        with write_folder(folder) as partial:
            for name, array in arrays.items():
                _write_array(partial / f"{name}.npy", array)
            text = json.dumps({**meta, "digest": digest, "arrays": shapes}, indent=2, sort_keys=True)
            (partial / META_FILE).write_text(text + "\n")
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror}); free or unlock the disk") from error
    return digest


def read_images(folder: str | Path) -> StoredImages:
    """Open the arrays of a folder that ``write_images`` wrote, read-only and memory-mapped.

    Raises DataError when the folder, meta.json or an array is missing, truncated or has another shape or
    dtype than meta.json records. Pickled arrays are refused.
    """
    folder = Path(folder)
    meta_path = folder / META_FILE
    if not meta_path.is_file():
        raise DataError(f"{meta_path}: file is missing; run `dvc repro` to write the folder")
    try:
        meta = json.loads(meta_path.read_text())
        recorded = {name: (tuple(a["shape"]), a["dtype"]) for name, a in meta["arrays"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{meta_path}: not the description of an image folder; run `dvc repro -f`") from error
    arrays = {
        name: _open_array(folder / f"{name}.npy", shape, dtype) for name, (shape, dtype) in recorded.items()
    }
    return StoredImages(arrays, meta)


class _Writer:
    """A file of which numpy sees nothing but ``write``.

    Given a real file, numpy writes an array by C's fwrite (``ndarray.tofile``), which can miss that the disk
    is full; to anything else it hands the bytes, and Python's own write raises OSError.
    """

    def __init__(self, file: BinaryIO):
        self.write = file.write


def _write_array(path: Path, array: np.ndarray) -> None:
    """Write an .npy file that is whole and on the disk when this returns; raises OSError."""
    with open(path, "wb") as file:
        np.lib.format.write_array(_Writer(file), array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())


def _open_array(path: Path, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: file is missing; {META_FILE} lists it, run `dvc repro -f`") from error
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path}: not a whole .npy file; run `dvc repro -f`") from error
    if not isinstance(array, np.ndarray):  # np.load opens a zip archive whatever its name
        raise DataError(f"{path}: an archive found; should be one .npy array")
    if (array.shape, str(array.dtype)) != (shape, dtype):
        raise DataError(f"{path}: {array.dtype} {array.shape} found; {META_FILE} records {dtype} {shape}")
    return array
