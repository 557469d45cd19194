"""A tracking store that is absent, locked or broken costs a line, and never a training."""

import json
import logging
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline.settings.params import load_params
from pipeline.stage import run_stage
from pipeline.tracking.run_record import RUN_STAGES
from pipeline.tracking.stage_tracker import StageTracker
from pipeline.tracking.store import Store, hide_password
from stages.publish import publish

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.usefixtures("live_at_once")


def unused_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.mark.injects("tracking and disk", 1)
def test_an_unreachable_server_costs_one_warning_and_no_training(project, monkeypatch, caplog):
    uri = f"http://127.0.0.1:{unused_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    caplog.set_level(logging.WARNING)

    def train(params, tracker):
        tracker.log_metrics({"mse": 1.0}, 1)
        return {"mse": 1.0}

    run_stage("train-complete", train, live=True)
    assert json.loads(Path("metrics/train/complete.json").read_text()) == {"mse": 1.0}
    warnings = [
        record.getMessage() for record in caplog.records if "going on without it" in record.getMessage()
    ]
    assert len(warnings) == 1 and uri in warnings[0]
    project.leave_run()
    caplog.clear()
    assert publish() == 0  # a warning again, not a failure
    assert caplog.text.count("going on without it") == 1

    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert publish() == len(RUN_STAGES) + 1  # brought up to date later


@pytest.mark.injects("tracking and disk", 1)
def test_a_locked_database_costs_one_line(project):
    """In a process of its own: MLflow's logging is set up at import."""
    project.leave_run()
    with sqlite3.connect("mlflow.db", isolation_level=None) as database:
        database.execute("BEGIN EXCLUSIVE")
        finished = subprocess.run(
            [sys.executable, "-m", "stages.publish"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
    (line,) = finished.stderr.splitlines()
    assert line.startswith("publish: MLflow at sqlite:///") and "database is locked" in line
    assert finished.returncode == 0


def test_a_password_in_the_address_stays_out_of_the_log(project, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{unused_port()}")
    project.leave_run()
    publish()
    assert "going on without it" in caplog.text and "refused" in caplog.text
    assert "secret" not in caplog.text
    assert hide_password("postgresql://me:se@cret@host/db, x@y") == "postgresql://***@host/db, x@y"


@pytest.mark.injects("tracking and disk", 1)
def test_a_store_that_breaks_in_the_middle_does_not_stop_the_training(project, caplog):
    params = load_params()
    tracker = StageTracker("train-complete")
    tracker.open(params)
    with sqlite3.connect("mlflow.db") as database:
        database.execute("DROP TABLE metrics")
    tracker.log_metrics({"mse": 1.0}, 1)
    tracker.log_metrics({"mse": 0.5}, 2)
    tracker.close()
    assert "going on without it" in caplog.text


@pytest.mark.injects("tracking and disk", 1)
def test_two_processes_on_a_fresh_database_do_not_disturb_each_other(project):
    Path("mlflow.db").unlink()
    code = (
        "from pipeline.settings.params import load_params; from pipeline.tracking.store import Store; "
        "Store(load_params())"
    )
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=project.folder,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "DVC_ROOT": str(project.folder),
                "DVC_EXP_NAME": f"exp{number}",
            },
        )
        for number in (1, 2)
    ]
    assert [worker.wait() for worker in workers] == [0, 0]
    assert sorted(run.data.tags["dvc_exp_name"] for run in project.read_runs().every) == ["exp1", "exp2"]


@pytest.mark.injects("tracking and disk", 1)
def test_a_failure_after_a_tracking_fault_and_its_curve_reach_the_run_that_was_begun(project, monkeypatch):
    def train(params, tracker):
        refused = threading.Event()

        def refuse(*_):
            refused.set()
            raise ConnectionError("gone for a moment")

        with monkeypatch.context() as patch:
            patch.setattr(Store, "log_points", refuse)
            tracker.log_metrics({"mse": 1.0}, 1)
            assert refused.wait(60)
        raise ValueError("chains diverged in round 2")

    with pytest.raises(SystemExit):
        run_stage("train-complete", train, live=True)
    runs = project.read_runs()
    assert len(runs.every) == 2 and {run.info.status for run in runs.every} == {"FAILED"}
    history = runs.client.get_metric_history(runs.find("train-complete").info.run_id, "mse")
    assert [point.value for point in history] == [1.0]


@pytest.mark.injects("tracking and disk", 1)
def test_parameters_that_did_not_reach_the_parent_reach_it_the_next_time(project, monkeypatch):
    def refuse(*_):
        raise ConnectionError("gone for a moment")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "_log_params", refuse)
        with pytest.raises(ConnectionError):
            Store(load_params())
    Store(load_params())
    (parent,) = project.read_runs().every
    assert parent.data.params["alpha"] == "0.5"
