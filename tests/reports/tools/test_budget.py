import pytest

from pipeline.settings.yaml_files import read_yaml
from pipeline.studies.grid import PAPER_STUDIES, list_cells, read_grid
from pipeline.studies.workload import count_cell, estimate_seconds
from reports.tools.budget import TimedCell, count_studies, learn_pace, measure_errors, render_budget

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


def test_hours_follow_the_seconds_of_kept_cells_of_the_same_kind():
    content, grid = read_yaml("params.yaml") | {"profile": "recorded"}, read_grid()
    pace_of = {"Ours": 2.0, "VAE": 0.5}  # a machine on which Ours takes twice as long as its arithmetic says
    timed = [
        TimedCell(cell, pace_of[method] * estimate_seconds(cell))
        for method in pace_of
        for study in ("table2", "table8")
        for cell in list_cells(study, method, content, grid)
    ]
    pace = learn_pace(timed)
    (wider, *_) = list_cells("figure8", "Ours", content, grid)
    assert pace.predict(wider) == pytest.approx(2 * estimate_seconds(wider))
    assert pace.predict(list_cells("table2", "ABP", content, grid)[0]) is None
    assert max(measure_errors(timed)) < 1e-9 and len(measure_errors(timed)) == len(timed)


def test_a_place_is_judged_by_other_places_alone():
    content, grid = read_yaml("params.yaml") | {"profile": "recorded"}, read_grid()
    cells = list_cells("table7", "Ours", content, grid)  # L2 1, 2, 3 over five seeds
    slow = {1: 1.0, 2: 1.0, 3: 1.5}
    timed = [
        TimedCell(cell, slow[cell.params.profile_settings.train.L2] * estimate_seconds(cell))
        for cell in cells
    ]
    errors = measure_errors(timed)
    assert errors[-5:] == pytest.approx([1 / 3] * 5)  # though its own place's other seeds would say 1.5
