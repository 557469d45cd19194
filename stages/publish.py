"""Stage publish: bring MLflow up to date with the files; cheap, and idempotent.

The stage ``report`` publishes the own run, its trained models with it. This one adds what was trained
for the tables here, and makes up for a tracking server that could not be reached.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.settings.params import Params, load_params
from pipeline.settings.yaml_files import read_yaml
from pipeline.stage import describe_error, parse_nothing, set_up_logging
from pipeline.storage import places
from pipeline.studies.grid import list_methods, read_grid
from pipeline.studies.trained_here import has_trained_here
from pipeline.tracking.current_stages import find_current_stages
from pipeline.tracking.run_record import StageRecord, read_cells_record
from pipeline.tracking.stage_tracker import publish_run
from pipeline.tracking.store import hide_password, tracking_uri

LOCK = Path("dvc.lock")


def publish() -> int:
    """Upsert the experiment's parent run and its stages' children; returns how many runs changed.

    Stages that have not run with these parameters stay out, and so do results that came with Git: only what
    this machine trained is a run. A store that cannot be reached is a warning, not a failure.
    """
    params = load_params()
    return publish_run(params, list_trained_cells(params), with_own_run=is_own_run_current())


def is_own_run_current() -> bool:
    """Whether dvc.lock says that the own run's last stage ran with the present params.yaml."""
    if not LOCK.exists():  # stages run by hand
        return places.SUMMARY.exists()
    lock = read_yaml(LOCK)
    if not isinstance(lock, dict) or not isinstance(lock.get("stages"), dict):
        remedy = f"`git checkout HEAD -- {LOCK}` brings the committed one"
        raise ValueError(f"{LOCK}: not a lock file of DVC; {remedy}")
    return "report" in find_current_stages(lock, read_yaml("params.yaml"), read_yaml("tables.yaml"))


def list_trained_cells(params: Params) -> list[StageRecord]:
    """The studies' cells by method, of each method of which this machine trained one at least."""
    grid = read_grid()
    return [
        read_cells_record(params.profile, study, method)
        for study in grid["studies"]
        for method in list_methods(study, grid)
        if has_trained_here(params.profile, study, method)
    ]


def main() -> None:
    """Run the stage."""
    parse_nothing(__doc__)
    set_up_logging("publish")
    try:
        changed = publish()
    except (ValueError, OSError) as error:
        sys.exit(f"publish: {describe_error(error)}")
    print(
        f"publish: {changed} runs brought up to date in {hide_password(tracking_uri())}; `make ui` shows them"
    )


if __name__ == "__main__":
    main()
