"""The tracking server dies, the disk is full: a training goes on, or stops and goes on later."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request

import pytest
from mlflow import MlflowClient

pytestmark = pytest.mark.faults

PATIENCE = 120  # seconds for a server to answer, or a training to reach it


@pytest.fixture
def server(tmp_path):
    """A real tracking server: ``start`` and ``kill`` it, ``uri`` is where it listens."""

    class Server:
        def __init__(self):
            with socket.socket() as found:
                found.bind(("127.0.0.1", 0))
                self.port = found.getsockname()[1]
            self.uri, self.database = f"http://127.0.0.1:{self.port}", tmp_path / "server.db"
            self._process = None

        def start(self):
            options = ("--host", "127.0.0.1", "--port", str(self.port), "--workers", "1")
            stores = (
                "--backend-store-uri",
                f"sqlite:///{self.database}",
                "--artifacts-destination",
                tmp_path,
            )
            with open(tmp_path / "server.log", "ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "mlflow", "server", *options, *map(str, stores)],
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                try:
                    urllib.request.urlopen(f"{self.uri}/health", timeout=5)
                    return
                except OSError:
                    time.sleep(0.3)
            raise AssertionError((tmp_path / "server.log").read_text())

        def kill(self):
            if self._process:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
                self._process = None

        def count_points(self):
            with sqlite3.connect(self.database) as database:
                return database.execute("SELECT count(*) FROM metrics").fetchone()[0]

    made = Server()
    yield made
    made.kill()


@pytest.mark.injects("tracking and disk", 1)
def test_a_server_that_dies_in_the_middle_stops_nothing_and_is_brought_up_to_date(project, server):
    server.start()
    training = project.start_training(MLFLOW_TRACKING_URI=server.uri)
    deadline = time.monotonic() + PATIENCE
    while server.count_points() == 0:
        assert training.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    server.kill()
    output, _ = training.communicate()
    assert training.returncode == 0, output
    assert output.count("going on without it") == 1 and server.uri in output
    written = json.loads((project.folder / "metrics/train/complete.json").read_text())

    server.start()
    output = project.train(MLFLOW_TRACKING_URI=server.uri)
    assert "its results are kept" in output  # it trained nothing again
    client = MlflowClient(server.uri)
    (experiment,) = client.search_experiments(filter_string="name = 'short-run-mcmc-ot'")
    runs = client.search_runs([experiment.experiment_id], "tags.stage = 'train-complete'")
    finished = [run for run in runs if run.info.status == "FINISHED"]
    assert len(finished) == 1 and finished[0].data.metrics["mse_after"] == written["mse_after"]
    assert len(client.get_metric_history(finished[0].info.run_id, "mse_after")) >= 4  # every round


@pytest.fixture
def small_disk(project):
    """Put the checkpoints on a disk of their own; called with its size in bytes, again to resize it."""
    place = project.folder / ".dvc"
    place.mkdir(exist_ok=True)
    mounted = False

    def resize(size):
        nonlocal mounted
        options = f"{'remount,' if mounted else ''}size={size}"
        command = ["mount", "-t", "tmpfs", "-o", options, "none", place]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a disk can be mounted by root alone")
        mounted = True

    yield resize
    if mounted:
        subprocess.run(["umount", place], check=True)


@pytest.mark.injects("tracking and disk", 2)
def test_a_full_disk_stops_a_training_with_its_path_and_it_goes_on_when_there_is_room(
    project, killed, small_disk, expected
):
    (checkpoint,) = killed.find_checkpoints()
    size = checkpoint.stat().st_size
    for room in (size // 2, size + size // 2):  # no checkpoint fits; the first one does
        small_disk(room)
        training = project.start_training()
        output, _ = training.communicate()
        assert training.returncode == 1
        (line,) = [line for line in output.splitlines() if "No space left on device" in line]
        assert line.startswith("train-complete: ") and ".dvc/tmp/checkpoints/complete-" in line
        assert not list(project.folder.glob(".dvc/tmp/checkpoints/.*"))
        assert not (project.folder / "artifacts/models").exists()
        assert not (project.folder / "metrics/train/complete.json").exists()
    assert len(project.find_checkpoints()) == 1
    small_disk(2**28)
    project.train()
    project.assert_result(expected)
