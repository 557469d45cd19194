"""What a study can measure of a method, by the name of its task in tables.yaml."""

from __future__ import annotations

import math
from collections.abc import Callable

from models.descent import DivergenceError
from models.interface import Lacking
from pipeline.data.load import ImageSet
from pipeline.studies.grid import Cell
from pipeline.studies.measure import (
    NUMBERS,
    measure_anomaly,
    measure_complete,
    measure_latent,
    measure_occluded,
)
from pipeline.studies.measure_all import KEPT, measure_all
from pipeline.studies.result import CellResult, Extract, Fit, describe_lack
from pipeline.studies.tuning import QUALITIES, measure_validation

TASKS: dict[str, Callable[[Cell, ImageSet, Extract, Fit], CellResult]] = {
    "complete": measure_complete,
    "anomaly": measure_anomaly,
    "occluded": measure_occluded,
    "latent": measure_latent,
    "all": measure_all,
    "validation": measure_validation,
}
NUMBERS_OF_TASK = {
    **NUMBERS,
    "all": tuple(key for keys in KEPT.values() for key in keys),
    "validation": QUALITIES,
}
# Parameters that do not reach what a task measures, so that changing one leaves its cells as they are.
IGNORED_BY_TASK = {
    "complete": ("anomaly", "mask", "profile_settings.evaluate.anomaly_steps"),
    "anomaly": ("mask", "fid"),
    "occluded": ("anomaly", "fid"),
    "latent": ("anomaly", "mask", "fid", "profile_settings.evaluate"),
    "all": (),
    "validation": ("anomaly", "mask", "profile_settings.evaluate.anomaly_steps"),
}


def measure_cell(cell: Cell, images: ImageSet, extract: Extract, fit: Fit) -> CellResult:
    """Fit the cell's method and measure what its task is about.

    What the method lacks for it becomes the result's ``lacks``, a failure its ``error``.
    """
    try:
        result = TASKS[cell.task](cell, images, extract, fit)
        for name, value in result.numbers.items():
            if not math.isfinite(value):
                raise ValueError(f"{name} is {value}, expected a finite number")
        return result
    except Lacking as cause:
        return describe_lack(NUMBERS_OF_TASK[cell.task], cause)
    except DivergenceError as error:
        return CellResult(error=f"diverged: {error}")
    except (ValueError, ArithmeticError, RuntimeError, MemoryError) as error:  # one never breaks a table
        return CellResult(error=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
