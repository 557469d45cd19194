"""A larger K is set against a smaller one after as many Langevin steps, not after as many rounds."""

import numpy as np
import pytest

from reports.paper.equal_steps import compare_equal_steps, describe_equal_steps


@pytest.fixture
def make_sweep(make_cell):
    """A function that makes cells of an axis from each value's distances by round, times the seed."""

    def make(study, axis, curves, seeds=(1,)):
        return [
            make_cell(
                study, axes={axis: value, "seed": seed}, seed=seed,
                curves={"frechet_distance": [seed * distance for distance in curve]},
            )
            for value, curve in curves.items() for seed in seeds
        ]  # fmt: skip

    return make


def test_rounds_are_those_that_make_the_steps_equal(make_sweep):
    cells = make_sweep("table7", "L2", {1: (9, 8, 7, 6), 2: (5, 4, 3, 2), 3: (4, 3, 2, 1)}, seeds=(1, 2))
    first, second = compare_equal_steps("L2", cells)
    assert (first.rounds_of_less, first.rounds_of_more) == (4, 2)
    np.testing.assert_allclose(first.ratio.leads.ravel(), np.log([4 / 6]))
    np.testing.assert_allclose(first.ratio.bound(), np.log([4 / 6, 4 / 6]))  # both seeds say the same
    assert (second.rounds_of_less, second.rounds_of_more) == (3, 2)
    np.testing.assert_allclose(second.ratio.bound(), np.log([3 / 3, 3 / 3]), atol=1e-12)
    said = describe_equal_steps("table7", cells)
    assert "L2 = 2 after 2 rounds has 0.67 [0.67, 0.67] times the Frechet distance of L2 = 1 after 4;" in said


def test_a_pair_that_no_rounds_make_equal_is_left_out_and_one_seed_has_no_interval(make_sweep):
    cells = make_sweep("table6", "K", {30: (9, 6), 50: (9, 5), 100: (8, 7)})
    assert [(pair.less, pair.more) for pair in compare_equal_steps("K", cells)] == [(50, 100)]
    assert describe_equal_steps("table6", cells) == (
        "After equally many Langevin steps, K = 100 after 1 round has 1.60 times the Frechet distance of "
        "K = 50 after 2."
    )


def test_nothing_is_said_of_studies_or_cells_without_such_curves(make_sweep, make_cell):
    assert describe_equal_steps("table5", make_sweep("table5", "s", {0.3: (9,), 0.6: (8,)})) == ""
    assert describe_equal_steps("table6", [make_cell("table6", axes={"K": k}) for k in (50, 100)]) == ""
