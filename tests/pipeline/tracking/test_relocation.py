"""A copied project is a project of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from pipeline.tracking.relocation import relocate_artifacts
from pipeline.tracking.store import EXPERIMENT

ROOT = Path(__file__).parents[3]
PUBLISH = """
from pipeline.settings.params import load_params
from pipeline.tracking.run_record import read_record
from pipeline.tracking.store import Store
Store(load_params()).publish([read_record(stage) for stage in ("recover", "fid")])
"""


def list_files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_copied_project_writes_into_its_own_folder(project, tmp_path_factory, monkeypatch):
    project.leave_stage("recover", 0.25)
    project.publish("recover")
    original = list_files(project.folder / "mlruns")
    assert any(name.endswith("recover_picture.png") for name in original)

    copy = Path(shutil.copytree(project.folder, tmp_path_factory.mktemp("elsewhere") / "copy"))
    monkeypatch.chdir(copy)
    project.leave_stage("fid", 3.0)
    # In a process of its own, as in life: MLflow's client remembers where a run's artifacts were.
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", PUBLISH], env=environment, check=True)
    assert list_files(project.folder / "mlruns") == original
    runs = project.read_runs(copy / "mlflow.db")
    for stage in ("recover", "fid"):
        run = runs.find(stage)
        assert run.info.artifact_uri.startswith((copy / "mlruns").as_uri())
        (picture,) = runs.client.list_artifacts(run.info.run_id, "pictures")
        assert picture.path == f"pictures/{stage}_picture.png"
    assert any(name.endswith("fid_picture.png") for name in list_files(copy / "mlruns"))
    experiment = runs.client.get_experiment_by_name(EXPERIMENT)
    assert experiment.artifact_location == (copy / "mlruns").as_uri()


def test_addresses_change_once_and_those_of_other_experiments_never(project, tmp_path):
    project.leave_stage("recover", 0.25)
    project.publish("recover")
    database = project.folder / "mlflow.db"
    client = project.read_runs().client
    other = client.create_experiment("another", artifact_location="file:///elsewhere")
    assert relocate_artifacts(database, EXPERIMENT, project.folder / "mlruns") == 0
    assert relocate_artifacts(database, "none of this name", tmp_path / "moved") == 0
    assert relocate_artifacts(database, EXPERIMENT, tmp_path / "moved") == 3  # experiment, parent, child
    assert relocate_artifacts(database, EXPERIMENT, tmp_path / "moved") == 0
    runs = project.read_runs()
    for run in runs.every:
        assert run.info.artifact_uri == f"{(tmp_path / 'moved').as_uri()}/{run.info.run_id}/artifacts"
    assert client.get_experiment(other).artifact_location == "file:///elsewhere"
