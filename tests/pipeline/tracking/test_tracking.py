"""What reaches MLflow while stages run, when they fail, and when the tracking does."""

import dataclasses
import getpass
import json
import logging
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline.settings.params import load_params
from pipeline.stage import INTERRUPTED, run_stage
from pipeline.storage import places
from pipeline.storage.files import write_text
from pipeline.studies.measured import write_cells
from pipeline.tracking import stage_tracker, store, ui
from pipeline.tracking.run_record import RUN_STAGES, read_record
from pipeline.tracking.stage_tracker import StageTracker
from pipeline.tracking.store import EXPERIMENT, Store, hide_password
from stages import publish as stages_publish
from stages.publish import publish

ROOT = Path(__file__).parents[3]


def test_publishing_makes_a_parent_with_a_child_for_each_stage(project):
    project.leave_run()
    project.leave_stage("recover", 0.25)
    project.leave_stage("train-normal", 0.5, "round,mse\n1,0.4\n2,0.3\n")
    assert publish() == len(RUN_STAGES) + 1
    runs = project.read_runs()
    (parent,) = runs.parents
    assert sorted(run.data.tags["stage"] for run in runs.children) == sorted(RUN_STAGES)
    recover = runs.find("recover")
    assert recover.data.metrics == {"error.mean": 0.25, "seconds": 2.5}
    assert recover.data.params["alpha"] == "0.5"
    history = runs.client.get_metric_history(runs.find("train-normal").info.run_id, "mse")
    assert [(point.step, point.value) for point in history] == [(1, 0.4), (2, 0.3)]
    assert [file.path for file in runs.client.list_artifacts(recover.info.run_id, "pictures")] == [
        "pictures/recover_picture.png"
    ]
    assert {run.info.status for run in runs.every} == {"FINISHED"}
    assert (project.folder / "mlruns").is_dir()

    # The parent has every stage's numbers, the summary's under their own names, and nothing but numbers.
    assert parent.data.metrics["train-normal/error.mean"] == 0.5
    assert set(parent.data.metrics) == {"fid", "report/seconds"} | {
        f"{stage}/{name}" for stage in RUN_STAGES[:-1] for name in ("error.mean", "seconds")
    }
    pictures = {file.path for file in runs.client.list_artifacts(parent.info.run_id, "pictures")}
    assert pictures == {f"pictures/{stage}_picture.png" for stage in RUN_STAGES[:-1]}
    tables = {file.path for file in runs.client.list_artifacts(parent.info.run_id, "tables")}
    assert tables == {"tables/generation.csv", "tables/RUN.md"}

    # What the columns of MLflow's table show.
    tags = parent.data.tags
    assert parent.info.run_name == "alpha 0.5, K 5, seed 1"
    assert tags["mlflow.note.content"].startswith("**alpha 0.5, K 5, seed 1**\n\nData set `mnist5k`")
    assert tags["mlflow.user"] == getpass.getuser()
    assert tags["mlflow.source.name"] == "python -m stages.report"
    assert runs.find("train-normal").data.tags["mlflow.source.name"] == "python -m stages.train normal"
    assert runs.find("train-normal").info.run_name == "train-normal, alpha 0.5, K 5, seed 1"
    (given,) = parent.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("mnist5k (complete)", "0123abcd")
    assert [(tag.key, tag.value) for tag in given.tags] == [("mlflow.data.context", "complete")]
    experiment = runs.client.get_experiment_by_name(EXPERIMENT)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"

    before = {run.info.run_id for run in runs.every}
    assert publish() == 0
    again = project.read_runs()
    assert {run.info.run_id for run in again.every} == before
    assert again.parents[0].data.metrics == parent.data.metrics
    assert len(again.client.get_metric_history(parent.info.run_id, "recover/error.mean")) == 1


def test_the_description_shows_pictures_that_the_run_has(project):
    project.leave_run()
    write_text(places.FIGURES / "fid_samples.png", "png")
    publish()
    (parent,) = project.read_runs().parents
    note, run_id = parent.data.tags["mlflow.note.content"], parent.info.run_id
    assert note.startswith("**alpha 0.5, K 5, seed 1**") and note.count("![") == 1
    (path,) = re.findall(r"get-artifact\?path=([^&]*)&run_uuid=" + run_id, note)
    assert Path(project.read_runs().client.download_artifacts(run_id, path)).read_text() == "png"


def test_a_tables_run_is_tagged_with_its_study_and_method(project, make_cell):
    cells = [
        make_cell("leaderboard", "SRI", seed=seed, place=f"seed {seed}", mse_test=0.1) for seed in (1, 2)
    ]
    write_cells(places.find_cells("embedded", "leaderboard", "SRI"), cells)
    write_cells(places.find_cells("embedded", "tuning", "ABP"), cells)  # came with Git
    write_text(places.SECONDS / "cells-leaderboard.json", '{"seconds": 4.5}')
    assert publish() == 1  # the own run has not run
    project.leave_stage("recover", 0.25)
    project.publish("recover")
    runs = project.read_runs()
    assert {run.data.tags["stage"] for run in runs.children} == {"cells-leaderboard-SRI", "recover"}
    run = runs.find("cells-leaderboard-SRI")
    assert run.data.tags["study"] == "leaderboard"
    assert run.data.tags["method"] == "SRI"
    assert run.data.metrics["seed 2.mse_test"] == 0.1
    own = runs.find("recover").data.tags
    assert (own["study"], own["method"], own["profile"], own["dataset"]) == (
        *("own run", "Ours"),
        *("embedded", "mnist5k"),
    )


def test_what_another_profile_trained_is_no_run_of_this_ones_cells(project, make_cell):
    write_cells(places.find_cells("embedded", "table2", "VAE"), [make_cell("table2", "VAE")])  # from Git
    run_stage("cells-table2", lambda params, tracker: None, profile="smoke")
    assert publish() == 0
    run_stage("cells-table2", lambda params, tracker: None)
    assert publish() == 1


def test_results_of_other_parameters_are_not_published(project):
    project.leave_run()
    stages = {
        "report": {"params": {"params.yaml": {"alpha": 0.3}}, "outs": [{"path": "metrics/summary.json"}]}
    }
    write_text("dvc.lock", json.dumps({"stages": stages}))
    assert publish() == 0
    stages["report"]["params"]["params.yaml"]["alpha"] = 0.5
    write_text("dvc.lock", json.dumps({"stages": stages}))
    assert publish() == len(RUN_STAGES) + 1


def test_publishing_again_changes_nothing_and_new_numbers_replace_one_child(project):
    project.leave_stage("recover", 0.25)
    project.leave_stage("fid", 3.0)
    project.publish("recover", "fid")
    before = {run.info.run_id for run in project.read_runs().every}
    assert project.publish("recover", "fid") == 0
    assert {run.info.run_id for run in project.read_runs().every} == before
    project.leave_stage("recover", 0.2)
    assert project.publish("recover", "fid") == 2  # the child and the parent
    runs = project.read_runs()
    (parent,) = runs.parents
    assert sorted(run.data.tags["stage"] for run in runs.children) == ["fid", "recover"]
    assert parent.data.metrics["recover/error.mean"] == 0.2
    assert len(runs.client.get_metric_history(runs.find("recover").info.run_id, "error.mean")) == 1


def test_other_parameters_are_another_experiment(project):
    project.leave_stage("recover", 0.25)
    project.publish("recover")
    text = Path("params.yaml").read_text().replace("alpha: 0.5", "alpha: 0.3")
    Path("params.yaml").write_text(text)
    project.publish("recover")
    assert sorted(run.data.params["alpha"] for run in project.read_runs().parents) == ["0.3", "0.5"]


def test_a_queued_run_lands_in_the_main_repositorys_database(project, monkeypatch):
    worker = project.folder / ".dvc/tmp/exps/tmpabc"
    worker.mkdir(parents=True)
    shutil.copy("params.yaml", worker)
    monkeypatch.chdir(worker)
    monkeypatch.setenv("DVC_ROOT", str(project.folder))
    monkeypatch.setenv("DVC_EXP_NAME", "bold-fox")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "abc123")
    project.leave_stage("recover", 0.25)
    project.publish("recover")
    shutil.rmtree(worker)  # as DVC does
    runs = project.read_runs(project.folder / "mlflow.db")
    (parent,), (child,) = runs.parents, runs.children
    assert parent.data.tags["dvc_exp_name"] == "bold-fox"
    assert parent.data.tags["dvc_exp_baseline_rev"] == "abc123"
    assert "`dvc exp apply bold-fox`" in parent.data.tags["mlflow.note.content"]
    assert runs.client.list_artifacts(child.info.run_id, "pictures")
    assert child.info.artifact_uri.startswith((project.folder / "mlruns").as_uri())


def test_the_users_tracking_uri_wins(project, monkeypatch, migrated):
    shutil.copy(migrated, project.folder / "mine.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project.folder}/mine.db")
    project.leave_stage("recover", 0.25)
    assert project.publish("recover") == 2
    assert len(project.read_runs("mine.db").every) == 2
    assert MlflowClient(f"sqlite:///{project.folder}/mlflow.db").get_experiment_by_name(EXPERIMENT) is None


@pytest.fixture(autouse=True)
def live_at_once(monkeypatch):
    """Stages of tests end too soon to be watched; here each one is."""
    monkeypatch.setattr(stage_tracker, "LIVE_AFTER", 0)


def test_a_live_stage_logs_every_round_and_needs_no_publishing(project):
    def train(params, tracker):
        for step in (1, 2, 3):
            tracker.log_metrics({"mse": 1 / step}, step)
        return {"mse": 1 / 3}

    run_stage("train-complete", train, live=True)
    runs = project.read_runs()
    (child,) = runs.children
    history = runs.client.get_metric_history(child.info.run_id, "mse")
    assert [point.step for point in history if point.step] == [1, 2, 3]
    assert child.info.status == "FINISHED"
    assert json.loads(Path("metrics/train/complete.json").read_text()) == {"mse": 1 / 3}
    project.publish("train-complete")
    assert child.info.run_id in {run.info.run_id for run in project.read_runs().every}


def test_a_live_stage_shows_what_the_machine_does_and_leaves_no_monitor(project, monkeypatch):
    monkeypatch.setattr(store, "SYSTEM_SECONDS", 0.1)

    def train(params, tracker):
        tracker.wait()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not read_system(project.read_runs().children[0]):
            time.sleep(0.2)

    run_stage("train-complete", train, live=True)
    found = read_system(project.read_runs().find("train-complete"))
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_percentage"} <= set(found)
    assert not [one for one in threading.enumerate() if one.name == "SystemMetricsMonitor" and one.is_alive()]


def read_system(run):
    """A run's numbers of the machine."""
    return {name: value for name, value in run.data.metrics.items() if name.startswith("system/")}


def test_a_stage_that_ends_soon_does_not_wait_for_mlflow_and_is_published_from_its_files(
    project, monkeypatch
):
    opened = []
    with monkeypatch.context() as patched:
        patched.setattr(stage_tracker, "LIVE_AFTER", 600)
        patched.setattr(stage_tracker, "Store", opened.append)
        run_stage("train-complete", lambda params, tracker: {"mse": 0.25}, live=True)
    assert not opened
    project.publish("train-complete")
    (child,) = project.read_runs().children
    assert child.info.status == "FINISHED" and child.data.metrics["mse"] == 0.25


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
    assert not Path("metrics/train/complete.json").exists()
    runs = project.read_runs().every
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
    runs = project.read_runs()
    (child,) = runs.children
    assert [point.value for point in runs.client.get_metric_history(child.info.run_id, "mse")] == [1.0, 50.0]


def test_publishing_what_there_is_does_not_hide_a_failed_stage(project):
    def fail(params, tracker):
        raise ValueError("no")

    project.leave_stage("fid", 3.0)
    with pytest.raises(SystemExit):
        run_stage("recover", fail)
    project.publish("fid")
    runs = project.read_runs()
    (parent,) = runs.parents
    assert {run.data.tags["stage"]: run.info.status for run in runs.children} == {
        "fid": "FINISHED",
        "recover": "FAILED",
    }
    assert (parent.info.status, parent.data.tags["error"]) == ("FAILED", "no")
    project.leave_stage("recover", 0.25)
    project.publish("fid", "recover")
    (parent,) = project.read_runs().parents
    assert parent.info.status == "FINISHED" and "error" not in parent.data.tags


def test_a_live_curve_ends_once(project):
    def train(params, tracker):
        for step in (1, 2):
            tracker.log_metrics({"mse": 1 / step}, step)
        write_text(places.find_curves("complete"), "round,mse\n1,1\n2,0.5\n")
        return {"mse": 0.5}

    run_stage("train-complete", train, live=True)
    runs = project.read_runs()
    (child,) = runs.children
    assert [point.step for point in runs.client.get_metric_history(child.info.run_id, "mse")] == [1, 2]


def test_a_training_does_not_wait_for_a_slow_store(project, monkeypatch):
    has_trained, open_store = threading.Event(), Store.__init__

    def wait(store, params):
        assert has_trained.wait(60), "the stage waits for its store"
        open_store(store, params)

    def train(params, tracker):
        tracker.log_metrics({"mse": 0.5}, 1)
        has_trained.set()
        return {"mse": 0.5}

    with monkeypatch.context() as patch:
        patch.setattr(Store, "__init__", wait)
        run_stage("train-complete", train, live=True)
    runs = project.read_runs()
    (child,) = runs.children
    assert child.info.status == "FINISHED"
    assert 1 in {point.step for point in runs.client.get_metric_history(child.info.run_id, "mse")}


def test_a_run_says_where_it_comes_from(project):
    project.leave_stage("fid", 3.0)
    project.publish("fid")
    for run in project.read_runs().every:
        assert run.data.tags["torch"] == version("torch")
        assert f", {os.cpu_count()} cores" in run.data.tags["cpu"]


def test_a_repaired_stage_takes_the_place_of_the_failed_one(project):
    def fail(params, tracker):
        raise ValueError("no")

    with pytest.raises(SystemExit):
        run_stage("recover", fail)
    project.leave_stage("recover", 0.25)
    project.publish("recover")
    runs = project.read_runs().every
    assert {run.info.status for run in runs} == {"FINISHED"} and len(runs) == 2


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
    replace = os.replace

    def fill(source, target):
        if "metrics" in str(target):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fill)
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


def test_long_curves_are_thinned(project):
    rows = "\n".join(f"{step},{step / 7}" for step in range(5000))
    project.leave_stage("train-normal", 0.5, f"round,mse\n{rows}\n")
    points = read_record("train-normal").curves["mse"]
    assert 500 < len(points) <= 1000 and points[0][0] == 0


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


def test_the_parent_is_found_again(project):
    first = Store(load_params()).parent
    assert Store(load_params()).parent == first
    changed = dataclasses.replace(load_params(), seed=2)
    assert Store(changed).parent != first


@pytest.mark.injects("tracking and disk", 1)
def test_a_failure_after_a_tracking_fault_is_told_to_the_run_that_was_begun(project, monkeypatch):
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
    runs = project.read_runs().every
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
    (parent,) = project.read_runs().every
    assert parent.data.params["alpha"] == "0.5"


@pytest.mark.injects("damaged data", 1)
@pytest.mark.parametrize(("file", "text"), [("dvc.lock", ""), ("metrics/recover.json", '{"error":')])
def test_publishing_damaged_files_is_one_line_that_names_them(project, monkeypatch, file, text):
    project.leave_run()
    Path(file).write_text(text)
    monkeypatch.setattr(sys, "argv", ["publish"])
    with pytest.raises(SystemExit) as caught:
        stages_publish.main()
    assert str(caught.value).startswith(f"publish: {file}: ") and "\n" not in str(caught.value)


def test_the_ui_listens_on_the_loopback_interface_alone(project, monkeypatch, capsys):
    started = []

    class Server:
        def __init__(self, words, env):
            started.append((words, env))

        def poll(self):
            return None

        def wait(self):
            return 0

        def terminate(self):
            started.append("terminated")

    monkeypatch.setattr(subprocess, "Popen", Server)
    monkeypatch.setattr(ui, "wait_for", lambda address, server: True)
    monkeypatch.setattr(sys, "argv", ["ui", "--port", "5055"])
    with pytest.raises(SystemExit) as exit:
        ui.main()
    (words, environment), end = started
    assert words[words.index("--host") + 1] == "127.0.0.1" and words.count("--host") == 1
    assert words[words.index("--port") + 1] == "5055"
    assert environment["_MLFLOW_SERVER_FILE_STORE"] == f"sqlite:///{project.folder}/mlflow.db"
    assert exit.value.code == 0 and end == "terminated"
    experiment = project.read_runs().client.get_experiment_by_name(EXPERIMENT)
    page = f"http://127.0.0.1:5055/#/experiments/{experiment.experiment_id}/runs"
    options = "workflowType=machine_learning&viewStateShareKey=numbers"
    assert f": {page}?{options} " in capsys.readouterr().out
    assert "mlflow.sharedViewState.numbers" in experiment.tags


def test_the_table_of_runs_shows_what_is_varied_and_every_number_of_the_summary(project):
    assert set(store.COMPARED) == set(json.loads((ROOT / "metrics/summary.json").read_text()))
    project.leave_run()
    project.publish()
    (parent,) = project.read_runs().parents
    assert set(store.VARIED) <= set(parent.data.params)


@pytest.mark.injects("killed stages", 1)
@pytest.mark.parametrize(
    ("interrupt", "said"),
    [
        (lambda: (_ for _ in ()).throw(KeyboardInterrupt), "interrupted; the last good results are in place"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "terminated by a signal"),
    ],
)
def test_an_interrupted_stage_is_one_line_status_130_and_a_failed_run(project, capsys, interrupt, said):
    def recover(params, tracker):
        for _ in interrupt() or ():
            pass

    with pytest.raises(SystemExit) as exit:
        run_stage("recover", recover)
    assert exit.value.code == INTERRUPTED == 130
    assert capsys.readouterr().err.splitlines() == [f"recover: {said}"]
    runs = project.read_runs().every
    assert {(run.info.status, run.data.tags["error"]) for run in runs} == {("FAILED", said)} and len(
        runs
    ) == 2


def test_a_failure_is_printed_before_mlflow_is_told(project, capsys, monkeypatch):
    printed = []
    monkeypatch.setattr(StageTracker, "fail", lambda *_: printed.append(capsys.readouterr().err))

    def fail(params, tracker):
        raise ValueError("no")

    with pytest.raises(SystemExit):
        run_stage("recover", fail)
    assert printed == ["recover: no\n"]


def test_a_fault_of_the_code_keeps_its_traceback(project, capsys):
    def fail(params, tracker):
        raise TypeError("not a number")

    with pytest.raises(TypeError):
        run_stage("recover", fail)
    assert capsys.readouterr().err == "recover: TypeError: not a number\n"
    assert {run.info.status for run in project.read_runs().every} == {"FAILED"}
