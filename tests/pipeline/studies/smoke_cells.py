"""Cells at profile smoke, each measured by its own method."""

from pathlib import Path

import torch
import yaml

from models.catalogue import METHODS
from models.interface import FittedMethod
from pipeline.studies.grid import list_cells, read_grid
from pipeline.studies.tasks import measure_cell as measure_with

ROOT = Path(__file__).parents[3]
CONTENT = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"profile": "smoke"}
CONTENT["profiles"]["smoke"]["train"]["channels_divided_by"]["mnist"] = 16  # nothing here is about size
GRID = read_grid(ROOT / "tables.yaml")


def measure_cell(cell, images, extract):
    """Measure a cell by its own method."""
    return measure_with(cell, images, extract, METHODS[cell.method].load())


def cell(table, method="Ours", number=0):
    """A study's cell of a method, by its number."""
    return list_cells(table, method, CONTENT, GRID)[number]


class Still(FittedMethod):
    """Draws one grey image over and over, and can do nothing else."""

    def sample(self, n):
        return torch.linspace(0, 1, n).view(-1, 1, 1, 1).expand(n, 1, 28, 28)
