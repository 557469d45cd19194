"""`make ui` serves MLflow's page of the runs."""

import subprocess
import sys

import pytest

from pipeline.tracking import ui
from pipeline.tracking.store import EXPERIMENT


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
