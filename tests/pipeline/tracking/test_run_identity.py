"""A run's name says its settings."""

import dataclasses
import subprocess
from pathlib import Path

import pytest

from pipeline.settings.params import load_params
from pipeline.tracking.run_identity import describe_source, list_params, name_experiment, name_run


def change(old, new):
    """Replace a part of params.yaml."""
    text = Path("params.yaml").read_text()
    assert old in text
    Path("params.yaml").write_text(text.replace(old, new, 1))


@pytest.fixture
def committed(project):
    """A project whose params.yaml is in Git."""
    about = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    for command in (("init", "-q"), ("add", "params.yaml"), (*about, "commit", "-q", "-m", "settings")):
        subprocess.run(["git", *command], check=True)


def test_a_name_says_alpha_k_and_seed_and_what_differs_from_the_committed_settings(committed):
    assert name_run(load_params()) == "alpha 0.5, K 5, seed 1"  # K as `auto` resolves
    change("alpha: 0.5", "alpha: 0.3")
    assert name_run(load_params()) == "alpha 0.3, K 5, seed 1"
    change("seed: 1", "seed: 7")
    change("K: auto", "K: 30")
    assert name_run(load_params()) == "alpha 0.3, K 30, seed 7"
    change("sigma: 0.3 ", "sigma: 0.2 ")
    change("side: 30", "side: 20")
    assert name_run(load_params()) == "alpha 0.3, K 30, seed 7, sigma 0.2, mask.side 20"


def test_without_git_a_name_says_alpha_k_and_seed(project):
    change("sigma: 0.3 ", "sigma: 0.2 ")
    assert name_run(load_params()) == "alpha 0.5, K 5, seed 1"


def test_an_experiment_is_known_by_its_name_in_dvc_and_its_parameters(project, monkeypatch):
    params = load_params()
    here = name_experiment(params)
    assert here.startswith("workspace-") and name_experiment(params) == here
    assert name_experiment(dataclasses.replace(params, alpha=0.3)) != here
    monkeypatch.setenv("DVC_EXP_NAME", "bold-fox")
    assert name_experiment(params) == here.replace("workspace", "bold-fox")


def test_a_setting_is_listed_once_as_it_is_in_force(project):
    listed = list_params(load_params())
    assert (listed["alpha"], listed["K"], listed["latent_dim"]) == ("0.5", "5", "30")
    assert listed["learning.learning_rate"] == "0.001"
    assert not any(
        key.startswith("profile_settings.train.") and key.endswith((".K", "_rate")) for key in listed
    )


def test_the_source_is_the_command_that_runs_the_stage(project):
    assert describe_source("train-normal")["mlflow.source.name"] == "python -m stages.train normal"
    assert describe_source("fid")["mlflow.source.name"] == "python -m stages.fid"
    command = describe_source("cells-leaderboard-SRI-L5")["mlflow.source.name"]
    assert command == "python -m stages.cells leaderboard SRI-L5"
