"""Stage publish: bring MLflow up to date with the metric files; cheap, and idempotent."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from pipeline.params import load_params
from pipeline.run_record import read_record
from pipeline.tracking import Store, hide_password, tracking_uri, warn_unreachable

METRICS = Path("metrics")
FIGURES = Path("reports/figures")
TABLES = Path("reports/tables")


def publish() -> int:
    """Upsert the experiment's parent run and its stages' children; returns how many runs changed.

    A store that cannot be reached is a warning, not a failure: the files stay the record.
    """
    stages = sorted(path.stem for path in METRICS.glob("*.json"))
    records = [read_record(stage) for stage in stages]
    try:
        store = Store(load_params())
        return store.publish(records, [*sorted(FIGURES.glob("*.png")), *sorted(TABLES.glob("*.*"))])
    except ValueError:
        raise
    except Exception as error:
        warn_unreachable(error)
        return 0


def main() -> None:
    """Run the stage."""
    logging.basicConfig(level=logging.WARNING, format="publish: %(message)s", stream=sys.stderr)
    for noisy in ("alembic", "mlflow", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    changed = publish()
    print(f"publish: {changed} runs brought up to date in {hide_password(tracking_uri())}")


if __name__ == "__main__":
    main()
