"""What ``make ui`` prints is the page that a user wants."""

import json
from pathlib import Path
from types import SimpleNamespace

from pipeline.tracking import ui
from pipeline.tracking.store import COMPARED, EXPERIMENT, VARIED, open_client
from stages.publish import publish

ROOT = Path(__file__).parents[3]


def test_the_address_is_that_of_this_projects_runs_and_ends_with_the_server(project, monkeypatch, capsys):
    project.leave_run()
    ended = []
    server = SimpleNamespace(wait=lambda: 0, terminate=lambda: ended.append(True))
    monkeypatch.setattr(ui, "start_server", lambda uri, port: server)
    monkeypatch.setattr(ui, "wait_for", lambda address, server: True)
    assert ui.serve(5077) == 0
    experiment = open_client().get_experiment_by_name(EXPERIMENT)
    page = (
        f"http://127.0.0.1:5077/#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning"
    )
    assert f"{page}&viewStateShareKey=numbers" in capsys.readouterr().out and ended == [True]
    assert "mlflow.sharedViewState.numbers" in experiment.tags


def test_the_table_of_runs_shows_what_is_varied_and_every_number_of_the_summary(project):
    assert set(COMPARED) == set(json.loads((ROOT / "metrics/summary.json").read_text()))
    project.leave_run()
    publish()
    (parent,) = project.read_runs().parents
    assert set(VARIED) <= set(parent.data.params)
