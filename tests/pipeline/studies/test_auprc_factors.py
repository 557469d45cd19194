import dataclasses

import numpy as np
import pytest
import scipy.stats
import torch

from models.langevin.dynamics import ChainSettings
from models.langevin.engine import choose_engine
from models.short_run.algorithm import TrainingPlan
from models.short_run.scores import SCORES
from pipeline.data.anomaly_split import split_anomaly
from pipeline.evaluation.effects import estimate_over_places
from pipeline.studies.auprc_factors import (
    ALPHAS,
    BASE,
    HALVES,
    TEST_STEPS,
    VARIATIONS,
    StudyRow,
    choose_best,
    halve,
    list_settings,
    study_setting,
)
from reports.beyond.auprc_effects import list_effects
from reports.beyond.factors_table import draw_effects, render_study

PLAN = TrainingPlan(
    rounds=1,
    passes=1,
    adam_steps=1,
    regression_passes=0,
    batch_size=40,
    minibatch=40,
    learning_rate=1e-3,
    alpha=0.5,
    sigma=0.3,
    seed=1,
    chain=ChainSettings(step_size=0.3, steps=2),
)


def make_rows(value=lambda *way: 0.5, seeds=(1, 2, 3)):
    return [
        StudyRow(
            alpha, variation, inference, steps, score, seed, protocol, half, value(score, half), 0.3, 100
        )
        for seed in seeds
        for alpha in ALPHAS
        for variation in VARIATIONS
        for inference in ("draw", "mode")
        for steps in TEST_STEPS
        for score in SCORES
        for protocol in ("pooled", "tenth")
        for half in HALVES
    ]


def test_the_halves_share_no_image_and_miss_none():
    labels = np.arange(200) % 10
    split = split_anomaly(labels, 4)
    halves = halve(split, labels == 4)
    assert sorted(np.concatenate(list(halves.values()))) == sorted(split.pooled)
    for chosen in halves.values():
        assert len(chosen) == len(split.pooled) / 2
        assert np.isin(chosen, split.tenth).sum() == len(split.tenth) / 2
        assert (labels[chosen] == 4).sum() == 10


def test_settings_differ_from_the_base_in_one_respect():
    settings = list(list_settings(PLAN, 30))
    assert len(settings) == len(ALPHAS) * len(VARIATIONS)
    base = dataclasses.replace(PLAN, alpha=0.0)
    assert (settings[0].latent_dim, settings[0].plan) == (30, base)
    assert (settings[1].latent_dim, settings[1].plan) == (10, base)
    halved = dataclasses.replace(base, sigma=0.15, chain=ChainSettings(step_size=0.15, steps=2))
    assert (settings[2].latent_dim, settings[2].plan) == (30, halved)
    assert (settings[3].latent_dim, settings[3].plan) == (30, dataclasses.replace(base, rounds=3))
    assert (settings[4].share, settings[4].plan) == (0.25, dataclasses.replace(base, rounds=4))
    assert all(setting.share == 1 for setting in settings if "quarter" not in setting.variation)


def test_the_choice_is_made_on_the_validation_half_and_judged_on_the_test_half():
    values = {("laplace", "validation"): 0.9, ("laplace", "test"): 0.2, ("joint", "test"): 0.99}
    best, validation, test = choose_best(make_rows(lambda *way: values.get(way, 0.5)), "tenth")
    assert best.score == "laplace"
    assert (validation, test) == (pytest.approx(0.9), pytest.approx(0.2))


def test_a_training_is_scored_in_every_way_and_repeats_itself(monkeypatch):
    monkeypatch.setattr("pipeline.studies.auprc_factors.TEST_STEPS", (1, 3))
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (80, 1, 28, 28), dtype=np.uint8))
    labels = np.arange(80) % 10
    settings = choose_engine("cpu", "float32", "never", "auto")
    setting = next(iter(list_settings(PLAN, 5)))
    rows, again = (
        study_setting(setting, "mnist/16", images, labels == 4, split_anomaly(labels, 4), settings)
        for _ in range(2)
    )
    assert rows == again
    assert len(rows) == len({(row.way, row.protocol, row.half) for row in rows}) == 2 * 2 * 3 * 2 * 2
    for row in rows:
        assert 0 < row.base_rate < 1 and 0 <= row.auprc <= 1
    pooled = [row for row in rows if row.protocol == "pooled" and row.way == rows[0].way]
    assert sum(row.n for row in pooled) == len(split_anomaly(labels, 4).pooled)


def test_the_study_reads_and_is_drawn(tmp_path):
    rows = make_rows(lambda score, half: 0.75 if (score, half) == ("laplace", "test") else 0.5)
    effects = {protocol: list_effects(rows, protocol) for protocol in ("pooled", "tenth")}
    text = render_study(rows, effects, "five digits")
    assert "| mode of 100 steps, laplace | 0.750 ± 0 | 0.750 ± 0 |" in text
    assert "| latent_dim 10 | 0.500 ± 0 | 0.500 ± 0 |" in text
    assert "| score laplace, not joint | +0.125 [+0.125, +0.125] | +0.125 [+0.125, +0.125] |" in text
    draw_effects(tmp_path / "x.png", effects, "five digits")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_an_effect_has_as_many_degrees_of_freedom_as_trainings_give_it_however_often_they_are_scored():
    rng = np.random.default_rng(0)
    seeds = (1, 2, 3, 4)
    trainings = {
        (alpha, kind, seed): rng.normal(0.5 + 0.1 * (alpha > 0) + 0.2 * (kind != BASE), 0.02)
        for alpha in ALPHAS
        for kind in VARIATIONS
        for seed in seeds
    }
    rows = [
        dataclasses.replace(
            row, auprc=trainings[row.alpha, row.variation, row.seed] + 0.05 * (row.steps == 100)
        )
        for row in make_rows(seeds=seeds)
    ]
    effects = {effect.name: effect for effect in list_effects(rows, "pooled")}
    base, *others = VARIATIONS
    pairs = np.array(
        [[trainings[0.5, kind, seed] - trainings[0.0, kind, seed] for seed in seeds] for kind in VARIATIONS]
    )
    alone = estimate_over_places(pairs)
    assert effects["alpha 0.5, not 0"].interval == pytest.approx(
        (float(alone.effect), *map(float, alone.bound()))
    )
    one = others[0]
    gains = np.array(
        [
            np.mean([trainings[alpha, one, seed] - trainings[alpha, base, seed] for alpha in ALPHAS])
            for seed in seeds
        ]
    )
    low, high = scipy.stats.t.interval(0.95, 3, gains.mean(), scipy.stats.sem(gains))
    assert effects[one].interval == pytest.approx((gains.mean(), low, high))
    assert effects["steps 100, not 20"].interval == pytest.approx((0.05, 0.05, 0.05))
    # Scored twice as often, the same trainings say no more.
    again = {effect.name: effect for effect in list_effects([*rows, *rows], "pooled")}
    assert all(again[name].interval == pytest.approx(effect.interval) for name, effect in effects.items())
