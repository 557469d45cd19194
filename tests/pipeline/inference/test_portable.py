"""One file is enough: weights and settings, whatever lies around it, and no code."""

import pickle

import pytest
import torch

from pipeline.inference.portable import read_model, read_trained, write_model
from pipeline.settings.params import load_params
from pipeline.storage.checkpoints import load_model, save_tensors


def edit_params(folder, old, new):
    path = folder / "params.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_one_file_has_the_weights_bit_by_bit_and_the_settings(trained_project):
    trained = read_trained("complete", load_params())
    write_model(trained_project / "packed.pt", trained)
    packed = read_model(trained_project / "packed.pt")
    assert packed.settings == trained.settings
    assert packed.settings.data_digest == "0123abcd" and packed.settings.encode_steps == 5
    weights = load_model(trained_project / "artifacts/models/complete").generator.state_dict()
    assert packed.weights.keys() == weights.keys()
    assert all(torch.equal(packed.weights[name], value) for name, value in weights.items())


def test_a_packed_model_never_reads_the_params_of_the_working_folder(trained_project):
    trained = read_trained("complete", load_params())
    write_model(trained_project / "packed.pt", trained)
    edit_params(trained_project, "sigma: 0.3 ", "sigma: 0.9 ")
    assert read_model(trained_project / "packed.pt").settings.sigma == 0.3


def test_a_trainings_file_takes_the_settings_of_the_project_it_lies_in(
    trained_project, tmp_path_factory, monkeypatch
):
    edit_params(trained_project, "sigma: 0.3 ", "sigma: 0.25 ")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    model = read_model(trained_project / "artifacts/models/complete/model.pt")
    assert model.settings.sigma == 0.25 and model.settings.task == "complete"


def test_settings_of_another_generator_are_refused_by_name(trained_project):
    edit_params(trained_project, "latent_dim: auto", "latent_dim: 20")
    with pytest.raises(
        ValueError, match="mnist/16 with 30 latent dimensions found; .*params.yaml has mnist/16 with 20"
    ):
        read_model(trained_project / "artifacts/models/complete/model.pt")


def test_a_trainings_file_elsewhere_asks_for_its_params(trained_project):
    moved = (trained_project / "artifacts/models/complete/model.pt").rename(trained_project / "mine.pt")
    with pytest.raises(
        ValueError, match="without settings; name the params.yaml that trained it with --params"
    ):
        read_model(moved)
    assert read_model(moved, trained_project / "params.yaml").settings.sigma == 0.3


def test_damaged_foreign_and_pickled_files_are_one_line(trained_project):
    class Harm:
        def __reduce__(self):
            return (open, (str(trained_project / "harmed"), "w"))

    good = (trained_project / "artifacts/models/complete/model.pt").read_bytes()
    (trained_project / "cut.pt").write_bytes(good[: len(good) // 2])
    (trained_project / "pickled.pt").write_bytes(pickle.dumps(Harm()))
    torch.save({"format": "short-run-model 1", "settings": Harm()}, trained_project / "harm.pt")
    save_tensors(trained_project / "foreign.pt", {"a": torch.zeros(1)})
    save_tensors(trained_project / "later.pt", {"format": "short-run-model 2"})
    save_tensors(trained_project / "odd.pt", {"format": "short-run-model 1", "settings": "{}", "weights": {}})
    for name in ("cut", "pickled", "harm", "foreign", "later", "odd", "absent"):
        with pytest.raises(ValueError) as refused:
            read_model(trained_project / f"{name}.pt")
        assert f"{name}.pt" in str(refused.value) and "\n" not in str(refused.value)
    assert not (trained_project / "harmed").exists()
