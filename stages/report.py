"""Stage report: every table, and reports/RUN.md that shows tables and pictures together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.settings.params import TASKS, Params
from pipeline.stage import run_stage
from pipeline.storage.files import write_text
from reports.paper.published import read_published
from reports.result_table import write_table
from reports.run.run_page import render_page
from reports.run.run_tables import collect_tables

METRICS = Path("metrics")
TABLES = Path("reports/tables")
PAGE = Path("reports/RUN.md")
STAGES = (*(f"train-{task}" for task in TASKS), "reconstruct", "fid", "anomaly", "recover")


def report(params: Params, tracker: object) -> dict[str, Any]:
    """Write the tables and the page from the metric files of the other stages."""
    metrics = {stage: json.loads((METRICS / f"{stage}.json").read_text()) for stage in STAGES}
    tables = collect_tables(params, metrics, read_published())
    for table in tables:
        write_table(table, TABLES)
    write_text(PAGE, render_page(params, tables))
    return {"tables": len(tables), "rows": sum(len(table.rows) for table in tables)}


def main() -> None:
    """Run the stage."""
    run_stage("report", report)


if __name__ == "__main__":
    main()
