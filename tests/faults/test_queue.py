"""A crowded queue: twelve experiments, two workers, one training killed in the middle."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline.files import flatten

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parents[2]
SEEDS = range(1, 13)
PATIENCE = 900  # seconds for all of them
TARGET = "train@complete"
STATUSES = ("Success", "Failed", "Running", "Queued")


def call(folder, *command):
    foreign = ("DVC_", "MLFLOW_", "GIT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryFile("w+") as output:  # no pipe: a worker that is started would hold it open
        code = subprocess.call(
            command,
            cwd=folder,
            env=kept | {"PATH": path, "OMP_NUM_THREADS": "1"},
            stdout=output,
            stderr=subprocess.DEVNULL if command[-1] == "--json" else output,
        )
        output.seek(0)
        text = output.read()
    assert code == 0, text
    return text


@pytest.fixture
def clone(tmp_path):
    """The tracked files at profile smoke, committed, without a tracking database."""
    for name in subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines():
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    params = tmp_path / "params.yaml"
    params.write_text(params.read_text().replace("profile: embedded", "profile: smoke", 1))
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org")
    for command in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "-m", "start")):
        call(tmp_path, *git, *command)
    return tmp_path


def enqueue(clone, name, seeds):
    call(clone, "dvc", "exp", "run", "--queue", "-n", name, "-S", f"seed={seeds}", TARGET)


def read_status(clone):
    """The status of every experiment by its name, as `dvc queue status` prints them."""
    found = {}
    for line in call(clone, "dvc", "queue", "status").splitlines():
        words = line.split()
        if len(words) > 2 and words[1].startswith("crowd-") and words[-1] in STATUSES:
            found[words[1]] = words[-1]
    return found


def work_off(clone, workers):
    """Let workers run until nothing waits; one that finds the machine busy gives up, and is started again."""
    deadline = time.monotonic() + PATIENCE
    while {"Queued", "Running"} & set((status := read_status(clone)).values()):
        assert time.monotonic() < deadline, status
        if "Running" not in status.values():
            call(clone, "dvc", "queue", "start", "-j", str(workers))
        time.sleep(5)
    return status


def find_training(clone):
    """The process id of a training that one of the clone's workers is running."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                place = os.readlink(entry / "cwd")
            except OSError:  # no process, or one that has just ended
                continue
            if b"stages.train" in words and place.startswith(str(clone)):
                return int(entry.name)
        time.sleep(0.1)
    raise AssertionError("no training was started")


def read_metrics(clone, name):
    """The numbers of an experiment's training, timings left out."""
    for commit in json.loads(call(clone, "dvc", "exp", "show", "--json")):
        for experiment in commit.get("experiments") or []:
            if experiment.get("name") == name:
                found = experiment["revs"][0]["data"]["metrics"]
                return dict(flatten(found["metrics/train-complete.json"]["data"]))
    raise AssertionError(f"no experiment {name}")


@pytest.mark.injects("kills below a queue worker", 1)
def test_every_experiment_ends_once_and_the_killed_one_can_be_run_again(clone):
    enqueue(clone, "crowd", "range(1,13)")  # crowd-1 to crowd-12
    call(clone, "dvc", "queue", "start", "-j", "2")
    os.kill(find_training(clone), signal.SIGKILL)
    status = work_off(clone, workers=2)
    (failed,) = (name for name, one in status.items() if one == "Failed")
    assert list(status.values()).count("Success") == len(SEEDS) - 1
    call(clone, "dvc", "queue", "remove", failed)
    enqueue(clone, failed, failed.removeprefix("crowd-"))
    work_off(clone, workers=1)

    expected = {f"crowd-{seed}" for seed in SEEDS}
    shown = json.loads(call(clone, "dvc", "exp", "show", "--json"))
    assert {
        one["name"] for commit in shown for one in commit.get("experiments") or [] if one.get("name")
    } == expected
    client = MlflowClient(f"sqlite:///{clone}/mlflow.db")
    experiment = client.get_experiment_by_name("short-run-mcmc-ot")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    finished = [
        run
        for run in runs
        if run.data.tags.get("stage") == "train-complete" and run.info.status == "FINISHED"
    ]
    assert sorted(int(run.data.params["seed"]) for run in finished) == list(SEEDS)  # none twice
    queued = read_metrics(clone, "crowd-1")
    assert len(queued) > 10
    shutil.rmtree(clone / ".dvc" / "cache" / "runs")  # else it would be remembered, not run
    call(clone, "dvc", "exp", "run", "-n", "direct", "-S", "seed=1", TARGET)
    assert read_metrics(clone, "direct") == queued
    for run in finished:
        assert run.data.metrics["mse_after"] > 0
        assert client.list_artifacts(run.info.run_id, "pictures")
