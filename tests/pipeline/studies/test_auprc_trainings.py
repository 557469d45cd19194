import dataclasses

from pipeline.settings.params import load_params
from pipeline.storage import places
from pipeline.studies import auprc_trainings
from pipeline.studies.auprc_factors import ALPHAS, VARIATIONS
from pipeline.studies.auprc_trainings import (
    STUDY,
    key_training,
    list_trainings,
    load_pool,
    measure_and_keep,
    read_trainings,
    recall_making,
    recall_training,
    train_all,
    write_trainings,
)
from pipeline.studies.grid import read_grid
from pipeline.studies.planning import list_here
from pipeline.studies.recall import load_images


def list_few(monkeypatch, tmp_path):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr("pipeline.studies.auprc_factors.TEST_STEPS", (1, 2))
    return list_trainings(*find_cells(), 2, 10.0)


def find_cells():
    params, grid = load_params(profile="smoke"), read_grid()
    return list_here("table3", "Ours", params, grid)[0], list_here("rates", "Ours", params, grid)


def test_each_seed_has_every_kind_of_training_at_the_tuned_rate(monkeypatch, tmp_path):
    trainings = list_few(monkeypatch, tmp_path)
    assert len(trainings) == 2 * len(ALPHAS) * len(VARIATIONS)
    assert {one.setting.plan.seed for one in trainings} == {1, 2}
    rate = find_cells()[0].params.profile_settings.train.learning_rate
    assert {one.setting.plan.learning_rate for one in trainings} == {10 * rate}


def test_no_image_that_chose_the_rate_is_in_the_pool():
    cell, seen = find_cells()
    tuned_on = {image.tobytes() for one in seen for image in load_images(one).train_images}
    pools = {
        others: {image.tobytes() for image in load_pool(cell, seen if others else ()).images.numpy()}
        for others in (True, False)
    }
    assert not tuned_on & pools[True]
    assert tuned_on & pools[False]  # which is drawn as the rates' images are, of the same seed


def test_a_kept_training_is_not_trained_again_and_another_setting_is_none_of_it(monkeypatch, tmp_path):
    first, second, *_ = list_few(monkeypatch, tmp_path)
    rows = measure_and_keep(first)
    plan = first.setting.plan
    longer = dataclasses.replace(first.setting, plan=dataclasses.replace(plan, rounds=plan.rounds + 1))
    trained = []
    monkeypatch.setattr(auprc_trainings, "study_setting", lambda *given: trained.append(given) or [])
    assert measure_and_keep(first) == rows and not trained
    measure_and_keep(dataclasses.replace(first, setting=longer))
    assert dict(train_all([first, second], 0)) == {0: rows, 1: []}
    assert len(trained) == 2


def test_what_git_holds_is_not_trained_in_a_fresh_clone(monkeypatch, tmp_path):
    first, second, *_ = list_few(monkeypatch, tmp_path)
    rows = measure_and_keep(first)
    key = key_training(first, load_pool(first.cell, first.seen))
    assert recall_making(key)["cpu_seconds"] >= 0
    clone = tmp_path / "clone"
    monkeypatch.setenv("DVC_ROOT", str(clone))
    assert recall_training(key, "smoke") is None and recall_making(key) == {}
    folder = clone / places.find_cells("smoke", STUDY, "")
    write_trainings(folder, {key: rows, "another": rows[:1]})
    assert read_trainings(folder) == {key: rows, "another": rows[:1]}  # to the bit
    monkeypatch.setattr(auprc_trainings, "study_setting", lambda *given: [])
    assert measure_and_keep(first) == rows and measure_and_keep(second) == []


def test_the_longest_comes_first(monkeypatch, tmp_path):
    trainings = list_few(monkeypatch, tmp_path)
    monkeypatch.setattr(auprc_trainings, "measure_and_keep", lambda training: [])
    costs = [trainings[number].sample_passes for number, _ in train_all(trainings, 0)]
    assert costs == sorted(costs, reverse=True) and costs[0] > costs[-1]
