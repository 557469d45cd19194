"""What stages left becomes runs in MLflow: a parent with a child for each stage, once, with all numbers."""

import dataclasses
import getpass
import json
import os
import re
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline.settings.params import load_params
from pipeline.stage import run_stage
from pipeline.storage import places
from pipeline.storage.files import write_text
from pipeline.storage.processor import name_processor
from pipeline.studies.measured import write_cells
from pipeline.studies.memo import save_result
from pipeline.studies.result import CellResult
from pipeline.studies.trained_here import MEMO
from pipeline.tracking import store
from pipeline.tracking.run_record import RUN_STAGES, read_record
from pipeline.tracking.store import EXPERIMENT, Store
from stages import publish as stages_publish
from stages.publish import publish

ROOT = Path(__file__).parents[3]


def keep_as_trained_here(key, machine=None):
    """Keep a cell as the crew does when it has trained one."""
    save_result(MEMO, key, CellResult({"n": 1.0}, made={"machine": machine or name_processor()}))


def test_publishing_makes_a_parent_with_a_child_for_each_stage(project):
    project.leave_run()
    project.leave_stage("recover", 0.25)
    project.leave_stage("train-normal", 0.5, "round,mse\n1,0.4\n2,0.3\n")
    assert publish() == len(RUN_STAGES) + 1
    runs = project.read_runs()
    (parent,) = runs.parents
    assert sorted(run.data.tags["stage"] for run in runs.children) == sorted(RUN_STAGES)
    recover = runs.find("recover")
    assert recover.data.metrics == {"error.mean": 0.25, "seconds": 2.5}
    assert recover.data.params["alpha"] == "0.5"
    history = runs.client.get_metric_history(runs.find("train-normal").info.run_id, "mse")
    assert [(point.step, point.value) for point in history] == [(1, 0.4), (2, 0.3)]
    assert [file.path for file in runs.client.list_artifacts(recover.info.run_id, "pictures")] == [
        "pictures/recover_picture.png"
    ]
    assert {run.info.status for run in runs.every} == {"FINISHED"}
    assert (project.folder / "mlruns").is_dir()

    # The parent has every stage's numbers, the summary's under their own names, and nothing but numbers.
    assert parent.data.metrics["train-normal/error.mean"] == 0.5
    assert set(parent.data.metrics) == {"fid", "report/seconds"} | {
        f"{stage}/{name}" for stage in RUN_STAGES[:-1] for name in ("error.mean", "seconds")
    }
    pictures = {file.path for file in runs.client.list_artifacts(parent.info.run_id, "pictures")}
    assert pictures == {f"pictures/{stage}_picture.png" for stage in RUN_STAGES[:-1]}
    tables = {file.path for file in runs.client.list_artifacts(parent.info.run_id, "tables")}
    assert tables == {"tables/generation.csv", "tables/RUN.md"}

    # What the columns of MLflow's table show.
    tags = parent.data.tags
    assert parent.info.run_name == "alpha 0.5, K 5, seed 1"
    assert tags["mlflow.note.content"].startswith("**alpha 0.5, K 5, seed 1**\n\nData set `mnist5k`")
    assert tags["mlflow.user"] == getpass.getuser()
    assert tags["mlflow.source.name"] == "python -m stages.report"
    assert runs.find("train-normal").data.tags["mlflow.source.name"] == "python -m stages.train normal"
    assert runs.find("train-normal").info.run_name == "train-normal, alpha 0.5, K 5, seed 1"
    (given,) = parent.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("mnist5k (complete)", "0123abcd")
    assert [(tag.key, tag.value) for tag in given.tags] == [("mlflow.data.context", "complete")]
    experiment = runs.client.get_experiment_by_name(EXPERIMENT)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"

    before = {run.info.run_id for run in runs.every}
    assert publish() == 0
    again = project.read_runs()
    assert {run.info.run_id for run in again.every} == before
    assert again.parents[0].data.metrics == parent.data.metrics
    assert len(again.client.get_metric_history(parent.info.run_id, "recover/error.mean")) == 1


def test_a_run_has_the_images_that_it_rests_on_and_the_parent_all(project):
    """A first stage begins while another task's images are not prepared, or are an earlier experiment's."""
    write_text(places.DATA / "occluded" / "meta.json", '{"dataset": "mnist5k", "digest": "b", "source": ""}')
    write_text(places.DATA / "normal" / "meta.json", '{"dataset": "mnist5k", "digest": "old", "source": ""}')
    Store(load_params()).start_child("train-occluded")
    runs = project.read_runs()
    (parent,) = runs.parents
    for run in (parent, runs.find("train-occluded")):
        digests = {key: value for key, value in run.data.tags.items() if key.startswith("data_digest.")}
        assert digests == {"data_digest.occluded": "b"}
        assert [given.dataset.name for given in run.inputs.dataset_inputs] == ["mnist5k (occluded)"]
    project.leave_run()
    write_text(places.DATA / "normal" / "meta.json", '{"dataset": "mnist5k", "digest": "new", "source": ""}')
    publish()
    (parent,) = project.read_runs().parents
    assert {given.dataset.digest for given in parent.inputs.dataset_inputs} == {"b", "new", "0123abcd"}
    assert [parent.data.tags[f"data_digest.{task}"] for task in ("normal", "occluded")] == ["new", "b"]


def test_the_description_shows_pictures_that_the_run_has(project):
    project.leave_run()
    write_text(places.FIGURES / "fid_samples.png", "png")
    publish()
    (parent,) = project.read_runs().parents
    note, run_id = parent.data.tags["mlflow.note.content"], parent.info.run_id
    assert note.startswith("**alpha 0.5, K 5, seed 1**") and note.count("![") == 1
    (path,) = re.findall(r"get-artifact\?path=([^&]*)&run_uuid=" + run_id, note)
    assert Path(project.read_runs().client.download_artifacts(run_id, path)).read_text() == "png"


def test_a_tables_run_is_tagged_with_its_study_and_method(project, make_cell):
    cells = [
        make_cell("leaderboard", "SRI", key=f"{seed}a", seed=seed, place=f"seed {seed}", mse_test=0.1)
        for seed in (1, 2)
    ]
    write_cells(places.find_cells("embedded", "leaderboard", "SRI"), cells)
    write_cells(places.find_cells("embedded", "tuning", "ABP"), [make_cell("tuning", "ABP", key="3a")])  # Git
    keep_as_trained_here("1a")
    assert publish() == 1  # the own run has not run
    project.leave_stage("recover", 0.25)
    project.publish("recover")
    runs = project.read_runs()
    assert {run.data.tags["stage"] for run in runs.children} == {"cells-leaderboard-SRI", "recover"}
    run = runs.find("cells-leaderboard-SRI")
    assert run.data.tags["study"] == "leaderboard"
    assert run.data.tags["method"] == "SRI"
    assert run.data.metrics["seed 2.mse_test"] == 0.1
    own = runs.find("recover").data.tags
    assert (own["study"], own["method"], own["profile"], own["dataset"]) == (
        *("own run", "Ours"),
        *("embedded", "mnist5k"),
    )


def test_cells_that_this_machine_only_recalled_are_no_run_and_those_it_trained_are(project, make_cell):
    write_cells(places.find_cells("embedded", "table2", "VAE"), [make_cell("table2", "VAE", key="1a")])
    run_stage("cells-table2", lambda params, tracker: None)  # found all of them in Git
    keep_as_trained_here("2b")  # at another profile
    keep_as_trained_here("1a", "the machine whose memo was copied")
    assert publish() == 0
    keep_as_trained_here("1a")
    assert publish() == 1


def test_results_of_other_parameters_are_not_published(project):
    project.leave_run()
    stages = {
        "report": {"params": {"params.yaml": {"alpha": 0.3}}, "outs": [{"path": "metrics/summary.json"}]}
    }
    write_text("dvc.lock", json.dumps({"stages": stages}))
    assert publish() == 0
    stages["report"]["params"]["params.yaml"]["alpha"] = 0.5
    write_text("dvc.lock", json.dumps({"stages": stages}))
    assert publish() == len(RUN_STAGES) + 1


def test_publishing_again_changes_nothing_and_new_numbers_replace_one_child(project):
    project.leave_stage("recover", 0.25)
    project.leave_stage("fid", 3.0)
    project.publish("recover", "fid")
    before = {run.info.run_id for run in project.read_runs().every}
    assert project.publish("recover", "fid") == 0
    assert {run.info.run_id for run in project.read_runs().every} == before
    project.leave_stage("recover", 0.2)
    assert project.publish("recover", "fid") == 2  # the child and the parent
    runs = project.read_runs()
    (parent,) = runs.parents
    assert sorted(run.data.tags["stage"] for run in runs.children) == ["fid", "recover"]
    assert parent.data.metrics["recover/error.mean"] == 0.2
    assert len(runs.client.get_metric_history(runs.find("recover").info.run_id, "error.mean")) == 1


def test_other_parameters_are_another_experiment(project):
    project.leave_stage("recover", 0.25)
    project.publish("recover")
    text = Path("params.yaml").read_text().replace("alpha: 0.5", "alpha: 0.3")
    Path("params.yaml").write_text(text)
    project.publish("recover")
    assert sorted(run.data.params["alpha"] for run in project.read_runs().parents) == ["0.3", "0.5"]


def test_a_queued_run_lands_in_the_main_repositorys_database(project, monkeypatch):
    worker = project.folder / ".dvc/tmp/exps/tmpabc"
    worker.mkdir(parents=True)
    shutil.copy("params.yaml", worker)
    monkeypatch.chdir(worker)
    monkeypatch.setenv("DVC_ROOT", str(project.folder))
    monkeypatch.setenv("DVC_EXP_NAME", "bold-fox")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "abc123")
    project.leave_stage("recover", 0.25)
    project.publish("recover")
    shutil.rmtree(worker)  # as DVC does
    runs = project.read_runs(project.folder / "mlflow.db")
    (parent,), (child,) = runs.parents, runs.children
    assert parent.data.tags["dvc_exp_name"] == "bold-fox"
    assert parent.data.tags["dvc_exp_baseline_rev"] == "abc123"
    assert "`dvc exp apply bold-fox`" in parent.data.tags["mlflow.note.content"]
    assert runs.client.list_artifacts(child.info.run_id, "pictures")
    assert child.info.artifact_uri.startswith((project.folder / "mlruns").as_uri())


def test_the_users_tracking_uri_wins(project, monkeypatch, migrated):
    shutil.copy(migrated, project.folder / "mine.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project.folder}/mine.db")
    project.leave_stage("recover", 0.25)
    assert project.publish("recover") == 2
    assert len(project.read_runs("mine.db").every) == 2
    assert MlflowClient(f"sqlite:///{project.folder}/mlflow.db").get_experiment_by_name(EXPERIMENT) is None


def test_a_run_says_where_it_comes_from(project):
    project.leave_stage("fid", 3.0)
    project.publish("fid")
    for run in project.read_runs().every:
        assert run.data.tags["torch"] == version("torch")
        assert f", {os.cpu_count()} cores" in run.data.tags["cpu"]


def test_a_repaired_stage_takes_the_place_of_the_failed_one(project):
    def fail(params, tracker):
        raise ValueError("no")

    with pytest.raises(SystemExit):
        run_stage("recover", fail)
    project.leave_stage("recover", 0.25)
    project.publish("recover")
    runs = project.read_runs().every
    assert {run.info.status for run in runs} == {"FINISHED"} and len(runs) == 2


def test_publishing_what_there_is_does_not_hide_a_failed_stage(project):
    def fail(params, tracker):
        raise ValueError("no")

    project.leave_stage("fid", 3.0)
    with pytest.raises(SystemExit):
        run_stage("recover", fail)
    project.publish("fid")
    runs = project.read_runs()
    (parent,) = runs.parents
    assert {run.data.tags["stage"]: run.info.status for run in runs.children} == {
        "fid": "FINISHED",
        "recover": "FAILED",
    }
    assert (parent.info.status, parent.data.tags["error"]) == ("FAILED", "no")
    project.leave_stage("recover", 0.25)
    project.publish("fid", "recover")
    (parent,) = project.read_runs().parents
    assert parent.info.status == "FINISHED" and "error" not in parent.data.tags


def test_long_curves_are_thinned(project):
    rows = "\n".join(f"{step},{step / 7}" for step in range(5000))
    project.leave_stage("train-normal", 0.5, f"round,mse\n{rows}\n")
    points = read_record("train-normal").curves["mse"]
    assert 500 < len(points) <= 1000 and points[0][0] == 0


def test_the_parent_is_found_again(project):
    first = Store(load_params()).parent
    assert Store(load_params()).parent == first
    changed = dataclasses.replace(load_params(), seed=2)
    assert Store(changed).parent != first


@pytest.mark.injects("damaged data", 1)
@pytest.mark.parametrize(("file", "text"), [("dvc.lock", ""), ("metrics/recover.json", '{"error":')])
def test_publishing_damaged_files_is_one_line_that_names_them(project, monkeypatch, file, text):
    project.leave_run()
    Path(file).write_text(text)
    monkeypatch.setattr(sys, "argv", ["publish"])
    with pytest.raises(SystemExit) as caught:
        stages_publish.main()
    assert str(caught.value).startswith(f"publish: {file}: ") and "\n" not in str(caught.value)


def test_the_table_of_runs_shows_what_is_varied_and_every_number_of_the_summary(project):
    assert set(store.COMPARED) == set(json.loads((ROOT / "metrics/summary.json").read_text()))
    project.leave_run()
    project.publish()
    (parent,) = project.read_runs().parents
    assert set(store.VARIED) <= set(parent.data.params)
