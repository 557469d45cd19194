"""Small files of the published data sets in their true on-disk formats, and how a refusal must read."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from pipeline.data.image_folder import DataError

IDX_FILES = [
    f"{split}-{what}-ubyte.gz" for split in ("train", "t10k") for what in ("images-idx3", "labels-idx1")
]
RNG = np.random.default_rng(0)
DIGITS = RNG.integers(0, 256, (40, 28, 28), dtype=np.uint8)
LABELS = (np.arange(40) % 10).astype(np.uint8)
MANGLE = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def idx(array: np.ndarray, magic: int | None = None, shape: tuple[int, ...] | None = None) -> bytes:
    """The true IDX bytes of a uint8 array, header fields overridable to lie."""
    magic = 0x0800 + array.ndim if magic is None else magic
    shape = array.shape if shape is None else shape
    return gzip.compress(struct.pack(f">{1 + len(shape)}I", magic, *shape) + array.tobytes())


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
