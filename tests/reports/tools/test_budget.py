import pytest

from pipeline.settings.yaml_files import read_yaml
from pipeline.studies.grid import PAPER_STUDIES, list_cells, read_grid
from pipeline.studies.workload import count_cell
from reports.tools.budget import count_studies, render_budget

MNIST_STEP = 32.44e6  # conventions, section 4


def test_a_cell_counts_its_langevin_and_learning_steps():
    content = read_yaml("params.yaml") | {"profile": "smoke"}
    cell = list_cells("table6", "Ours", content, read_grid())[0]
    n, n_test, K = 100, 60, 30
    train = cell.params.profile_settings.train
    passes = train.rounds.complete * train.L
    langevin = n * passes * K + n * K + n_test * cell.params.profile_settings.evaluate.reconstruct_steps
    learning = n * (passes * train.L2 + train.rounds.complete * train.regression_passes.complete)
    assert count_cell(cell) == pytest.approx(MNIST_STEP * (langevin + 1.5 * learning), rel=1e-3)


def test_every_study_of_every_profile_has_a_budget_and_the_paper_takes_more():
    found = {profile: count_studies(profile) for profile in ("embedded", "paper")}
    assert list(found["paper"]) == ["rates", *PAPER_STUDIES]
    assert all(found["paper"][study] > 100 * found["embedded"][study] for study in PAPER_STUDIES)
    assert render_budget("paper", 300).count("\n| ") == len(PAPER_STUDIES) + 2
