"""DVC is killed: a `repro`, an `exp run`, and one of two workers on a queue of twelve experiments."""

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
import yaml
from mlflow import MlflowClient

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parents[2]
SEEDS = range(1, 13)
PATIENCE = 900  # seconds for all of them
TARGET = "train@complete"
STATUSES = ("Success", "Failed", "Running", "Queued")


def make_environment():
    """This environment's programs on one core, without what a surrounding experiment set."""
    foreign = ("DVC_", "MLFLOW_", "GIT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return kept | {"PATH": path, "OMP_NUM_THREADS": "1"}


def call(folder, *command):
    with tempfile.TemporaryFile("w+") as output:  # no pipe: a worker that is started would hold it open
        code = subprocess.call(
            command,
            cwd=folder,
            env=make_environment(),
            stdout=output,
            stderr=subprocess.DEVNULL if command[-1] == "--json" else output,
        )
        output.seek(0)
        text = output.read()
    assert code == 0, text
    return text


@pytest.fixture
def clone(tmp_path, short_params):
    """The tracked files with short rounds, committed, without a tracking database."""
    for name in subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines():
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "params.yaml").write_text(short_params)
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
        time.sleep(10)  # asking takes a worker's time
    return status


def find_training(clone):
    """The process id of a training in the clone, or in an experiment's folder below it."""
    deadline = time.monotonic() + PATIENCE
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


def list_up_to_worker(pid):
    """A training, the processes that wait for it, and the worker that began them."""
    found = [pid]
    while b"queue-worker" not in Path(f"/proc/{found[-1]}/cmdline").read_bytes().split(b"\0"):
        about = Path(f"/proc/{found[-1]}/stat").read_text()
        found.append(int(about.rpartition(")")[2].split()[1]))  # its parent
        assert found[-1] > 1, "no worker above the training"
    return found


def read_environment(pid):
    """A process's environment."""
    pairs = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(pair.partition("=")[::2] for pair in pairs if pair)


def read_file(clone, name, path):
    """A file of an experiment, from Git."""
    refs = call(clone, "git", "for-each-ref", "--format=%(refname)", "refs/exps").split()
    (ref,) = (ref for ref in refs if ref.endswith(f"/{name}"))
    return call(clone, "git", "show", f"{ref}:{path}")


def read_metrics(clone, name):
    """The numbers of an experiment's training."""
    return json.loads(read_file(clone, name, "metrics/train/complete.json"))


def read_outputs(lock):
    """The digests of what stage train@complete left, by path, from a dvc.lock's text."""
    return {out["path"]: out["md5"] for out in yaml.safe_load(lock)["stages"]["train@complete"]["outs"]}


@pytest.mark.injects("kills of dvc repro and dvc exp run", 2)
def test_what_dvc_runs_goes_on_after_a_kill_and_its_outputs_are_bit_identical(clone):
    call(clone, "dvc", "repro", TARGET)
    expected = read_outputs((clone / "dvc.lock").read_text())
    assert len(expected) >= 4
    for command in (("repro", "--no-run-cache"), ("exp", "run", "--name", "killed")):
        command = ("dvc", *command, "--force", "--single-item", TARGET)
        (clone / "artifacts/kept/train-complete.json").unlink()  # else the results would be left as they are
        running = subprocess.Popen(command, cwd=clone, env=make_environment(), start_new_session=True)
        find_training(clone)
        while not list(clone.glob(".dvc/tmp/checkpoints/*.pt")):
            assert running.poll() is None
            time.sleep(0.02)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        assert (clone / "artifacts/models/complete/model.pt").exists()  # the last good one
        call(clone, *command)
        assert read_outputs((clone / "dvc.lock").read_text()) == expected


@pytest.mark.injects("kills of a queue worker", 1)
def test_every_experiment_ends_once_and_the_killed_one_can_be_run_again(clone):
    enqueue(clone, "crowd", f"range({SEEDS.start},{SEEDS.stop})")  # crowd-1 to crowd-12
    call(clone, "dvc", "queue", "start", "-j", "2")
    training = find_training(clone)
    killed = read_environment(training)["DVC_EXP_NAME"]
    for pid in list_up_to_worker(training):
        os.kill(pid, signal.SIGKILL)
    while read_status(clone)[killed] == "Running":  # nobody is left to say otherwise
        call(clone, "dvc", "queue", "kill", killed)
        time.sleep(1)  # a process that the system still counts is killed once more, not buried
    call(clone, "dvc", "queue", "start", "-j", "2")  # in the place of the killed one
    status = work_off(clone, workers=2)
    assert {name for name, one in status.items() if one == "Failed"} == {killed}
    assert list(status.values()).count("Success") == len(SEEDS) - 1
    call(clone, "dvc", "queue", "remove", killed)
    enqueue(clone, killed, killed.removeprefix("crowd-"))
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
    # A training of less than 20 s leaves MLflow to the stage report, which is not run here; one that goes on
    # after a kill tells it at once.
    seeds = [int(run.data.params["seed"]) for run in finished]
    assert len(set(seeds)) == len(seeds) and int(killed.removeprefix("crowd-")) in seeds
    queued = read_metrics(clone, "crowd-1")
    assert len(queued) > 10
    call(clone, "dvc", "exp", "run", "-n", "direct", "-S", "seed=1", TARGET)
    assert read_metrics(clone, "direct") == queued
    outputs = read_outputs(read_file(clone, "crowd-1", "dvc.lock"))
    assert read_outputs(read_file(clone, "direct", "dvc.lock")) == outputs and len(outputs) >= 4
    for run in finished:
        assert run.data.metrics["mse_after"] > 0
        assert client.list_artifacts(run.info.run_id, "pictures")
