import dataclasses

from pipeline.settings.params import load_params
from pipeline.studies import auprc_trainings
from pipeline.studies.auprc_factors import ALPHAS, VARIATIONS
from pipeline.studies.auprc_trainings import list_trainings, measure_and_keep, train_all


def list_few(monkeypatch, tmp_path):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr("pipeline.studies.auprc_factors.TEST_STEPS", (1, 2))
    params = load_params(profile="smoke")
    return list_trainings(params, 2, 10.0)


def test_each_seed_has_every_kind_of_training_at_the_tuned_rate(monkeypatch, tmp_path):
    trainings = list_few(monkeypatch, tmp_path)
    assert len(trainings) == 2 * len(ALPHAS) * len(VARIATIONS)
    assert {one.setting.plan.seed for one in trainings} == {1, 2}
    rate = load_params(profile="smoke").profile_settings.train.learning_rate
    assert {one.setting.plan.learning_rate for one in trainings} == {10 * rate}


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


def test_the_longest_comes_first(monkeypatch, tmp_path):
    trainings = list_few(monkeypatch, tmp_path)
    monkeypatch.setattr(auprc_trainings, "measure_and_keep", lambda training: [])
    costs = [trainings[number].sample_passes for number, _ in train_all(trainings, 0)]
    assert costs == sorted(costs, reverse=True) and costs[0] > costs[-1]
