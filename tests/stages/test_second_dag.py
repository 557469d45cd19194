"""A stage of the second DAG has the project's data, kept cells and MLflow store, not its own folder's."""

from pathlib import Path

from pipeline.stage import run_stage
from pipeline.storage.files import project_root

ROOT = Path(__file__).parents[2]


def test_a_stage_of_the_second_dag_works_in_the_project(project, monkeypatch):
    assert (ROOT / "beyond" / ".dvc").is_dir()  # which is why DVC names that folder
    monkeypatch.setenv("DVC_ROOT", str(project / "beyond"))
    seen = []
    run_stage("probe", lambda params, tracker: seen.append(project_root()))
    assert seen == [project.resolve()]
    assert not (project / "beyond").exists()  # where its marker lay


def test_a_queued_run_has_the_root_that_dvc_names(project, tmp_path_factory, monkeypatch):
    workspace = tmp_path_factory.mktemp("workspace")
    (workspace / "params.yaml").write_text((project / "params.yaml").read_text())
    monkeypatch.chdir(workspace)
    monkeypatch.setenv("DVC_ROOT", str(project))
    seen = []
    run_stage("probe", lambda params, tracker: seen.append(project_root()))
    assert seen == [project.resolve()]
