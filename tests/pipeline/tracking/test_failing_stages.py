"""A stage that fails, or is stopped, is one line on the terminal and a failed run in MLflow."""

import os
import signal
from pathlib import Path

import pytest

from pipeline.stage import INTERRUPTED, run_stage
from pipeline.tracking import stage_tracker
from pipeline.tracking.stage_tracker import StageTracker

pytestmark = pytest.mark.usefixtures("live_at_once")


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
@pytest.mark.parametrize("seconds", [0, 600])
def test_the_points_before_a_failure_reach_the_run_though_it_had_not_begun(project, monkeypatch, seconds):
    monkeypatch.setattr(stage_tracker, "LIVE_AFTER", seconds)

    def train(params, tracker):
        tracker.log_metrics({"mse": 1.0}, 1)
        tracker.log_metrics({"mse": 50.0}, 2)
        raise ValueError("chains diverged")

    with pytest.raises(SystemExit):
        run_stage("train-complete", train, live=True)
    runs = project.read_runs()
    (child,) = runs.children
    assert [point.value for point in runs.client.get_metric_history(child.info.run_id, "mse")] == [1.0, 50.0]


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
