from pathlib import Path

import pytest
import torch

from models.langevin.dynamics import ChainSettings
from models.langevin.engine import EngineSettings
from models.networks.generator import build_generator
from models.short_run import algorithm
from pipeline.settings.yaml_files import read_yaml
from pipeline.studies.grid import read_grid
from reports.paper.published import read_published
from reports.paper.scale import count_updates, prepare_scales

ROOT = Path(__file__).parents[3]
TRAIN_SIZES = read_published()["settings"]["train_size"]


def prepare(profile):
    content = read_yaml(ROOT / "params.yaml") | {"profile": profile}
    return prepare_scales(content, read_grid(ROOT / "tables.yaml"), TRAIN_SIZES)


@pytest.mark.parametrize(("batch_size", "minibatch"), [(25, 10), (60, 60), (17, 20)])
def test_the_updates_are_those_that_a_training_makes(monkeypatch, batch_size, minibatch):
    plan = algorithm.TrainingPlan(
        rounds=2,
        passes=2,
        adam_steps=2,
        regression_passes=3,
        batch_size=batch_size,
        minibatch=minibatch,
        learning_rate=1e-3,
        alpha=0.5,
        sigma=0.3,
        seed=1,
        chain=ChainSettings(0.3, 1),
        solver="exact",
    )
    made = []
    monkeypatch.setattr(algorithm, "_learn", lambda *arguments: made.append(arguments))
    generator = build_generator("mnist", 2, torch.Generator().manual_seed(0))
    state = algorithm.start_training(generator, 60, plan)
    images = torch.zeros(60, 1, 28, 28, dtype=torch.uint8)
    algorithm.train(state, images, None, plan, EngineSettings())
    assert count_updates(plan, 60) == len(made)


def test_the_share_is_of_the_papers_sample_gradients(make_cell):
    at = {"axes": {"dataset": "mnist"}, "paper_dataset": "mnist"}
    at_paper = make_cell("table2", dataset="mnist", **at, n=TRAIN_SIZES["mnist"])
    assert prepare("paper")([at_paper]).share == 1
    half = make_cell("table2", dataset="mnist", **at, n=TRAIN_SIZES["mnist"] // 2)
    assert prepare("paper")([at_paper, half]).share == 0.5


def test_of_several_seeds_each_stands_beside_the_papers_cell_of_its_place(make_cell):
    shares = {}
    for alpha in (0, 0.5):
        axes = {"alpha": alpha, "seed": 4}
        cell = make_cell("figure8", seed=4, axes=axes, paper_dataset="mnist", n=3000)
        shares[alpha] = prepare("recorded")([cell]).share
    assert shares[0] == shares[0.5] and 0 < shares[0] < 1e-2
    axes = {"dataset": "mnist5k", "latent_dim": 40, "seed": 2}  # of SVHN in the paper
    elsewhere = prepare("recorded")([make_cell("table4", seed=2, axes=axes, paper_dataset="mnist", n=3000)])
    assert elsewhere.updates > 0 and elsewhere.share is None


def test_a_cell_that_the_settings_no_longer_have_has_no_scale(make_cell):
    unknown = make_cell("table6", axes={"K": 31}, paper_dataset="mnist")
    assert prepare("embedded")([unknown]) is None
