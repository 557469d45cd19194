"""Finished cells on disk, keyed by all that decides them: an interrupted table goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.storage.files import read_arrays, write_arrays, write_text
from pipeline.studies.grid import Cell
from pipeline.studies.result import CellResult
from pipeline.studies.tasks import IGNORED_BY_TASK

ALWAYS_IGNORED = ("data", "profile_settings.extractor")  # the images and the extractor are in the key anyway


def fingerprint(cell: Cell, ignored_by_method: Iterable[str] = ()) -> dict[str, Any]:
    """List everything that decides the cell's numbers, apart from code and data: for a memo's key."""
    ignored = (*ALWAYS_IGNORED, *IGNORED_BY_TASK[cell.task], *ignored_by_method)
    settings = {
        key: value
        for key, value in cell.params.flat().items()
        if not any(key == name or key.startswith(f"{name}.") for name in ignored)
    }
    decisive = {"task": cell.task, "method": cell.method, "classes": cell.classes, "params": settings}
    return decisive if cell.rate_factor == 1 else {**decisive, "rate_factor": cell.rate_factor}


def compute_key(**parts: Any) -> str:
    """Hash what decides a cell: settings, data digest, code digest, versions."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def save_result(folder: Path, key: str, result: CellResult) -> None:
    """Write a result so that a reader finds all of it or nothing: arrays first, numbers last."""
    write_arrays(folder / f"{key}.npz", result.arrays)
    write_text(
        folder / f"{key}.json",
        json.dumps(
            {
                "numbers": result.numbers,
                "curves": result.curves,
                "error": result.error,
                "lacks": result.lacks,
                "made": result.made,
            }
        ),
    )


def load_result(folder: Path, key: str) -> CellResult | None:
    """Read the result saved under ``key``; None where there is none, or it cannot be read."""
    try:
        kept = json.loads((folder / f"{key}.json").read_text())
        arrays = read_arrays(folder / f"{key}.npz")
        made = kept.get("made", {})  # of what was kept before there was one
        return CellResult(kept["numbers"], kept["curves"], arrays, kept["error"], kept["lacks"], made)
    except (OSError, ValueError, KeyError, TypeError):
        return None
