"""What measuring a cell takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # who reads results needs no torch
    from torch import Tensor

    from models.interface import FittedMethod, Lacking
    from models.short_run.method import TrainingRequest

Extract = Callable[["Tensor"], "Tensor"]  # images (N, C, H, W) -> features (N, F) for the Frechet distance
Fit = Callable[["TrainingRequest"], "FittedMethod"]


@dataclass(frozen=True)
class CellResult:
    """What a cell measured, or why it could not.

    ``numbers`` by name; ``curves``: a value for each round; ``arrays``: what its figures are drawn from,
    images as uint8 (n, C, H, W), latents as float32 (N, d). ``lacks``: why the method gives no number, by
    the number's name. ``made``: where and how long (``pipeline.studies.making``), which is no result.
    """

    numbers: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    error: str = ""
    lacks: dict[str, str] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict, compare=False)


def unite_results(parts: Iterable[CellResult]) -> CellResult:
    """Bring together what parts of a measurement say of one cell."""
    whole = CellResult()
    for part in parts:
        whole.numbers.update(part.numbers)
        whole.curves.update(part.curves)
        whole.arrays.update(part.arrays)
        whole.lacks.update(part.lacks)
    return whole


def describe_lack(names: Iterable[str], cause: Lacking) -> CellResult:
    """The result of a measurement that the method lacks something for: none of the numbers ``names``."""
    return CellResult(lacks=dict.fromkeys(names, str(cause)))
