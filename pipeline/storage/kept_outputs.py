"""What a stage's outputs were made from: a stage that DVC starts again for a changed comment leaves them.

DVC compares files byte by byte. A key of settings, data and the meaning of the code tells more: where it is
the one that the outputs were made with, and they are whole, making them again gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.storage.files import write_text

FOLDER = Path("artifacts/kept")


def keep_outputs(stage: str, key: str, metrics: dict[str, Any], outputs: Iterable[Path]) -> None:
    """Note what ``key`` led to: the stage's numbers, and the digests of its files."""
    files = {str(path): _digest(path) for path in outputs}
    note = {"key": key, "metrics": metrics, "files": files}
    write_text(FOLDER / f"{stage}.json", json.dumps(note))


def read_kept(stage: str, key: str) -> dict[str, Any] | None:
    """Read the stage's numbers where its files are those that ``key`` led to, else None."""
    try:
        note = json.loads((FOLDER / f"{stage}.json").read_text())
        if note["key"] != key:
            return None
        whole = all(_digest(Path(path)) == digest for path, digest in note["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return note["metrics"] if whole else None


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
