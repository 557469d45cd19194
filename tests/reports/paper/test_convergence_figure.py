"""The gain of the correction by images and length of training: paired by seed, with its interval."""

import math

import numpy as np
import pytest
from scipy import stats

from pipeline.studies.measured import MeasuredCell
from reports.paper.convergence_figure import draw_convergence
from reports.paper.gains import compare_with, describe_gains

RNG = np.random.default_rng(0)


def make_cell(method, n_train, rounds, seed, distance):
    return MeasuredCell(
        "convergence",
        method,
        seed=seed,
        axes={"n_train": n_train, "rounds": rounds, "seed": seed},
        numbers={"frechet_distance": distance, "mse_test_point": 0.02},
    )


def test_the_gain_is_that_of_a_paired_t_test_of_the_logarithms():
    ours, theirs = RNG.uniform(20, 40, 5), RNG.uniform(30, 60, 5)
    cells = [
        make_cell(method, 250, 4, seed, value)
        for method, values in (("Ours", ours), ("ABP", theirs))
        for seed, value in enumerate(values)
    ]
    cells.append(make_cell("Ours", 250, 16, 0, 20.0))  # a place without the rival
    cells.append(make_cell("Ours", 250, 4, 9, 1.0))  # a seed without the rival
    gains = compare_with("ABP", cells[::-1], "frechet_distance")
    assert list(gains) == [(250, 4)]
    test = stats.ttest_rel(np.log(theirs), np.log(ours))
    low, high = gains[250, 4].bound()
    assert gains[250, 4].effect == pytest.approx(np.mean(np.log(theirs / ours)))
    assert (low, high) == pytest.approx(tuple(test.confidence_interval(0.95)))


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_study_that_is_half_there_is_drawn(tmp_path, seeds):
    cells = [
        make_cell(method, n, rounds, seed, 50 / rounds + math.log(n) + seed)
        for method in ("Ours", "ABP", "PPCA")
        for n in (250, 1000)
        for rounds in (1, 4)
        for seed in range(seeds)
    ][:-1]
    draw_convergence(tmp_path / "convergence.png", cells)
    assert (tmp_path / "convergence.png").stat().st_size > 10_000


def test_the_gain_is_said_with_its_interval_and_without_one_of_a_single_seed():
    cells = [
        make_cell(method, n_train, 1, seed, distance * (1 + 0.1 * seed))
        for method, distance in (("Ours", 20.0), ("ABP", 40.0))
        for n_train, seeds in ((250, 1), (1000, 2))
        for seed in range(seeds)
    ]
    said = describe_gains("ABP", cells)
    assert "on 250 images 2.00 (after 1 rounds); on 1,000 images 2.00 [2.00, 2.00] (after 1 rounds)." in said
    assert describe_gains("VAE", cells) == ""
