"""Stage leaderboard: all methods side by side, from what the stage cells left of the study leaderboard."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from pipeline.files import write_text
from pipeline.grid import list_methods, read_grid
from pipeline.params import Params
from pipeline.stage import run_stage
from reports.leaderboard import QUALITIES, draw_leaderboard, render, tabulate
from reports.study_cells import read_cells

STUDY = "leaderboard"
TABLES = Path("reports/tables")
FIGURE = Path("reports/figures/leaderboard.png")


def leaderboard(params: Params, tracker: object) -> dict[str, Any]:
    """Write reports/tables/leaderboard.csv and .md and the figure; returns each method's qualities."""
    cells = read_cells(STUDY, list_methods(STUDY, read_grid()))
    frame = tabulate(cells)
    write_text(TABLES / "leaderboard.csv", frame.to_csv(index=False))
    write_text(TABLES / "leaderboard.md", render(frame, cells, params.profile))
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
