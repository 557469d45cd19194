"""The whole pipeline as a new user runs it: a fresh copy, `dvc repro` at the profile smoke."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from pipeline.studies.grid import PAPER_STUDIES, read_grid

ROOT = Path(__file__).parents[1]
RUN_TABLES = ("reconstruction", "generation", "anomaly_pooled", "anomaly_tenth", "recovery", "training")
PAPER_TABLES = (
    *("table1", "table2", "table3_tenth", "table3_pooled", "table4", "table5", "table6", "table7", "table8"),
    *("figure3", "figure8"),
)
PAPER_FIGURES = (2, 3, 4, 6, 7, 8, 9, 10)


def call(folder: Path, *command: str) -> str:
    """Run a command in ``folder`` with this environment's programs; returns what it printed."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_", "GIT_"))
    }
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def list_run(output: str) -> list[str]:
    return re.findall(r"Running stage '(.*?)'", output)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the tracked files with profile smoke, reproduced once."""
    folder = tmp_path_factory.mktemp("clone")
    for name in subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    params = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(params.replace("profile: embedded", "profile: smoke"))
    for command in (
        ("git", "init", "--quiet"),
        ("git", "add", "--all"),
        ("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "-m", "start"),
        ("dvc", "repro"),
    ):
        call(folder, *command)
    return folder


def test_one_repro_leaves_every_table_picture_and_page(project):
    for name in (*RUN_TABLES, *PAPER_TABLES):
        frame = pd.read_csv(project / f"reports/tables/{name}.csv")
        assert frame["value"].notna().any()
        assert (project / f"reports/tables/{name}.md").stat().st_size > 100
    for page, profile in (("RUN.md", "profile = smoke"), ("README.md", "Profile `smoke`")):
        text = (project / "reports" / page).read_text()
        pictures = re.findall(r"\((figures/.*?\.png)\)", text)
        assert len(pictures) > 10
        for picture in pictures:
            assert (project / "reports" / picture).stat().st_size > 1000
        assert profile in text
    for number in PAPER_FIGURES:
        assert f"figures/figure{number}.png" in text
    claims = (project / "reports/tables/claims.md").read_text()
    assert claims.count("\n| ") > 15 and claims in text


def test_no_cell_of_the_tables_failed(project):
    paths = [
        path for study in PAPER_STUDIES for path in (project / "metrics").glob(f"cells-{study}-*.json")
    ]  # those of benchmarks/dvc.yaml are the committed ones
    assert len(paths) >= 3 * 4 + 5
    for path in sorted(paths):
        found = json.loads(path.read_text())
        assert found["cells"] > 0 and found["failed"] == 0, path.name


def test_a_stand_in_never_has_a_published_number_beside_it(project):
    frame = pd.read_csv(project / "reports/tables/table2.csv")
    stand_ins = frame[frame["dataset"].str.contains("stand-in for")]
    assert len(stand_ins) == 2 * 3 * 3 and stand_ins["published"].isna().all()
    assert frame[frame["dataset"] == "mnist5k"]["published"].notna().any()


def test_a_lost_table_comes_back_without_training_again(project):
    metrics = project / "metrics" / "cells-table6-Ours.json"
    before = metrics.read_text()
    shutil.rmtree(project / "artifacts/cells/table6")
    state = {path.name: path.stat().st_mtime_ns for path in (project / ".dvc/tmp/cells").iterdir()}
    assert "sweep@table6" in list_run(
        call(project, "dvc", "repro", "--force", "--single-item", "sweep@table6")
    )
    assert metrics.read_text() == before
    assert {path.name: path.stat().st_mtime_ns for path in (project / ".dvc/tmp/cells").iterdir()} == state


def test_a_second_repro_runs_nothing_but_the_publishing(project):
    assert list_run(call(project, "dvc", "repro")) == ["publish"]


def test_the_tracker_holds_one_parent_and_every_stage(project):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    experiment = client.get_experiment_by_name("short-run-mcmc-ot")
    runs = client.search_runs([experiment.experiment_id])
    stages = sorted(run.data.tags["stage"] for run in runs if "stage" in run.data.tags)
    benchmarks = (project / "benchmarks" / "dvc.yaml").read_text()  # committed, but no part of `dvc repro`
    others = set(read_grid(project / "tables.yaml")["studies"]) - set(PAPER_STUDIES)
    written = {
        path.stem
        for path in (project / "metrics").glob("*.json")
        if f"metrics/{path.name}" not in benchmarks
        and not path.stem.startswith(tuple(f"cells-{study}-" for study in others))
    }
    assert stages == sorted(written)
    assert len(runs) == len(stages) + 1
    assert {run.info.status for run in runs} == {"FINISHED"}


@pytest.mark.parametrize(
    ("file", "old", "new", "target"),
    [
        ("tables.yaml", "methods: [VAE,", "methods: ['VAE; touch intruder', VAE,", "table2"),
        ("params.yaml", "dataset: mnist5k", "dataset: mnist5k; touch intruder", "prepare"),
    ],
)
def test_a_name_with_shell_code_in_it_is_an_error(project, file, old, new, target):
    path = project / file
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new, 1))
    try:
        with pytest.raises(AssertionError, match="touch intruder', expected "):
            call(project, "dvc", "repro", target)
    finally:
        path.write_text(before)
        call(project, "dvc", "repro", target)  # DVC removes a stage's outputs before it runs
    assert not (project / "intruder").exists()
    assert (project / "artifacts/data/complete").exists()


def test_nothing_of_a_finished_training_is_left_to_resume(project):
    assert not list((project / ".dvc/tmp/checkpoints").glob("*"))


def test_changing_alpha_runs_only_what_depends_on_it(project):
    params = project / "params.yaml"
    before = params.read_text()
    params.write_text(before.replace("alpha: 0.5", "alpha: 0.3"))
    try:
        planned = set(list_run(call(project, "dvc", "repro", "--dry")))
    finally:
        params.write_text(before)
    assert {"train@complete", "train@normal", "train@occluded", "report"} <= planned
    assert not planned & {"prepare", "holdout", "mask", "extractor"}


def test_a_wrong_parameter_stops_before_any_work(project):
    params = project / "params.yaml"
    before = params.read_text()
    params.write_text(before.replace("s: 0.3 ", "s: -1 "))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "stages.train", "complete"], cwd=project, capture_output=True, text=True
        )
    finally:
        params.write_text(before)
    assert done.returncode == 1
    assert done.stderr == "train-complete: s: found -1, expected a number > 0\n"


def test_metrics_are_finite_and_say_how_they_were_measured(project):
    fid = json.loads((project / "metrics/fid.json").read_text())
    assert fid["extractor"] == "mnist5k classifier" and fid["reference_split"] == "train"
    assert 0 < fid["floor"] < fid["frechet_distance"]
    anomaly = json.loads((project / "metrics/anomaly.json").read_text())
    for protocol in ("pooled", "tenth"):
        part = anomaly[protocol]
        assert part["minimum"] < part["auprc_mean"] < 1
    assert anomaly["pooled"]["base_rate"] > 3 * anomaly["tenth"]["base_rate"]
