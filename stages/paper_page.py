"""Stage paper: Table 1, the claims, and reports/README.md, which sets our section 7 beside the paper's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.settings.params import Params
from pipeline.stage import run_stage
from pipeline.storage.files import write_text
from pipeline.studies.grid import PAPER_STUDIES, list_methods, read_grid
from pipeline.studies.measured import read_cells
from reports.paper.claims import judge_claims, render_claims
from reports.paper.page import render_paper, tabulate_architectures
from reports.paper.published import read_published
from reports.result_table import render_markdown, write_table

TABLES = Path("reports/tables")
PAGE = Path("reports/README.md")
# Tables of benchmarks/dvc.yaml, with their figures; as dependencies they would be trained with the paper's.
BEYOND = {
    "leaderboard": "leaderboard",
    "rivals_table2": "",
    "rivals_table3": "",
    "rivals_table8": "",
    "tuning": "",
    "methods": "",
    "figure5": "figure5",
    "latents": "latents",
    "anomaly_study": "anomaly_study",
}


def paper(params: Params, tracker: object) -> dict[str, Any]:
    """Write the page, Table 1 and the claims; returns how many claims hold."""
    grid, published = read_grid(), read_published()
    cells = {study: read_cells(study, list_methods(study, grid)) for study in PAPER_STUDIES}
    table1 = tabulate_architectures(published)
    write_table(table1, TABLES)
    verdicts = judge_claims(cells)
    write_text(TABLES / "claims.md", render_claims(verdicts))
    found = {name: TABLES / f"{name}.md" for name in BEYOND}
    beyond = [
        (path.read_text(encoding="utf-8"), BEYOND[name]) for name, path in found.items() if path.exists()
    ]
    write_text(PAGE, render_paper(params, cells, published, render_markdown(table1), verdicts, beyond))
    outcomes = [verdict.holds for verdict in verdicts]
    return {
        "claims": len(outcomes),
        "hold": outcomes.count(True),
        "do_not_hold": outcomes.count(False),
        "cannot_be_told": outcomes.count(None),
    }


def main() -> None:
    """Run the stage."""
    run_stage("paper", paper)


if __name__ == "__main__":
    main()
