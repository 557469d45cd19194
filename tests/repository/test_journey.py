"""A user's journey, by the user's commands: experiments, a second clone, wrong values, Ctrl-C, a kill.

One project at profile smoke, with 200 images and few rounds, is worked in from top to bottom.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.repository.user_project import PATIENCE, Project, list_run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
MEASURED = ("mse_train", "mse_test", "fid", "auprc", "auprc10", "recovery")
KEPT = ("artifacts/models", "artifacts/run", "metrics")  # what a training that breaks off must not touch
SHORTER = (  # params.yaml's profile smoke, as text: DVC keeps its comments, and so must we
    ("n_test: 200", "n_test: 100"),
    *(("L: 2\n", "L: 1\n"), ("complete: 2", "complete: 1"), ("normal: 2", "normal: 1")),
    ("occluded: 2", "occluded: 1"),
)


@pytest.fixture(scope="module")
def project(tmp_path_factory, migrated):
    """The tracked files, with a shorter profile smoke, committed in a fresh repository."""
    made = Project(tmp_path_factory.mktemp("project"))
    for name in subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines():
        if (ROOT / name).is_file():
            (made.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, made.folder / name)
    shutil.copy(migrated, made.folder / "mlflow.db")
    smoke, embedded = (made.folder / "params.yaml").read_text().split("  embedded:\n")
    for old, new in SHORTER:
        assert smoke.count(old) == 1, old
        smoke = smoke.replace(old, new)
    smoke = smoke.replace("profile: embedded", "profile: smoke")  # an experiment is then compared to its like
    (made.folder / "params.yaml").write_text(f"{smoke}  embedded:\n{embedded}")
    made.call("git", "init", "--quiet")
    made.commit()
    return made


@pytest.fixture(scope="module")
def experiment(project):
    """The project after one experiment; also what DVC printed."""
    command = ("dvc", "exp", "run", "--name", "first", "-S", "alpha=0.3", "-S", "profile=smoke", "report")
    return project, project.call(*command)


@pytest.fixture(scope="module")
def committed(experiment):
    """The project whose first experiment is committed, with a folder as its remote."""
    project, _ = experiment
    project.call("dvc", "remote", "add", "-d", "--local", "mine", f"{project.folder}-remote")
    project.commit()
    return project


def assert_arrived(parents, names) -> None:
    """Experiments' runs in MLflow are these, have ended, and have what a user compares."""
    assert sorted(parents) == sorted(names)
    for run in parents.values():
        assert run.info.status == "FINISHED" and "error" not in run.data.tags
        assert set(MEASURED) <= set(run.data.metrics)


def test_an_experiment_ends_in_mlflow_with_its_numbers(experiment):
    project, output = experiment
    assert list_run(output)[0] == "validate" and list_run(output)[-1] == "report"
    assert_arrived(project.find_parents(), ["alpha 0.3, K 5, seed 1"])
    children = [run for run in project.read_runs() if "mlflow.parentRunId" in run.data.tags]
    assert {run.data.tags["stage"] for run in children} == {
        *("prepare", "holdout", "mask", "extractor", "train-complete", "train-normal", "train-occluded"),
        *("reconstruct", "fid", "anomaly", "recover", "report"),
    }
    assert {run.info.status for run in children} == {"FINISHED"}
    assert "report: " in output and "artifacts/run/RUN.md" in output  # where to look, and the numbers
    assert not list((project.folder / ".dvc/tmp/checkpoints").glob("*"))


def test_an_experiment_leaves_tables_pages_and_pictures_in_its_own_places(experiment):
    project, _ = experiment
    assert project.call("git", "status", "--porcelain", "README.md", "docs", "reports") == ""
    run = project.folder / "artifacts/run"
    for name in (
        "reconstruction",
        "generation",
        "copies",
        "anomaly_pooled",
        "anomaly_tenth",
        "recovery",
        "training",
    ):
        assert pd.read_csv(run / f"tables/{name}.csv")["value"].notna().any()
        assert (run / f"tables/{name}.md").stat().st_size > 100
    text = (run / "RUN.md").read_text()
    pictures = re.findall(r"\((figures/.*?\.png)\)", text)
    assert len(pictures) > 10 and "profile = smoke" in text
    assert all((run / picture).stat().st_size > 1000 for picture in pictures)


def test_metrics_are_finite_and_say_how_they_were_measured(experiment):
    metrics = experiment[0].folder / "metrics"
    fid = json.loads((metrics / "fid.json").read_text())
    assert fid["extractor"] == "mnist5k classifier" and fid["reference_split"] == "train"
    anomaly = json.loads((metrics / "anomaly.json").read_text())
    for protocol in ("pooled", "tenth"):
        part = anomaly[protocol]
        assert part["minimum"] < part["auprc_mean"] <= 1
    assert anomaly["pooled"]["base_rate"] > 3 * anomaly["tenth"]["base_rate"]


def test_what_dvc_shows_fits_a_terminal(experiment):
    """What an experiment over alpha changed, and what came out."""
    project, _ = experiment
    shown = project.call("dvc", "exp", "show", "--only-changed", COLUMNS="120")
    head = next(line for line in shown.splitlines() if "Experiment" in line)[:120]
    assert re.search(r"\balpha\b", head), head
    assert sum(bool(re.search(rf"\b{name}\b", head)) for name in MEASURED) >= 6, head
    assert len(project.call("dvc", "metrics", "show").splitlines()) < 60


def test_what_has_run_is_up_to_date(experiment):
    project, _ = experiment
    assert "up to date" in project.call("dvc", "status", "report")
    whole = project.call("dvc", "status")  # at this profile no table has been made
    assert "cells@table2" in whole and "leaderboard" not in whole
    assert list_run(project.call("dvc", "repro", "report")) == []


def test_an_experiment_can_be_applied_and_checked_out(experiment):
    project, _ = experiment
    before = project.read_files(*KEPT)
    project.call("dvc", "exp", "apply", "first")
    shutil.rmtree(project.folder / "artifacts/models")
    project.call("dvc", "checkout")
    assert project.read_files(*KEPT) == before


def test_a_second_clone_gets_the_results_and_runs_nothing(committed, tmp_path):
    committed.call("dvc", "push")
    clone = Project(tmp_path / "clone")
    committed.call("git", "clone", "--quiet", ".", str(clone.folder))
    # What is in no remote yet cannot be checked out; DVC names it, and Git's files stay as they are.
    done = clone.run("dvc", "checkout")
    assert done.returncode != 0 and "artifacts/models/complete" in done.stdout
    assert clone.call("git", "status", "--porcelain") == ""
    clone.call("dvc", "remote", "add", "-d", "--local", "mine", f"{committed.folder}-remote")
    clone.call("dvc", "pull", "report")
    clone.call("dvc", "pull")
    assert clone.read_files(*KEPT) == committed.read_files(*KEPT)
    assert list_run(clone.call("dvc", "repro", "report")) == []


def test_queued_experiments_end_in_mlflow_as_direct_ones_do(committed):
    before = committed.read_files(*KEPT)
    committed.call("dvc", "exp", "run", "--queue", "-S", "anomaly.chains=2,3", "report")
    output = committed.call(sys.executable, "-m", "reports.tools.work_queue", "--jobs", "2", "--no-compare")
    assert "2 experiments: 2 Success" in output, output
    first = "alpha 0.3, K 5, seed 1"
    names = [first, *(f"{first}, anomaly.chains {chains}" for chains in (2, 3))]
    assert_arrived(committed.find_parents(), names)
    assert committed.read_files(*KEPT) == before


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("alpha=-1", r"alpha: found -1, expected a number >= 0 and <= 1"),
        ("mask.side=100", r"mask\.side: found 100, expected 1 to 64 .*"),
        ("profile=foo", r"profile: found 'foo', expected smoke \| embedded \| recorded \| paper"),
        ("dataset=cifar", r"dataset: found 'cifar', expected mnist5k \| mnist \| .*"),
        ("transport.solver=foo", r"transport\.solver: found 'foo', expected auto \| exact \| .*"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_is_touched(committed, setting, line):
    before = committed.read_files()
    done = committed.run("dvc", "exp", "run", "-S", setting, "report")
    after = committed.read_files()
    committed.call("git", "checkout", "params.yaml")  # as the message says
    assert committed.read_files()["params.yaml"] == before["params.yaml"]
    assert done.returncode != 0
    assert len(re.findall(rf"^{line}$", done.stdout, flags=re.MULTILINE)) == 1, done.stdout
    assert {name for name in before | after if before.get(name) != after.get(name)} == {"params.yaml"}


def test_a_name_with_shell_code_in_it_is_an_error(committed):
    committed.edit("tables.yaml", "tables: &tables [VAE,", "tables: &tables ['VAE; touch intruder', VAE,")
    done = committed.run("dvc", "repro", "cells@table2")
    committed.call("git", "checkout", "HEAD", "tables.yaml")
    assert done.returncode != 0 and "touch intruder', expected one of" in done.stdout, done.stdout
    assert not (committed.folder / "intruder").exists()


def test_a_stage_that_fails_leaves_the_last_good_outputs(committed):
    before = committed.read_files(*KEPT)
    committed.edit("params.yaml", "s: 0.3 ", "s: 300 ")
    done = committed.run("dvc", "repro", "train@complete")
    committed.call("git", "checkout", "HEAD", "params.yaml", "dvc.lock")
    assert done.returncode != 0
    (line,) = [
        line for line in done.stdout.splitlines() if line.startswith("train-complete: chains diverged")
    ]
    assert committed.read_files(*KEPT) == before
    assert committed.find_training().info.status == "FAILED"
    assert committed.find_training().data.tags["error"] == line.removeprefix("train-complete: ")


@pytest.fixture(scope="module")
def longer(committed):
    """The project whose next training has rounds enough to be interrupted in."""
    committed.edit(
        "params.yaml",
        "        complete: 1\n        normal: 1\n        occluded: 1\n      regr",
        "        complete: 12\n        normal: 1\n        occluded: 1\n      regr",
    )
    return committed


def test_ctrl_c_keeps_the_checkpoint_and_the_last_good_outputs(longer):
    before = longer.read_files(*KEPT)
    process = longer.start("dvc", "repro", "train@complete")
    longer.wait_for_checkpoint(process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal's Ctrl-C: all processes of the group
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    (line,) = [line for line in output.splitlines() if line.startswith("train-complete: interrupted")]
    assert re.search(r"round \d+ is kept, and the same command goes on from there", line)
    assert "Traceback" not in output
    assert longer.read_files(*KEPT) == before
    failed = longer.find_training()
    assert failed.info.status == "FAILED" and failed.data.tags["error"] in line


def test_a_killed_training_is_failed_and_the_same_command_goes_on(longer):
    process = longer.start("dvc", "repro", "train@complete")
    deadline = time.monotonic() + PATIENCE
    markers = longer.folder / ".dvc/tmp/running"
    while not (found := list(markers.glob("train-complete-*.json"))):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    while longer.find_training().info.status != "RUNNING":
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(json.loads(found[0].read_text())["pid"], signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    assert process.returncode != 0 and longer.find_training().info.status == "RUNNING"
    output = longer.call("dvc", "repro", "train@complete")  # its training opens the store
    assert "train-complete: goes on with round" in output
    children = [run for run in longer.read_runs() if run.data.tags.get("stage") == "train-complete"]
    assert children[0].info.status == "FINISHED"
    assert "RUNNING" not in {run.info.status for run in longer.read_runs()}
    assert not list((longer.folder / ".dvc/tmp/checkpoints").glob("*"))


def test_a_training_whose_results_are_kept_has_its_curves_in_mlflow_all_the_same(longer):
    output = longer.call(sys.executable, "-m", "stages.train", "complete")
    assert "its results are kept" in output
    from mlflow import MlflowClient

    run = longer.find_training()
    history = MlflowClient(f"sqlite:///{longer.folder}/mlflow.db").get_metric_history(
        run.info.run_id, "mse_after"
    )
    curve = pd.read_csv(longer.folder / "metrics/train/complete.csv")
    assert {point.step: point.value for point in history} == dict(curve.set_index("round")["mse_after"])


def test_own_pictures_go_through_the_whole_pipeline_and_a_changed_one_is_seen(committed, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(300):
        name = ("circles", "squares", "stripes")[number % 3]
        (tmp_path / name).mkdir(exist_ok=True)
        Image.fromarray(draw_shape(name, rng)).save(tmp_path / name / f"{number}.png")
    settings = [f"data.images={tmp_path}", "dataset=folder", "anomaly.held_out=1", "profile=smoke"]
    command = ("dvc", "exp", "run", *(part for one in settings for part in ("-S", one)), "report")
    committed.call(*command)
    prepared = json.loads((committed.folder / "metrics/prepare.json").read_text())
    assert prepared["dataset"] == "folder" and 30 < prepared["n_test"] < 90
    assert (committed.folder / "artifacts/run/RUN.md").exists()
    assert list_run(committed.call("dvc", "repro", "report")) == []
    Image.fromarray(draw_shape("circles", rng)).save(tmp_path / "circles" / "0.png")
    assert list_run(committed.call("dvc", "repro", "--dry", "report"))[0] == "prepare"


def draw_shape(name, rng):
    """A grey picture of 36 x 36 pixels with one shape somewhere."""
    y, x = np.mgrid[:36, :36] - rng.integers(12, 24, 2)[:, None, None]
    shapes = {"circles": x**2 + y**2 < 60, "squares": np.maximum(abs(x), abs(y)) < 7, "stripes": x % 6 < 3}
    return np.where(shapes[name], 230, 20).astype(np.uint8)
