"""Cells of a study made in the working folder, and read again."""

from pathlib import Path

import yaml

from pipeline.settings.params import parse_params
from pipeline.storage import places
from pipeline.studies.measured import read_folder
from stages import cells

ROOT = Path(__file__).parents[2]
LINEAR = "[Ours, PPCA]"  # the methods of Tables 4 to 7, here without the yardstick
TABLES = (ROOT / "tables.yaml").read_text().replace(LINEAR, "[Ours]")


def run(study="table6", method="Ours"):
    """Make a method's cells of a study."""
    params = parse_params(yaml.safe_load(Path("params.yaml").read_text()))
    cells.run_study(params, None, study, [method], workers=0)


def read(study="table6", method="Ours"):
    """Read a method's cells of a study."""
    return read_folder(places.find_cells("smoke", study, method))


def count_measured(monkeypatch, result):
    """Replace the measuring; returns the list of cells that were measured."""
    measured = []

    def measure(cell, images, extract, fit):
        measured.append(cell.place)
        return result(cell)

    monkeypatch.setattr("pipeline.studies.recall.measure_cell", measure)
    return measured
