"""What the stages `cells` left of a study: places, numbers, curves and arrays, or why there are none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.storage.files import read_arrays
from pipeline.studies.grid import PAPER_STUDIES

CELLS = Path("artifacts/cells")
Cell = dict[str, Any]


def read_cells(study: str, methods: Sequence[str], root: Path = CELLS) -> list[Cell]:
    """Read a study's cells in the order of ``methods``; `arrays` are read in, by name.

    A method whose folder is missing or damaged is one cell with an `error`.
    """
    found: list[Cell] = []
    for method in methods:
        folder = root / study / method
        try:
            cells = json.loads((folder / "cells.json").read_text())["cells"]
            for cell in cells:
                cell["arrays"] = read_arrays(folder / cell["arrays"]) if cell["arrays"] else {}
        except (OSError, ValueError, KeyError) as error:
            cells = [describe_missing(study, method, f"{type(error).__name__}: {folder / 'cells.json'}")]
        found += cells
    return found


def describe_missing(study: str, method: str, cause: str) -> Cell:
    """A cell that stands for a method's missing ones."""
    target = study if study in PAPER_STUDIES else f"benchmarks/dvc.yaml:{study}"
    error = f"not measured ({cause}); `dvc repro {target}` measures it"
    empty: Cell = {"dataset": "", "alpha": 0.0, "seed": None, "axes": {}}
    return {
        "study": study,
        "method": method,
        "error": error,
        "numbers": {},
        "lacks": {},
        "curves": {},
        "arrays": {},
    } | empty
