"""Rows of a JSON file, one for each training that a tool measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.storage.files import write_json

Row = dict[str, Any]


def read_rows(path: Path) -> list[Row]:
    """What was measured so far; nothing where there is no file."""
    return list(json.loads(path.read_text())["rows"]) if path.exists() else []


def put_row(row: Row, path: Path, same: Sequence[str], order: Callable[[Row], Any]) -> None:
    """Put a row in the place of the one that agrees in the keys ``same``; rows are kept in ``order``."""
    others = [one for one in read_rows(path) if any(one[key] != row[key] for key in same)]
    write_json(path, {"rows": sorted([*others, row], key=order)})
