"""A larger K is set against a smaller one after as much arithmetic, not after as many rounds."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.settings.params import load_params
from pipeline.studies.grid import read_grid
from pipeline.studies.planning import list_study
from pipeline.studies.workload import count_cell, count_learning, count_round
from reports.paper.equal_work import compare_at, describe_equal_work

STEPS = {30: 30.0, 50: 50.0, 100: 100.0}


@pytest.fixture
def make_sweep(make_cell):
    """A function that makes cells of an axis from each value's distances by round, times the seed."""

    def make(study, axis, curves, seeds=(1,)):
        return [
            make_cell(
                study, axes={axis: value, "seed": seed}, seed=seed,
                curves={
                    "frechet_distance": [seed * distance for distance in curve],
                    "mse_after": [distance / 1000 for distance in curve],
                },
            )
            for value, curve in curves.items() for seed in seeds
        ]  # fmt: skip

    return make


@pytest.fixture
def plan_study():
    """A function that lists a study's cells at embedded."""
    return lambda study: list_study(study, replace(load_params(), profile="embedded"), read_grid())


def test_rounds_are_those_that_cost_the_most_alike_and_of_these_the_most(make_sweep):
    cells = make_sweep("table7", "L2", {1: (9, 8, 7, 6), 2: (5, 4, 3, 2), 3: (4, 3, 2, 1)}, seeds=(1, 2))
    first, second = compare_at("L2", cells, {1: 1.0, 2: 2.0, 3: 3.0}, 1)
    assert (first.rounds_of_less, first.rounds_of_more, first.excess) == (4, 2, 1)
    np.testing.assert_allclose(first.ratios["frechet_distance"].leads.ravel(), np.log([4 / 6]))
    np.testing.assert_allclose(first.ratios["mse_after"].bound(), np.log([4 / 6, 4 / 6]))  # of both seeds
    assert (second.rounds_of_less, second.rounds_of_more) == (3, 2)
    np.testing.assert_allclose(second.ratios["frechet_distance"].bound(), np.log([1, 1]), atol=1e-12)


def test_a_pair_that_no_rounds_make_alike_is_left_out(make_sweep):
    cells = make_sweep("table6", "K", {30: (9, 6), 50: (9, 5), 100: (8, 7)})
    assert [(pair.less, pair.more) for pair in compare_at("K", cells, STEPS, 1.1)] == [(50, 100)]
    longer = make_sweep("table6", "K", {30: (9, 6, 5), 50: (9, 5, 4), 100: (8, 7, 6)})
    found = [(pair.rounds_of_less, pair.rounds_of_more) for pair in compare_at("K", longer, STEPS)]
    assert found == [(3, 2), (2, 1)]
    assert not compare_at(
        "K", make_sweep("table6", "K", {30: (9,)}) + make_sweep("table6", "K", {50: (9,)}, (2,)), STEPS
    )


def test_what_is_said_names_rounds_shares_and_both_quantities(make_sweep, plan_study):
    cells = make_sweep("table6", "K", {50: (9, 5), 100: (8, 7)})
    counts = {dict(cell.axes).get("K"): count_round(cell) for cell in plan_study("table6")}
    share = 1 - counts[100] / (2 * counts[50])
    assert 0.005 < share < 0.1  # learning, of which two rounds have more than one
    assert describe_equal_work("table6", cells, plan_study("table6")).endswith(
        f"K = 100 after 1 round, with {share:.0%} less of it, has 1.60 times the Frechet distance and 1.60 "
        "times the error of training images of K = 50 after 2."
    )


def test_learning_steps_are_those_of_all_passes_of_a_round(make_sweep, plan_study):
    planned = plan_study("table7")
    counts = {dict(cell.axes).get("L2"): count_learning(cell) for cell in planned}
    train = planned[0].params.profile_settings.train
    regression = train.regression_passes.complete
    assert regression > 0  # which a larger L2 does not take more of: twice L2 is not twice the steps
    assert counts[2] == 2 * train.L + regression
    cells = make_sweep("table7", "L2", {1: (9, 8, 6), 2: (6, 4, 3)})
    share = 2 * counts[2] / (3 * counts[1]) - 1
    assert 0.005 < share < 0.25
    said = describe_equal_work("table7", cells, planned)
    assert "After about equally many learning steps, " in said
    assert f"L2 = 2 after 2 rounds, with {share:.0%} more, has 0.67 times" in said


def test_a_round_is_counted_as_the_cells_training_is(plan_study):
    short, long = (
        next(cell for cell in plan_study("table6") if dict(cell.axes).get("K") == steps)
        for steps in (30, 100)
    )
    passes = short.params.profile_settings.train.L
    assert count_round(long) - count_round(short) == passes * 70
    assert count_cell(long) > count_cell(short)


def test_nothing_is_said_of_studies_or_cells_without_such_curves(make_sweep, make_cell, plan_study):
    assert describe_equal_work("table5", make_sweep("table5", "s", {0.3: (9,), 0.6: (8,)}), ()) == ""
    without = [make_cell("table6", axes={"K": k}) for k in (50, 100)]
    assert describe_equal_work("table6", without, plan_study("table6")) == ""
