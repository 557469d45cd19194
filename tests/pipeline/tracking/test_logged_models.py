"""Trained models in MLflow: linked, registered, loaded without pickled code, bit-equal to the training's."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow.pyfunc
import mlflow.pytorch
import numpy as np
import pytest
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from pipeline.inference.image_tasks import ModelInUse
from pipeline.inference.portable import read_trained
from pipeline.settings.params import TASKS, load_params
from pipeline.storage import places
from pipeline.storage.files import write_text
from pipeline.tracking.logged_model_files import fetch_folder, read_logged_model, write_logged_model
from pipeline.tracking.logged_models import log_models
from pipeline.tracking.relocation import relocate_artifacts
from pipeline.tracking.run_record import read_record
from pipeline.tracking.store import EXPERIMENT, Store
from pipeline.use import open_model
from stages.publish import publish

NAME = "mnist5k-embedded-complete"
ELSEWHERE = """
import sys
import mlflow.pyfunc, numpy
model = mlflow.pyfunc.load_model(sys.argv[1])
import pipeline
assert pipeline.__path__[0].startswith(sys.argv[1]), pipeline.__path__
images = numpy.zeros((2, 1, 28, 28), "uint8")
numpy.save(sys.argv[2], model.predict(images, params={"task": "encode", "seed": 3, "steps": 4}))
"""


@pytest.fixture
def images():
    rng = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (3, 1, 28, 28), generator=rng, dtype=torch.uint8).numpy()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, leave_model, narrow_settings):
    """A model's folder as MLflow has it, logged once for the tests that only read."""
    root = tmp_path_factory.mktemp("project")
    write_text(root / "params.yaml", narrow_settings)
    leave_model(root)
    model = read_trained("complete", load_params(root / "params.yaml"), root)
    write_logged_model(root / "logged", model)
    return root / "logged"


@pytest.fixture
def trained(folder):
    root = folder.parent
    return read_trained("complete", load_params(root / "params.yaml"), root)


def publish_training():
    """Publish the two stages that a champion of complete images is chosen by."""
    store = Store(load_params())
    records = [read_record(stage) for stage in ("train-complete", "fid")]
    store.publish(records)
    return log_models(store, records)


def leave_distance(distance):
    path = places.find_metrics("fid")
    write_text(path, json.dumps({"frechet_distance": distance}))


def test_publishing_logs_each_trainings_model_with_its_numbers_and_data_and_registers_it(
    project, leave_model
):
    project.leave_run()
    leave_distance(30.5)
    for seed, task in enumerate(TASKS):
        leave_model(project.folder, task, seed)
    publish()
    runs = project.read_runs()
    (parent,) = runs.parents
    for task in TASKS:
        run = runs.find(f"train-{task}")
        (output,) = run.outputs.model_outputs
        logged = runs.client.get_logged_model(output.model_id)
        assert str(logged.status) == "READY"
        assert logged.source_run_id == parent.info.run_id  # by which MLflow's table fills its column Models
        metrics = {metric.key: metric for metric in logged.metrics}
        assert metrics["train/error.mean"].value == run.data.metrics["error.mean"]
        assert {(m.dataset_name, m.dataset_digest) for m in logged.metrics} == {
            (f"mnist5k ({task})", "0123abcd")
        }
        assert (f"mnist5k ({task})", "0123abcd") in {
            (given.dataset.name, given.dataset.digest) for given in run.inputs.dataset_inputs
        }
        assert ("fid/frechet_distance" in metrics) == (task == "complete")
        (version,) = runs.client.search_model_versions(f"name = 'mnist5k-embedded-{task}'")
        assert (version.run_id, version.source) == (run.info.run_id, f"models:/{output.model_id}")
    children = [runs.find(f"train-{task}").outputs.model_outputs[0].model_id for task in TASKS]
    assert sorted(one.model_id for one in parent.outputs.model_outputs) == sorted(children)
    version = runs.client.get_model_version_by_alias(NAME, "champion")
    assert (version.tags["distance"], int(version.version)) == ("30.5", 1)
    assert version.tags["distance_of"] == "Frechet distance of samples to the training images"
    with pytest.raises(MlflowException):  # what a run measures of it looks at test images
        runs.client.get_model_version_by_alias("mnist5k-embedded-normal", "champion")

    before = {run.info.run_id for run in runs.every}
    assert publish() == 0
    again = project.read_runs()
    assert {run.info.run_id for run in again.every} == before
    experiment = again.client.get_experiment_by_name(EXPERIMENT).experiment_id
    assert len(again.client.search_logged_models([experiment])) == len(TASKS)

    # A project that was moved takes its registry along.
    moved = project.folder / "moved"
    relocate_artifacts(project.folder / "mlflow.db", EXPERIMENT, moved)
    uri = again.client.get_model_version_download_uri(NAME, "1")
    assert uri == f"{moved.as_uri()}/{version.source.replace(':', '')}/artifacts"


def test_the_champion_is_the_model_with_the_lowest_distance(project, leave_model, narrow_settings):
    project.leave_run()
    for seed, (distance, alpha) in enumerate([(40.0, 0.5), (20.0, 0.3), (30.0, 0.1)]):
        leave_distance(distance)
        Path("params.yaml").write_text(narrow_settings.replace("\nalpha: 0.5", f"\nalpha: {alpha}"))
        leave_model(project.folder, seed=seed)
        assert publish_training() == 1
    client = project.read_runs().client
    assert len(client.search_model_versions(f"name = '{NAME}'")) == 3
    champion = client.get_model_version_by_alias(NAME, "champion")
    assert (int(champion.version), champion.tags["distance"]) == (2, "20.0")
    assert client.get_run(champion.run_id).data.params["alpha"] == "0.3"
    opened = open_model(f"models:/{NAME}@champion")
    assert opened.settings.dataset == "mnist5k"
    with pytest.raises(ValueError, match="models:/none@champion: not found in sqlite.*; `make publish` logs"):
        fetch_folder("models:/none@champion")


def test_a_model_without_a_champion_is_named_by_its_version(project, leave_model):
    project.leave_run()
    leave_distance(None)  # as of a run whose extractor is near chance
    leave_model(project.folder)
    assert publish_training() == 1
    with pytest.raises(ValueError, match=f"@champion: not found.*; {NAME} is there.*; use models:/{NAME}/1$"):
        open_model(f"models:/{NAME}@champion")
    assert open_model(f"models:/{NAME}/1").settings.dataset == "mnist5k"


def test_new_numbers_of_the_same_model_make_no_second_copy(project, leave_model):
    project.leave_run()
    leave_distance(40.0)
    leave_model(project.folder)
    publish_training()
    project.leave_stage("train-complete", 0.75)  # its run in MLflow is a new one
    leave_distance(10.0)
    publish_training()
    runs = project.read_runs()
    (version,) = runs.client.search_model_versions(f"name = '{NAME}'")
    assert version.tags["distance"] == "10.0"
    for run in (runs.find("train-complete"), runs.parents[0]):
        (output,) = run.outputs.model_outputs
        assert version.source == f"models:/{output.model_id}"


def test_a_damaged_model_is_a_warning_and_the_rest_is_published(project, leave_model, caplog):
    project.leave_run()
    leave_model(project.folder)
    (project.folder / "artifacts/models/complete/model.pt").write_bytes(b"half")
    assert publish_training() == 0
    assert "model of complete not logged: " in caplog.text
    assert {run.info.status for run in project.read_runs().every} == {"FINISHED"}


def test_the_exported_generator_is_bit_equal_to_the_checkpoint_with_pickle_forbidden(
    folder, trained, monkeypatch
):
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    generator = trained.build_generator()
    exported = mlflow.pytorch.load_model(str(folder))
    weights = exported.state_dict()
    assert weights.keys() == trained.weights.keys()
    assert all(torch.equal(weights[name], value) for name, value in trained.weights.items())
    rng = torch.Generator().manual_seed(0)
    for n in (1, 2, 7, 100):
        z = torch.randn(n, 30, generator=rng)
        with torch.no_grad():
            assert torch.equal(exported(z), generator(z))
    read = read_logged_model(folder)
    assert read.settings == trained.settings
    signature = Model.load(str(folder / "artifacts/generator")).signature
    assert signature.inputs.inputs[0].shape == (-1, 30)
    assert signature.outputs.inputs[0].shape == (-1, 1, 28, 28)


def test_no_file_of_the_model_holds_a_pickled_object(folder):
    assert not [path for path in folder.rglob("*") if path.suffix in (".pkl", ".pickle", ".pth")]
    flavour = Model.load(str(folder)).flavors["python_function"]
    assert flavour["model_code_path"] == "pyfunc_model.py" and flavour.get("python_model") is None


def test_the_pyfunc_flavour_does_the_five_tasks_as_the_model_itself(folder, trained, images, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    served, model = mlflow.pyfunc.load_model(str(folder)), ModelInUse(trained)
    for task in ("encode", "reconstruct", "score"):
        made = served.predict(images, params={"task": task, "seed": 4, "steps": 3})
        assert np.array_equal(made, model.run(task, images, seed=4, steps=3).numpy())
    drawn = served.predict(None, params={"task": "sample", "seed": 4, "n": 5})
    assert np.array_equal(drawn, model.sample(5, 4).numpy())
    visible = np.ones((28, 28))
    visible[5:15] = 0
    made = served.predict({"images": images, "visible": visible}, params={"task": "inpaint", "steps": 3})
    assert np.array_equal(made, model.inpaint(images, visible, steps=3).numpy())


@pytest.mark.parametrize(
    ("given", "params", "expected"),
    [
        (np.zeros((2, 1, 5, 5)), {}, "images: shape (2, 1, 5, 5) found; should be (N, 1, 28, 28)"),
        (np.full((1, 1, 28, 28), np.nan), {}, "images: nan found at (0, 0, 0, 0)"),
        (np.full((1, 1, 28, 28), 7.0), {}, "images: values from 7 to 7 found; should be in [0, 1]"),
        (np.zeros((1, 1, 28, 28)), {"task": "dream"}, "task: 'dream' found; should be one of sample, encode"),
        ({"image": np.zeros((1, 1, 28, 28))}, {}, "inputs: 'image' found; should be images"),
        ({"images": np.zeros((1, 1, 28, 28))}, {"task": "inpaint"}, "visible: no mask found"),
        (
            {"images": np.zeros((1, 1, 28, 28)), "visible": np.ones((3, 3))},
            {"task": "inpaint"},
            "visible: shape (3, 3) found; should be (28, 28)",
        ),
    ],
)
def test_the_pyfunc_flavour_says_in_one_line_what_is_wrong(folder, given, params, expected):
    with pytest.raises(MlflowException) as refused:
        mlflow.pyfunc.load_model(str(folder)).predict(given, params=params)
    assert expected in refused.value.message and "\n" not in refused.value.message


def test_the_folder_works_without_this_project(folder, trained, tmp_path):
    """In a process that has this project nowhere on its path."""
    alone = shutil.copytree(folder, tmp_path / "alone")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", ELSEWHERE, str(alone), str(tmp_path / "z.npy")]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    expected = ModelInUse(trained).encode(np.zeros((2, 1, 28, 28), np.uint8), seed=3, steps=4)
    assert np.array_equal(np.load(tmp_path / "z.npy"), expected.numpy())


def test_the_input_example_is_one_that_the_model_takes(folder):
    served = mlflow.pyfunc.load_model(str(folder))
    example, params = served.input_example, {"task": "reconstruct"}
    assert served.predict(example, params=params).shape == (2, 1, 28, 28)
    names = {param.name for param in served.metadata.signature.params.params}
    assert names == {"task", "seed", "steps", "n"}
