"""Stage exhibit: one table of the paper, and the figures, from what the stage cells left of a study."""

from __future__ import annotations

import argparse
import functools

from pipeline.settings.params import Params
from pipeline.stage import add_profile, run_stage
from pipeline.storage import places
from pipeline.storage.files import write_folder, write_json
from pipeline.studies.grid import list_methods, read_grid
from pipeline.studies.measured import read_cells
from pipeline.studies.planning import list_study
from reports.paper.equal_work import describe_equal_work
from reports.paper.evaluations import describe_evaluations
from reports.paper.figures import draw_figures
from reports.paper.layouts import LAYOUTS
from reports.paper.pivot import write_tables
from reports.paper.published import read_published
from reports.paper.rows import build_rows
from reports.paper.yardstick import describe_cells
from reports.result_table import ResultTable


def build_exhibit(params: Params, tracker: object, study: str) -> None:
    """Write a study's tables as CSV and Markdown, its figures, and how many of its cells failed."""
    grid = read_grid()
    methods = list_methods(study, grid)
    cells = read_cells(params.profile, study, methods)
    listed = list_study(study, params, grid)
    layout = LAYOUTS[study]
    seeds = sorted({cell.seed for cell in cells if cell.seed is not None}) or [params.seed]
    sentences = (
        f"Profile {params.profile}, seed {', '.join(map(str, seeds))}.",
        layout.note,
        describe_evaluations(study, listed),
        describe_cells(study, cells),
        describe_equal_work(study, cells, listed),
    )
    note = " ".join(filter(None, sentences))
    published = read_published()
    n_rows = 0
    with write_folder(places.find_exhibit(params.profile, study)) as folder:
        for name, quantities in layout.split(study).items():
            rows = build_rows(study, cells, published, quantities)
            table = ResultTable(name, layout.title, note, rows)
            write_tables(study, table, cells, published, quantities, folder)
            n_rows += len(rows)
        draw_figures(study, cells, folder)
        failed = sum(bool(cell.error) for cell in cells)
        write_json(folder / "exhibit.json", {"cells": len(cells), "failed": failed, "rows": n_rows})


def main() -> None:
    """Run the stage for the study named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", choices=list(LAYOUTS))
    add_profile(parser)
    arguments = parser.parse_args()
    stage = functools.partial(build_exhibit, study=arguments.study)
    run_stage(f"exhibit-{arguments.study}", stage, profile=arguments.profile)


if __name__ == "__main__":
    main()
