"""A stage that was killed says nothing: its marker does, to whoever looks next."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.settings.params import load_params
from pipeline.stage import run_stage
from pipeline.tracking.run_identity import name_experiment
from pipeline.tracking.running_stages import FOLDER, Marker, mark_running, take_dead_markers
from pipeline.tracking.store import Store

ROOT = Path(__file__).parents[3]
STAGE = """
import sys, time
from pipeline.tracking.running_stages import mark_running
with mark_running(sys.argv[1], "train-complete"):
    print("running", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def running(project):
    """A process that runs the stage train-complete of the experiment at hand, and its runs in MLflow."""
    Store(load_params()).start_child("train-complete")
    process = subprocess.Popen(
        [sys.executable, "-c", STAGE, name_experiment(load_params())],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "running\n"
    yield process
    process.kill()
    process.wait()


@pytest.mark.injects("killed stages", 1)
def test_a_killed_stage_is_failed_with_the_cause_and_a_running_one_left_alone(project, running):
    Store(load_params())  # which looks for the dead
    assert {run.info.status for run in project.read_runs().every} == {"RUNNING"}
    assert len(list(FOLDER.glob("*.json"))) == 1
    running.kill()
    running.wait()
    Store(load_params())
    runs = project.read_runs()
    assert (len(runs.parents), len(runs.children)) == (1, 1)
    for run in runs.every:
        assert run.info.status == "FAILED"
        assert run.data.tags["error"] == (
            f"train-complete: killed; process {running.pid} ended without a word"
        )
    assert not list(FOLDER.glob("*.json"))


@pytest.mark.injects("killed stages", 1)
def test_another_experiments_store_tells_the_killed_ones_runs(project, running):
    running.kill()
    running.wait()
    Store(dataclasses.replace(load_params(), seed=2))
    status = {run.data.params["seed"]: run.info.status for run in project.read_runs().parents}
    assert status == {"1": "FAILED", "2": "RUNNING"}


def test_the_same_stage_says_at_once_that_it_goes_on_however_soon_it_ends(project, running):
    running.kill()
    running.wait()
    run_stage("train-complete", lambda params, tracker: {"mse": 0.25}, live=True)
    (child,) = project.read_runs().children
    assert child.info.status == "FINISHED" and child.data.metrics["mse"] == 0.25


def test_a_marker_lies_there_for_as_long_as_the_stage_runs(project):
    with pytest.raises(ValueError), mark_running("workspace-1", "fid"):
        (path,) = FOLDER.glob("*.json")
        marker = Marker(**json.loads(path.read_text()))
        assert (marker.experiment, marker.stage, marker.pid) == ("workspace-1", "fid", os.getpid())
        assert not marker.is_dead() and take_dead_markers() == []
        raise ValueError("failed")
    assert not list(FOLDER.glob("*.json"))


def test_a_number_of_a_process_used_again_is_no_sign_of_life_and_another_machine_is_let_alone(project):
    with mark_running("workspace-1", "fid"):
        (path,) = FOLDER.glob("*.json")
        marker = Marker(**json.loads(path.read_text()))
    reused = dataclasses.replace(marker, started=marker.started - 1000)
    assert reused.is_dead()
    assert not dataclasses.replace(reused, host="another").is_dead()
    path.write_text(json.dumps(dataclasses.asdict(reused)))
    (path.parent / "half.json").write_text('{"experiment":')
    assert take_dead_markers() == [reused]
    assert take_dead_markers() == []
