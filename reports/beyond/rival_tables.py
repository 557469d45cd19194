"""Every method's row in Tables 2, 3 and 8, from the leaderboard's cells, beside the paper's own rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.studies.measured import MeasuredCell
from reports.beyond.leaderboard_notes import tell_lacks
from reports.paper.all_methods import CITED_TWICE, QUANTITIES, describe_spread
from reports.paper.pivot import write_tables
from reports.paper.rows import build_rows
from reports.result_table import ResultTable

AXES = {"table2": (), "table3": ("held_out",), "table8": ("mask",)}  # what places a cell in the paper's table
TITLES = {
    "table2": "Table 2, every method: reconstruction and generation",
    "table3": "Table 3, every method: anomaly detection, AUPRC",
    "table8": "Table 8, every method: recovery of occluded images",
}


def place_cells(study: str, cells: Sequence[MeasuredCell], places: dict[str, Any]) -> list[MeasuredCell]:
    """Place the leaderboard's cells in a table of the paper; ``places``: their held_out and mask."""
    keys = {quantity.key for quantity in QUANTITIES[study]}
    cells_of_table = []
    for cell in cells:
        placed = replace(
            cell,
            axes={key: places[key] for key in AXES[study]} | {"seed": cell.seed},
            numbers={key: cell.numbers[key] for key in (*keys, "n") if key in cell.numbers},
            lacks={key: reason for key, reason in tell_lacks(cell.method, cell.lacks).items() if key in keys},
        )
        cells_of_table.append(placed)
        if study == "table3" and cell.method in CITED_TWICE:
            cells_of_table.append(replace(placed, method=CITED_TWICE[cell.method]))
    return cells_of_table


def write_rival_tables(
    cells: Sequence[MeasuredCell],
    places: dict[str, Any],
    published: dict[str, Any],
    profile: str,
    folder: Path,
) -> int:
    """Write rivals_table2, _table3 and _table8 as .csv and .md into ``folder``; returns how many rows."""
    n_rows = 0
    for study, quantities in QUANTITIES.items():
        placed = place_cells(study, cells, places)
        note = (
            f"Profile {profile}, study `leaderboard`: fewer images than in the table of that number; "
            f"{describe_spread(cells)}; the paper's number in brackets where quantity, data set and "
            "extractor are its own."
        )
        rows = build_rows(study, placed, published, quantities)
        table = ResultTable(f"rivals_{study}", TITLES[study], note, rows)
        write_tables(study, table, placed, published, quantities, folder)
        n_rows += len(rows)
    return n_rows
