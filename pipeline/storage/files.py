"""Atomic writes, and where things belong that outlive a queued experiment's temporary folder."""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np


def project_root() -> Path:
    """Find the main repository: DVC_ROOT, the parent repository in queued runs, else the working folder."""
    return Path(os.environ.get("DVC_ROOT") or ".").resolve()


def write_text(path: str | Path, text: str) -> None:
    """Write a text file as ``write_bytes`` does."""
    write_bytes(path, text.encode())


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file so that a reader sees the old content or the new one, never half of it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # a name must not outlive a crash of the machine without its content
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


@contextmanager
def write_folder(folder: str | Path) -> Iterator[Path]:
    """Let a block fill a new folder that then takes the place of ``folder``, whole or not at all.

    A block that fails leaves an older folder as it was.
    """
    folder = Path(folder)
    partial = folder.with_name(f".{folder.name}.partial")
    replaced = folder.with_name(f".{folder.name}.replaced")
    for leftover in (partial, replaced):  # of a run that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        if folder.exists():
            os.replace(folder, replaced)  # a folder that is not empty cannot be replaced in one step
        os.replace(partial, folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays of plain numbers as one .npz, atomically; raises ValueError for an array of objects."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_bytes(path, buffer.getvalue())


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read a .npz of plain arrays; raises ValueError, with its name, for a damaged or pickled one."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (BadZipFile, zlib.error, EOFError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: not a whole .npz file ({' '.join(str(error).split())})") from error


def write_json(path: str | Path, values: dict[str, Any]) -> None:
    """Write ``values`` as JSON with sorted keys; raises ValueError that names a value that is not finite."""
    for key, value in flatten(values):
        for number in _list_leaves(value):
            if isinstance(number, float) and not math.isfinite(number):
                raise ValueError(f"{path}: {key} is {number}, expected a finite number")
    write_text(path, json.dumps(values, indent=2, sort_keys=True) + "\n")


def _list_leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        for one in value:
            yield from _list_leaves(one)
    elif isinstance(value, dict):
        yield from _list_leaves(list(value.values()))
    else:
        yield value


def flatten(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) for every leaf of nested dicts."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
