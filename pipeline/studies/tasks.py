"""What a study can measure of a method, by the name of its task in tables.yaml."""

from __future__ import annotations

import math
from collections.abc import Callable

from models.descent import DivergenceError
from pipeline.data.load import ImageSet
from pipeline.studies.grid import Cell
from pipeline.studies.measure import measure_complete, measure_latent, measure_normal, measure_occluded
from pipeline.studies.measure_all import measure_all
from pipeline.studies.result import CellResult, Extract, Fit
from pipeline.studies.tuning import measure_validation

TASKS: dict[str, Callable[[Cell, ImageSet, Extract, Fit], CellResult]] = {
    "complete": measure_complete,
    "normal": measure_normal,
    "occluded": measure_occluded,
    "latent": measure_latent,
    "all": measure_all,
    "validation": measure_validation,
}
# Parameters that do not reach what a task measures, so that changing one leaves its cells as they are.
IGNORED_BY_TASK = {
    "complete": ("anomaly", "mask", "profile_settings.evaluate.anomaly_steps"),
    "normal": ("mask", "fid"),
    "occluded": ("anomaly", "fid"),
    "latent": ("anomaly", "mask", "fid", "profile_settings.evaluate"),
    "all": (),
    "validation": ("anomaly", "mask", "profile_settings.evaluate.anomaly_steps"),
}


def measure_cell(cell: Cell, images: ImageSet, extract: Extract, fit: Fit) -> CellResult:
    """Fit the cell's method and measure what its task is about; failures become the result's ``error``."""
    try:
        result = TASKS[cell.task](cell, images, extract, fit)
        for name, value in result.numbers.items():
            if not math.isfinite(value):
                raise ValueError(f"{name} is {value}, expected a finite number")
        return result
    except DivergenceError as error:
        return CellResult(error=f"diverged: {error}")
    except (ValueError, ArithmeticError, RuntimeError) as error:  # one cell never breaks a table
        return CellResult(error=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
