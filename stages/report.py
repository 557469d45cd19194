"""Stage report: the own run's tables, page and summary; its end brings the experiment into MLflow."""

from __future__ import annotations

import json
import logging
from typing import Any

from pipeline.settings.params import TASKS, Params, load_params
from pipeline.stage import parse_nothing, run_stage
from pipeline.storage import places
from pipeline.storage.files import write_folder, write_json, write_text
from pipeline.tracking.stage_tracker import publish_run
from reports.paper.published import read_published
from reports.result_table import write_table
from reports.run.run_page import render_page
from reports.run.run_tables import collect_tables, summarise

STAGES = (*(f"train-{task}" for task in TASKS), "reconstruct", "fid", "anomaly", "recover")
log = logging.getLogger(__name__)


def report(params: Params, tracker: object) -> None:
    """Write the tables, the page and the summary from the metric files of the other stages."""
    metrics: dict[str, dict[str, Any]] = {
        stage: json.loads(places.find_metrics(stage).read_text()) for stage in STAGES
    }
    if refused := metrics["fid"]["refused"]:
        log.warning("Frechet distance refused: %s", refused)
    tables = collect_tables(params, metrics, read_published())
    with write_folder(places.TABLES) as folder:
        for table in tables:
            write_table(table, folder)
    write_text(places.RUN_PAGE, render_page(params, tables))
    write_json(places.SUMMARY, summarise(metrics))


def main() -> None:
    """Run the stage, publish the experiment, say what came out and where to look."""
    parse_nothing(__doc__)
    run_stage("report", report)
    publish_run(load_params())
    numbers = json.loads(places.SUMMARY.read_text())
    shown = ", ".join(f"{key} {value:.4g}" for key, value in numbers.items() if value is not None)
    print(f"report: {shown}\nreport: page {places.RUN_PAGE}; `dvc exp show --only-changed`; `make ui`")


if __name__ == "__main__":
    main()
