"""Finished cells on disk, keyed by all that decides them: an interrupted table goes on where it was."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.cells import CellResult
from pipeline.files import write_text


def digest_code(root: Path, folders: Iterable[str] = ("models", "pipeline")) -> str:
    """sha256 of the Python sources that a cell runs."""
    found = hashlib.sha256()
    for path in sorted(path for folder in folders for path in (root / folder).rglob("*.py")):
        found.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def compute_key(**parts: Any) -> str:
    """A short name for a cell: settings, data digest, code digest, versions."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def save_result(folder: Path, key: str, result: CellResult) -> None:
    """Write a result so that a reader finds all of it or nothing: pictures first, numbers last."""
    write_pictures(folder / f"{key}.npz", result.pictures)
    write_text(folder / f"{key}.json", json.dumps({"numbers": result.numbers, "error": result.error}))


def load_result(folder: Path, key: str) -> CellResult | None:
    """The result saved under ``key``; None where there is none, or it cannot be read."""
    try:
        found = json.loads((folder / f"{key}.json").read_text())
        return CellResult(found["numbers"], read_pictures(folder / f"{key}.npz"), found["error"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_pictures(path: Path, pictures: dict[str, np.ndarray]) -> None:
    """Write uint8 arrays as one .npz, atomically."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **pictures)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    with os.fdopen(descriptor, "wb") as file:
        file.write(buffer.getvalue())
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)


def read_pictures(path: Path) -> dict[str, np.ndarray]:
    """Read a .npz of plain arrays; pickled ones are refused."""
    with np.load(path, allow_pickle=False) as content:
        return {name: content[name] for name in content.files}
