"""Stage exhibit: one table of the paper, and the figures, from what the stage cells left of a study."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path
from typing import Any

from pipeline.settings.params import Params
from pipeline.stage import run_stage
from pipeline.studies.grid import list_methods, read_grid
from pipeline.studies.measured import read_cells
from reports.paper.figures import draw_figures
from reports.paper.layouts import LAYOUTS
from reports.paper.pivot import write_tables
from reports.paper.published import read_published
from reports.paper.rows import build_rows
from reports.result_table import ResultTable

TABLES = Path("reports/tables")
FIGURES = Path("reports/figures")


def build_exhibit(params: Params, tracker: object, study: str) -> dict[str, Any]:
    """Write reports/tables/<study>.csv and .md and the study's figures; returns how many cells it has."""
    cells = read_cells(study, list_methods(study, read_grid()))
    layout = LAYOUTS[study]
    seeds = sorted({cell["seed"] for cell in cells if cell["seed"] is not None}) or [params.seed]
    note = f"Profile {params.profile}, seed {', '.join(map(str, seeds))}. {layout.note}".strip()
    published = read_published()
    n_rows = 0
    for name, quantities in layout.split(study).items():
        rows = build_rows(study, cells, published, quantities)
        table = ResultTable(name, layout.title, note, rows)
        write_tables(study, table, cells, published, quantities, TABLES)
        n_rows += len(rows)
    draw_figures(study, cells, FIGURES)
    return {"cells": len(cells), "failed": sum(bool(cell["error"]) for cell in cells), "rows": n_rows}


def main() -> None:
    """Run the stage for the study named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", choices=list(LAYOUTS))
    study = parser.parse_args().study
    run_stage(study, functools.partial(build_exhibit, study=study))


if __name__ == "__main__":
    main()
