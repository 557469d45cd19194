"""`make ui` serves MLflow's page of the runs."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pipeline.tracking import ui
from pipeline.tracking.store import EXPERIMENT

ROOT = Path(__file__).parents[3]
# The program with a server that only sleeps, and without MLflow, which takes seconds to import.
SLEEPING = """
import subprocess, sys
from pipeline.tracking import ui
ui.start_server = lambda *_: subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
ui.open_client, ui.find_or_create_experiment = (lambda: None), (lambda client: "1")
ui.bury_dead_stages, ui.wait_for = (lambda *_: []), (lambda *_: True)
sys.argv = ["ui"]
ui.main()
"""


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


def test_a_ui_that_is_told_to_end_ends_its_server(project):
    command = [sys.executable, "-c", SLEEPING]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, env={"PYTHONPATH": str(ROOT)})
    assert b"Ctrl-C" in started.stdout.readline()
    (server,) = psutil.Process(started.pid).children()
    try:
        started.send_signal(signal.SIGTERM)
        assert started.wait(60) == 128 + signal.SIGTERM
        gone, _ = psutil.wait_procs([server], timeout=60)
        assert gone
    finally:
        if server.is_running():
            server.kill()
