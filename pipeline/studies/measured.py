"""Measured cells on disk: one type, one writer, one reader.

reports/results/<profile>/cells/<study>/<method>/ has cells.json, with every cell's place, key and numbers,
and N.npz, with the arrays that cell N's figures are drawn from.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.storage import places
from pipeline.storage.files import read_arrays, write_arrays, write_folder, write_json
from pipeline.studies.grid import PAPER_STUDIES, Cell
from pipeline.studies.result import CellResult

FILE = "cells.json"
RECORDED = "recorded"  # the profile of the trainings that are run once, over hours


@dataclass(frozen=True)
class MeasuredCell:
    """Where a cell stands in its study, and what was measured there, or why nothing was.

    ``alpha``: of methods whose rows are named by it, else None; ``axes``: the values that place it;
    ``place``: the same in words; ``key``: all that decides it, as a digest; ``extractor``: whose
    features the Frechet distance is in. ``numbers``, ``curves``, ``arrays``, ``error`` and ``lacks`` are a
    CellResult's.
    """

    study: str
    method: str
    dataset: str = ""
    paper_dataset: str = ""
    alpha: float | None = None
    seed: int | None = None
    axes: dict[str, Any] = field(default_factory=dict)
    place: str = ""
    key: str = ""
    extractor: str = ""
    rate_factor: float = 1.0
    numbers: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    error: str = ""
    lacks: dict[str, str] = field(default_factory=dict)

    @property
    def result(self) -> CellResult:
        """What was measured, without its place."""
        return CellResult(self.numbers, self.curves, self.arrays, self.error, self.lacks)


def place_result(cell: Cell, result: CellResult, key: str, named_by_alpha: bool) -> MeasuredCell:
    """A result at the place of its cell."""
    params = cell.params
    return MeasuredCell(
        study=cell.study,
        method=cell.method,
        dataset=params.dataset,
        paper_dataset=cell.paper_dataset,
        alpha=params.alpha if named_by_alpha else None,
        seed=params.seed,
        axes=dict(cell.axes),
        place=cell.place,
        key=key,
        extractor="inception" if params.fid.inception_file else f"{params.dataset} classifier",
        rate_factor=cell.rate_factor,
        numbers=result.numbers,
        curves=result.curves,
        arrays=result.arrays,
        error=result.error,
        lacks=result.lacks,
    )


def write_cells(folder: Path, cells: Sequence[MeasuredCell]) -> None:
    """Write a method's cells of a study into ``folder``, in the place of those that were there."""
    with write_folder(folder) as partial:
        listed = []
        for number, cell in enumerate(cells):
            name = f"{number}.npz" if cell.arrays else ""
            if cell.arrays:
                write_arrays(partial / name, cell.arrays)
            listed.append({item.name: getattr(cell, item.name) for item in dataclasses.fields(cell)})
            listed[-1]["arrays"] = name
        write_json(partial / FILE, {"cells": listed})


def read_folder(folder: Path) -> list[MeasuredCell]:
    """Read what ``write_cells`` wrote; raises OSError or ValueError for a folder that is not whole."""
    path = folder / FILE
    try:
        entries = json.loads(path.read_text())["cells"]
        return [
            MeasuredCell(**cell | {"arrays": read_arrays(folder / cell["arrays"]) if cell["arrays"] else {}})
            for cell in entries
        ]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: {type(error).__name__}: {error}") from error


def read_cells(profile: str, study: str, methods: Sequence[str]) -> list[MeasuredCell]:
    """Read a study's cells in the order of ``methods``.

    A method whose folder is missing or damaged is one cell with an ``error``.
    """
    cells: list[MeasuredCell] = []
    for method in methods:
        folder = places.find_cells(profile, study, method)
        try:
            cells += read_folder(folder)
        except (OSError, ValueError) as error:
            cause = f"{type(error).__name__}: {folder / FILE}"
            cells.append(describe_missing(profile, study, method, cause))
    return cells


def describe_missing(profile: str, study: str, method: str, cause: str) -> MeasuredCell:
    """A cell that stands for a method's missing ones."""
    command = f"dvc repro exhibit@{study}"
    if profile == RECORDED:  # which is not params.yaml's, and has stages of its own
        command = f"dvc --cd beyond repro recorded_exhibit@{study}"
    elif study not in PAPER_STUDIES:
        command = f"dvc --cd beyond repro exhibit@{study}"
    return MeasuredCell(study, method, error=f"not measured ({cause}); `{command}` measures it")
