"""Stage publish: bring MLflow up to date with the metric files; cheap, and idempotent."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from pipeline.settings.params import load_params
from pipeline.settings.yaml_files import read_yaml
from pipeline.stage import describe_error
from pipeline.tracking.current_stages import find_current_stages
from pipeline.tracking.run_record import read_record
from pipeline.tracking.stage_tracker import warn_unreachable
from pipeline.tracking.store import Store, hide_password, tracking_uri

METRICS = Path("metrics")
LOCKS = (Path("dvc.lock"), Path("benchmarks/dvc.lock"))
FIGURES = Path("reports/figures")
TABLES = Path("reports/tables")


def publish() -> int:
    """Upsert the experiment's parent run and its stages' children; returns how many runs changed.

    Metrics of stages that have not run with these parameters, such as committed ones, stay out. A store that
    cannot be reached is a warning, not a failure: the files stay the record.
    """
    current = find_current_files()
    stages = sorted(path.stem for path in METRICS.glob("*.json") if path.as_posix() in current)
    records = [read_record(stage) for stage in stages]
    try:
        store = Store(load_params())
        return store.publish(records, [*sorted(FIGURES.glob("*.png")), *sorted(TABLES.glob("*.*"))])
    except ValueError:
        raise
    except Exception as error:
        warn_unreachable(error)
        return 0


def find_current_files() -> set[str]:
    """The outputs that the lock files know to belong to the present params.yaml and tables.yaml.

    Where there is none, the stages were run by hand, and all metrics are present ones.
    """
    locks = {path: read_yaml(path) for path in LOCKS if path.exists()}
    if not locks:
        return {path.as_posix() for path in METRICS.glob("*.json")}
    for path, lock in locks.items():
        if not isinstance(lock, dict) or not isinstance(lock.get("stages"), dict):
            raise ValueError(
                f"{path}: not a lock file of DVC; `git checkout {path}` brings the committed one"
            )
    stages = {name: stage for lock in locks.values() for name, stage in lock["stages"].items()}
    current = find_current_stages({"stages": stages}, read_yaml("params.yaml"), read_yaml("tables.yaml"))
    return {out["path"] for name in current for out in stages[name].get("outs", [])}


def main() -> None:
    """Run the stage."""
    logging.basicConfig(level=logging.WARNING, format="publish: %(message)s", stream=sys.stderr)
    for noisy in ("alembic", "mlflow", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    try:
        changed = publish()
    except (ValueError, OSError) as error:
        sys.exit(f"publish: {describe_error(error)}")
    print(f"publish: {changed} runs brought up to date in {hide_password(tracking_uri())}")


if __name__ == "__main__":
    main()
