"""Atomic writes, and where things belong that outlive a queued experiment's temporary folder."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def project_root() -> Path:
    """The main repository: DVC_ROOT, the parent repository in queued runs, else the working folder."""
    return Path(os.environ.get("DVC_ROOT") or ".").resolve()


def write_text(path: str | Path, text: str) -> None:
    """Write a file so that a reader sees the old content or the new one, never half of it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_json(path: str | Path, content: dict[str, Any]) -> None:
    """Write ``content`` as JSON with sorted keys; raises ValueError that names a value that is not finite."""
    for key, value in flatten(content):
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{path}: {key} is {value}, expected a finite number")
    write_text(path, json.dumps(content, indent=2, sort_keys=True) + "\n")


def flatten(content: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) for every leaf of nested dicts."""
    for key, value in content.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
