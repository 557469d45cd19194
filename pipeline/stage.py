"""The frame of every stage's ``main()``: parameters in, metric files out, failures in one line."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.settings.params import Params, load_params
from pipeline.storage import places
from pipeline.storage.files import write_json
from pipeline.tracking.run_identity import name_experiment
from pipeline.tracking.running_stages import mark_running
from pipeline.tracking.stage_tracker import StageTracker

INTERRUPTED = 130  # what a shell expects of a program that Ctrl-C ended
Stage = Callable[[Params, StageTracker], dict[str, Any] | None]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM, with what is kept and how to go on."""


def parse_nothing(doc: str | None) -> None:
    """Let a stage without arguments have ``--help``, and refuse what it does not know."""
    argparse.ArgumentParser(description=doc).parse_args()


def add_profile(parser: argparse.ArgumentParser) -> None:
    """Let a stage of the studies run at another profile than params.yaml's."""
    parser.add_argument("--profile", metavar="NAME", help="params.yaml's, if not given")


def run_stage(
    name: str, function: Stage, live: bool = False, rank: int = 0, profile: str | None = None
) -> None:
    """Run ``function`` as the stage ``name``; the numbers that it returns go to metrics/<name>.json.

    ``profile``: another than params.yaml's, whose seconds are kept apart: what is timed otherwise is what the
    working folder's own results took.

    ``live`` stages log to MLflow while they run, if they run long; the others' numbers reach it when the
    stage ``report`` ends. A ValueError or OSError ends the process with one line and status 1 (the
    traceback comes with DEBUG=1), Ctrl-C and SIGTERM with one line and status 130; whatever ends a stage
    early, MLflow is told that the run FAILED. A killed stage leaves a marker that tells the next one. Of
    several ranks of a stage those above 0 only compute: they write nothing, log nothing, and are silent
    but for the line that an error is.
    """
    enter_project()
    label = f"{name}, rank {rank}" if rank else name
    set_up_logging(label)
    if rank:
        logging.disable(logging.WARNING)
    signal.signal(signal.SIGTERM, _interrupt)
    params, tracker = None, StageTracker(name)
    start = time.perf_counter()
    try:
        params = load_params(profile=profile)
        if rank:
            function(params, tracker)  # never opened, so that it does nothing
            return
        with mark_running(name_experiment(params), name):
            if live:
                tracker.open(params)
            metrics = function(params, tracker)
            if metrics is not None:
                write_json(places.find_metrics(name), metrics)
            seconds = round(time.perf_counter() - start, 1)
            write_json(places.SECONDS / (profile or "") / f"{name}.json", {"seconds": seconds})
            tracker.close()
    except (Exception, KeyboardInterrupt) as error:
        ignore_termination()
        line = describe_error(error)
        print(f"{label}: {line}", file=sys.stderr, flush=True)  # before MLflow, which takes seconds to import
        if params is not None and not rank:
            tracker.fail(params, line)
        if isinstance(error, KeyboardInterrupt) and not os.environ.get("DEBUG"):
            sys.exit(INTERRUPTED)
        if not isinstance(error, (ValueError, OSError)) or os.environ.get("DEBUG"):
            raise
        sys.exit(1)


def enter_project() -> None:
    """Have DVC_ROOT name the folder with params.yaml, also for stages of the second DAG, which lies below it.

    DVC names the folder of the DAG that it runs; data, kept cells and MLflow's store are the project's.
    """
    if given := os.environ.get("DVC_ROOT"):
        folders = (Path(given), *Path(given).parents)
        root = next((folder for folder in folders if (folder / "params.yaml").exists()), None)
        if root is not None:
            os.environ["DVC_ROOT"] = str(root)


def set_up_logging(name: str) -> None:
    """Notes for someone who watches, warnings for the log as well; other packages' in one line of ours."""
    level = logging.INFO if sys.stderr.isatty() else logging.WARNING
    logging.basicConfig(level=level, format=f"{name}: %(message)s", stream=sys.stderr)
    for noisy in ("torch", "matplotlib"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    for noisy in ("alembic", "mlflow", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)


def _interrupt(number: int, frame: object) -> None:
    raise Interrupted("terminated by a signal")


def ignore_termination() -> None:
    """Let a stage that ends say why: once one rank has ended, torchrun sends SIGTERM to all the others."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def describe_error(error: BaseException) -> str:
    """One line: what went wrong and, for a full or read-only disk, where."""
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "interrupted; the last good results are in place"
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    text = " ".join(str(error).split())
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}".rstrip(": ")
