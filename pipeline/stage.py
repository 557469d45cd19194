"""The frame of every stage's `main()`: parameters in, metric files out, failures in one line."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.settings.params import Params, load_params
from pipeline.storage.files import write_json
from pipeline.tracking.stage_tracker import StageTracker, report_failure

METRICS = Path("metrics")
Stage = Callable[[Params, StageTracker], dict[str, Any]]


def run_stage(name: str, function: Stage, live: bool = False) -> None:
    """Run ``function`` as the stage ``name`` and write metrics/<name>.json and metrics/timing/<name>.json.

    ``live`` stages log to MLflow while they run; the others' numbers reach it through the stage `publish`.
    A ValueError or OSError ends the process with one line and status 1 (the traceback comes with DEBUG=1);
    whatever ends a stage early, MLflow is told that the run FAILED.
    """
    # Notes are for someone who watches; warnings are for the log as well.
    level = logging.INFO if sys.stderr.isatty() else logging.WARNING
    logging.basicConfig(level=level, format=f"{name}: %(message)s", stream=sys.stderr)
    for noisy in ("torch", "matplotlib"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    for noisy in ("alembic", "mlflow", "urllib3"):  # their errors come as one line of ours
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    params, tracker = None, StageTracker(name)
    start = time.perf_counter()
    try:
        params = load_params()
        if live:
            tracker.open(params)
        metrics = function(params, tracker)
        write_json(METRICS / f"{name}.json", metrics)
        write_json(METRICS / "timing" / f"{name}.json", {"seconds": round(time.perf_counter() - start, 1)})
        tracker.close()
    except (Exception, KeyboardInterrupt) as error:
        line = describe_error(error)
        if params is not None:
            report_failure(tracker, params, line)
        if not isinstance(error, (ValueError, OSError)) or os.environ.get("DEBUG"):
            raise
        print(f"{name}: {line}", file=sys.stderr)
        sys.exit(1)


def describe_error(error: BaseException) -> str:
    """One line: what went wrong and, for a full or read-only disk, where."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    text = " ".join(str(error).split())
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}".rstrip(": ")
