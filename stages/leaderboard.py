"""Stage leaderboard: all methods side by side, from what the stage cells left of leaderboard and tuning."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from models.catalogue import METHODS
from pipeline.settings.params import Params
from pipeline.stage import run_stage
from pipeline.storage.files import write_text
from pipeline.studies.grid import list_methods, read_grid
from pipeline.studies.measured import read_cells
from reports.beyond.leaderboard_table import QUALITIES, draw_leaderboard, render, render_methods, tabulate
from reports.beyond.rival_tables import write_rival_tables
from reports.beyond.tuning_table import render_tuning, tabulate_tuning
from reports.paper.published import read_published

STUDY, TUNING = "leaderboard", "tuning"
TABLES = Path("reports/tables")
FIGURE = Path("reports/figures/leaderboard.png")


def leaderboard(params: Params, tracker: object) -> dict[str, Any]:
    """Write the leaderboard, the methods' rows in Tables 2, 3 and 8, their tuning and sources, the figure.

    Returns each method's qualities.
    """
    grid = read_grid()
    methods = list_methods(STUDY, grid)
    cells = read_cells(STUDY, methods)
    frame = tabulate(cells)
    write_text(TABLES / "leaderboard.csv", frame.to_csv(index=False))
    write_text(TABLES / "leaderboard.md", render(frame, cells, params.profile))
    write_rival_tables(cells, grid["studies"][STUDY], read_published(), params.profile, TABLES)
    tuning = tabulate_tuning(read_cells(TUNING, methods))
    write_text(TABLES / "tuning.csv", tuning.to_csv(index=False))
    write_text(TABLES / "tuning.md", render_tuning(tuning, params.profile))
    write_text(TABLES / "methods.md", render_methods({name: METHODS[name] for name in methods}))
    draw_leaderboard(FIGURE, frame)
    return {
        str(row["method"]): {key: row[key] for key in QUALITIES if not math.isnan(row[key])}
        for row in frame.to_dict("records")
    } | {"failed": int(sum(bool(cell["error"]) for cell in cells))}


def main() -> None:
    """Run the stage."""
    run_stage("leaderboard", leaderboard)


if __name__ == "__main__":
    main()
