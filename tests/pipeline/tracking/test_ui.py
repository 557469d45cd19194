"""What ``make ui`` prints is the page that a user wants."""

from types import SimpleNamespace

from pipeline.tracking import ui
from pipeline.tracking.store import EXPERIMENT, open_client


def test_the_address_is_that_of_this_projects_runs_and_ends_with_the_server(project, monkeypatch, capsys):
    project.leave_run()
    ended = []
    server = SimpleNamespace(wait=lambda: 0, terminate=lambda: ended.append(True))
    monkeypatch.setattr(ui, "start_server", lambda uri, port: server)
    monkeypatch.setattr(ui, "wait_for", lambda address, server: True)
    assert ui.serve(5077) == 0
    experiment = open_client().get_experiment_by_name(EXPERIMENT).experiment_id
    page = f"http://127.0.0.1:5077/#/experiments/{experiment}/runs?workflowType=machine_learning"
    assert page in capsys.readouterr().out and ended == [True]
