import dataclasses
import json
import logging
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline.settings.params import load_params
from pipeline.stage import run_stage
from pipeline.tracking import ui
from pipeline.tracking.run_record import read_record
from pipeline.tracking.stage_tracker import StageTracker
from pipeline.tracking.store import EXPERIMENT, Store, hide_password
from stages import publish as stages_publish
from stages.publish import publish

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path, migrated, monkeypatch):
    """An empty project with params.yaml and a migrated database; the working folder of the test."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copy(migrated, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    for name in ("DVC_ROOT", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV", "MLFLOW_TRACKING_URI", "DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def leave_stage(stage, value, curves=None):
    Path("metrics/timing").mkdir(parents=True, exist_ok=True)
    Path(f"metrics/{stage}.json").write_text(json.dumps({"error": {"mean": value}, "name": "text"}))
    Path(f"metrics/timing/{stage}.json").write_text(json.dumps({"seconds": 2.5}))
    if curves:
        Path("metrics/curves").mkdir(exist_ok=True)
        Path(f"metrics/curves/{stage}.csv").write_text(curves)
    Path("reports/figures").mkdir(parents=True, exist_ok=True)
    Path(f"reports/figures/{stage}_picture.png").write_bytes(b"png")


def all_runs(path="mlflow.db"):
    client = MlflowClient(f"sqlite:///{Path(path).resolve()}")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    return client, client.search_runs([experiment.experiment_id])


def children_and_parents(runs):
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    return children, [run for run in runs if run not in children]


def test_publishing_makes_a_parent_with_a_child_for_each_stage(project):
    leave_stage("recover", 0.25)
    leave_stage("train-normal", 0.5, "round,mse\n1,0.4\n2,0.3\n")
    assert publish() == 3
    client, runs = all_runs()
    children, (parent,) = children_and_parents(runs)
    by_stage = {run.data.tags["stage"]: run for run in children}
    assert set(by_stage) == {"recover", "train-normal"}
    assert by_stage["recover"].data.metrics == {"error.mean": 0.25, "seconds": 2.5}
    assert by_stage["recover"].data.params["alpha"] == "0.5"
    history = client.get_metric_history(by_stage["train-normal"].info.run_id, "mse")
    assert [(point.step, point.value) for point in history] == [(1, 0.4), (2, 0.3)]
    assert [file.path for file in client.list_artifacts(by_stage["recover"].info.run_id, "pictures")] == [
        "pictures/recover_picture.png"
    ]
    assert parent.data.metrics["train-normal.error.mean"] == 0.5
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert (project / "mlruns").is_dir()


def test_a_tables_run_is_tagged_with_its_study_and_method(project):
    leave_stage("cells-leaderboard-SRI-L5", 0.25)
    leave_stage("recover", 0.25)
    publish()
    _, runs = all_runs()
    tags = {run.data.tags["stage"]: run.data.tags for run in runs if "stage" in run.data.tags}
    assert tags["cells-leaderboard-SRI-L5"]["study"] == "leaderboard"
    assert tags["cells-leaderboard-SRI-L5"]["method"] == "SRI-L5"
    assert "method" not in tags["recover"]


def test_publishing_again_changes_nothing_and_new_numbers_replace_one_child(project):
    leave_stage("recover", 0.25)
    leave_stage("fid", 3.0)
    publish()
    before = {run.info.run_id for run in all_runs()[1]}
    assert publish() == 0
    assert {run.info.run_id for run in all_runs()[1]} == before
    leave_stage("recover", 0.2)
    assert publish() == 2  # the child and the parent
    client, runs = all_runs()
    children, (parent,) = children_and_parents(runs)
    assert sorted(run.data.tags["stage"] for run in children) == ["fid", "recover"]
    assert parent.data.metrics["recover.error.mean"] == 0.2
    assert len(client.get_metric_history(children[0].info.run_id, "error.mean")) == 1


def test_other_parameters_are_another_experiment(project):
    leave_stage("recover", 0.25)
    publish()
    text = Path("params.yaml").read_text().replace("alpha: 0.5", "alpha: 0.3")
    Path("params.yaml").write_text(text)
    publish()
    _, parents = children_and_parents(all_runs()[1])
    assert sorted(run.data.params["alpha"] for run in parents) == ["0.3", "0.5"]


def test_a_queued_run_lands_in_the_main_repositorys_database(project, monkeypatch):
    worker = project / ".dvc/tmp/exps/tmpabc"
    worker.mkdir(parents=True)
    shutil.copy("params.yaml", worker)
    monkeypatch.chdir(worker)
    monkeypatch.setenv("DVC_ROOT", str(project))
    monkeypatch.setenv("DVC_EXP_NAME", "bold-fox")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "abc123")
    leave_stage("recover", 0.25)
    publish()
    shutil.rmtree(worker)  # as DVC does
    client, runs = all_runs(project / "mlflow.db")
    children, (parent,) = children_and_parents(runs)
    assert parent.data.tags["dvc_exp_name"] == "bold-fox"
    assert parent.data.tags["dvc_exp_baseline_rev"] == "abc123"
    assert client.list_artifacts(children[0].info.run_id, "pictures")
    assert children[0].info.artifact_uri.startswith((project / "mlruns").as_uri())


def test_the_users_tracking_uri_wins(project, monkeypatch, migrated):
    shutil.copy(migrated, project / "mine.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/mine.db")
    leave_stage("recover", 0.25)
    assert publish() == 2
    assert len(all_runs("mine.db")[1]) == 2
    assert MlflowClient(f"sqlite:///{project}/mlflow.db").get_experiment_by_name(EXPERIMENT) is None


def test_a_live_stage_logs_every_round_and_needs_no_publishing(project):
    def train(params, tracker):
        for step in (1, 2, 3):
            tracker.log_metrics({"mse": 1 / step}, step)
        return {"mse": 1 / 3}

    run_stage("train-complete", train, live=True)
    client, runs = all_runs()
    children, _ = children_and_parents(runs)
    history = client.get_metric_history(children[0].info.run_id, "mse")
    assert [point.step for point in history if point.step] == [1, 2, 3]
    assert children[0].info.status == "FINISHED"
    assert json.loads(Path("metrics/train-complete.json").read_text()) == {"mse": 1 / 3}
    publish()
    assert children[0].info.run_id in {run.info.run_id for run in all_runs()[1]}


@pytest.mark.injects("tracking and disk", 1)
@pytest.mark.parametrize("live", [True, False])
def test_a_stage_that_fails_is_one_line_and_a_failed_run(project, capsys, live):
    def train(params, tracker):
        raise ValueError("chains diverged in round 3\nwith s = 0.6")

    with pytest.raises(SystemExit) as exit:
        run_stage("train-complete", train, live=live)
    assert exit.value.code == 1
    assert (
        capsys.readouterr().err.splitlines()[-1] == "train-complete: chains diverged in round 3 with s = 0.6"
    )
    assert not Path("metrics/train-complete.json").exists()
    runs = all_runs()[1]
    assert {run.info.status for run in runs} == {"FAILED"} and len(runs) == 2
    assert all(run.data.tags["error"] == "chains diverged in round 3 with s = 0.6" for run in runs)


@pytest.mark.injects("tracking and disk", 1)
def test_the_points_before_a_failure_reach_the_run(project):
    def train(params, tracker):
        tracker.log_metrics({"mse": 1.0}, 1)
        tracker.log_metrics({"mse": 50.0}, 2)
        raise ValueError("chains diverged")

    with pytest.raises(SystemExit):
        run_stage("train-complete", train, live=True)
    client, runs = all_runs()
    (child,), _ = children_and_parents(runs)
    assert [point.value for point in client.get_metric_history(child.info.run_id, "mse")] == [1.0, 50.0]


def test_publishing_what_there_is_does_not_hide_a_failed_stage(project):
    def fail(params, tracker):
        raise ValueError("no")

    leave_stage("fid", 3.0)
    with pytest.raises(SystemExit):
        run_stage("recover", fail)
    publish()
    children, (parent,) = children_and_parents(all_runs()[1])
    assert {run.data.tags["stage"]: run.info.status for run in children} == {
        "fid": "FINISHED",
        "recover": "FAILED",
    }
    assert (parent.info.status, parent.data.tags["error"]) == ("FAILED", "no")
    leave_stage("recover", 0.25)
    publish()
    _, (parent,) = children_and_parents(all_runs()[1])
    assert parent.info.status == "FINISHED" and "error" not in parent.data.tags


def test_a_live_curve_ends_once(project):
    def train(params, tracker):
        for step in (1, 2):
            tracker.log_metrics({"mse": 1 / step}, step)
        Path("metrics/curves").mkdir(parents=True)
        Path("metrics/curves/train-complete.csv").write_text("round,mse\n1,1\n2,0.5\n")
        return {"mse": 0.5}

    run_stage("train-complete", train, live=True)
    client, runs = all_runs()
    (child,), _ = children_and_parents(runs)
    assert [point.step for point in client.get_metric_history(child.info.run_id, "mse")] == [1, 2]


def test_a_run_says_where_it_comes_from(project):
    leave_stage("fid", 3.0)
    publish()
    for run in all_runs()[1]:
        assert run.data.tags["torch"] == version("torch")
        assert f", {os.cpu_count()} cores" in run.data.tags["cpu"]


def test_a_repaired_stage_takes_the_place_of_the_failed_one(project):
    def fail(params, tracker):
        raise ValueError("no")

    with pytest.raises(SystemExit):
        run_stage("recover", fail)
    leave_stage("recover", 0.25)
    publish()
    assert {run.info.status for run in all_runs()[1]} == {"FINISHED"} and len(all_runs()[1]) == 2


def test_wrong_parameters_stop_before_any_work(project, capsys):
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("alpha: 0.5", "alpha: 2"))
    with pytest.raises(SystemExit):
        run_stage("recover", lambda params, tracker: pytest.fail("ran"))
    assert capsys.readouterr().err == "recover: alpha: found 2, expected a number >= 0 and <= 1\n"


def test_a_number_that_is_not_finite_is_refused_by_name(project, capsys):
    with pytest.raises(SystemExit):
        run_stage("recover", lambda params, tracker: {"error": {"mean": float("nan")}})
    assert "metrics/recover.json: error.mean is nan, expected a finite number" in capsys.readouterr().err


@pytest.mark.injects("tracking and disk", 1)
def test_a_disk_that_refuses_is_reported_with_its_path(project, capsys, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(SystemExit):
        run_stage("recover", lambda params, tracker: {"error": 1.0})
    assert (
        capsys.readouterr().err.splitlines()[-1] == "recover: metrics/recover.json: No space left on device"
    )


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
    assert json.loads(Path("metrics/train-complete.json").read_text()) == {"mse": 1.0}
    warnings = [
        record.getMessage() for record in caplog.records if "going on without it" in record.getMessage()
    ]
    assert len(warnings) == 1 and uri in warnings[0]
    assert publish() == 0  # a warning again, not a failure

    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert publish() == 2  # brought up to date later


@pytest.mark.injects("tracking and disk", 1)
def test_a_locked_database_costs_one_line(project):
    """In a process of its own: MLflow's logging is set up at import."""
    leave_stage("fid", 3.0)
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


def test_long_curves_are_thinned(project):
    rows = "\n".join(f"{step},{step / 7}" for step in range(5000))
    leave_stage("train-normal", 0.5, f"round,mse\n{rows}\n")
    points = read_record("train-normal").curves["mse"]
    assert 500 < len(points) <= 1000 and points[0][0] == 0


@pytest.mark.injects("tracking and disk", 1)
def test_two_processes_on_a_fresh_database_do_not_disturb_each_other(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    code = (
        "from pipeline.settings.params import load_params; from pipeline.tracking.store import Store; "
        "Store(load_params())"
    )
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "DVC_ROOT": str(tmp_path),
                "DVC_EXP_NAME": f"exp{number}",
            },
        )
        for number in (1, 2)
    ]
    assert [worker.wait() for worker in workers] == [0, 0]
    _, runs = all_runs(tmp_path / "mlflow.db")
    assert sorted(run.data.tags["dvc_exp_name"] for run in runs) == ["exp1", "exp2"]


def test_the_parent_is_found_again(project):
    first = Store(load_params()).parent
    assert Store(load_params()).parent == first
    changed = dataclasses.replace(load_params(), seed=2)
    assert Store(changed).parent != first


@pytest.mark.injects("tracking and disk", 1)
def test_a_failure_after_a_tracking_fault_is_told_to_the_run_that_was_begun(project, monkeypatch):
    def train(params, tracker):
        def refuse(*_):
            raise ConnectionError("gone for a moment")

        with monkeypatch.context() as patch:
            patch.setattr(Store, "log_points", refuse)
            tracker.log_metrics({"mse": 1.0}, 1)
        raise ValueError("chains diverged in round 2")

    with pytest.raises(SystemExit):
        run_stage("train-complete", train, live=True)
    runs = all_runs()[1]
    assert len(runs) == 2 and {run.info.status for run in runs} == {"FAILED"}


@pytest.mark.injects("tracking and disk", 1)
def test_parameters_that_did_not_reach_the_parent_reach_it_the_next_time(project, monkeypatch):
    def refuse(*_):
        raise ConnectionError("gone for a moment")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "_log_params", refuse)
        with pytest.raises(ConnectionError):
            Store(load_params())
    Store(load_params())
    (parent,) = all_runs()[1]
    assert parent.data.params["alpha"] == "0.5"


@pytest.mark.injects("damaged data", 1)
@pytest.mark.parametrize(("file", "text"), [("dvc.lock", ""), ("metrics/recover.json", '{"error":')])
def test_publishing_damaged_files_is_one_line_that_names_them(project, file, text):
    leave_stage("recover", 0.25)
    Path(file).write_text(text)
    with pytest.raises(SystemExit) as caught:
        stages_publish.main()
    assert str(caught.value).startswith(f"publish: {file}: ") and "\n" not in str(caught.value)


def test_the_ui_listens_on_the_loopback_interface_alone(project, monkeypatch):
    called = []
    monkeypatch.setattr(os, "execvp", lambda name, words: called.append(words))
    monkeypatch.setattr(sys, "argv", ["ui", "--port", "5055"])
    ui.main()
    (words,) = called
    assert words[words.index("--host") + 1] == "127.0.0.1" and words.count("--host") == 1
    assert words[words.index("--port") + 1] == "5055"
