"""`dvc repro` of everything at profile smoke: the tables and figures, the pages, what a second one runs."""

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

from pipeline.storage import places
from pipeline.studies.grid import PAPER_STUDIES, list_methods, read_grid
from reports.paper.figures import FIGURES
from reports.paper.layouts import LAYOUTS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PROFILE = "smoke"


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
    (folder / "params.yaml").write_text(params.replace("profile: embedded", f"profile: {PROFILE}"))
    for command in (
        ("git", "init", "--quiet"),
        ("git", "add", "--all"),
        ("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "-m", "start"),
        ("dvc", "repro"),
    ):
        call(folder, *command)
    return folder


def test_one_repro_leaves_every_table_picture_and_page(project):
    paper = project / places.find_paper(PROFILE)
    for study in PAPER_STUDIES:
        folder = project / places.find_exhibit(PROFILE, study)
        for name in LAYOUTS[study].split(study):
            assert pd.read_csv(folder / f"{name}.csv")["value"].notna().any()
            assert (folder / f"{name}.md").stat().st_size > 100
        for name in FIGURES[study]:
            assert (folder / f"{name}.png").stat().st_size > 1000
    text = (paper / "README.md").read_text()
    pictures = re.findall(r"\(([^()\s]*\.png)\)", text)
    assert len(pictures) > 10 and f"Profile `{PROFILE}`" in text
    assert all((paper / picture).stat().st_size > 1000 for picture in pictures)
    for number in (2, 3, 4, 6, 7, 8, 9, 10):
        assert f"/figure{number}.png" in text
    claims = (paper / "claims.md").read_text()
    assert claims.count("\n| ") > 20 and claims in text
    assert text.index("claims.png") < text.index("Table 1")
    frame = pd.read_csv(paper / "claims.csv")
    assert {"claim", "effect", "low", "high", "verdict", "seeds", "images"} <= set(frame.columns)
    assert frame["effect"].notna().all() and set(frame["verdict"]) == {"undecided"}  # of one seed


def test_the_committed_tables_stay_as_they_are(project):
    assert call(project, "git", "status", "--porcelain", "README.md", "docs", "reports") == ""


def test_no_cell_of_the_tables_failed(project):
    grid = read_grid(project / "tables.yaml")
    for study in PAPER_STUDIES:
        for method in list_methods(study, grid):
            content = json.loads(
                (project / places.find_cells(PROFILE, study, method) / "cells.json").read_text()
            )
            assert content["cells"] and not [cell["error"] for cell in content["cells"] if cell["error"]]


def test_a_stand_in_never_has_a_published_number_beside_it(project):
    frame = pd.read_csv(project / places.find_exhibit(PROFILE, "table2") / "table2.csv")
    stand_ins = frame[frame["dataset"].str.contains("stand-in for")]
    rows_of_each = len(LAYOUTS["table2"].quantities)  # what a method lacks is a row as well
    assert len(stand_ins) == 2 * 4 * rows_of_each and stand_ins["published"].isna().all()
    assert frame[frame["dataset"] == "mnist5k"]["published"].notna().any()


def test_a_second_repro_runs_nothing_but_the_publishing(project):
    assert list_run(call(project, "dvc", "repro")) == ["publish"]


def test_a_lost_table_comes_back_without_training_again(project):
    folder = project / places.find_cells(PROFILE, "table6", "Ours")
    before = (folder / "cells.json").read_text()
    shutil.rmtree(folder)
    state = {path.name: path.stat().st_mtime_ns for path in (project / ".dvc/tmp/cells").iterdir()}
    output = call(project, "dvc", "repro", "--force", "--single-item", "cells@table6")
    assert list_run(output) == ["cells@table6"]
    assert (folder / "cells.json").read_text() == before
    assert {path.name: path.stat().st_mtime_ns for path in (project / ".dvc/tmp/cells").iterdir()} == state


def test_the_tracker_holds_one_parent_and_every_stage(project):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    experiment = client.get_experiment_by_name("short-run-mcmc-ot")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    grid = read_grid(project / "tables.yaml")
    studies = ("rates", *PAPER_STUDIES)
    cells = {f"cells-{study}-{method}" for study in studies for method in list_methods(study, grid)}
    own = {
        *("prepare", "holdout", "mask", "extractor", "train-complete", "train-normal", "train-occluded"),
        *("reconstruct", "fid", "anomaly", "recover", "report"),
    }
    assert sorted(run.data.tags["stage"] for run in runs if "stage" in run.data.tags) == sorted(own | cells)
    assert len([run for run in runs if "stage" not in run.data.tags]) == 1
    assert {run.info.status for run in runs} == {"FINISHED"}
