import numpy as np
import pytest

from reports.paper.alpha_choice import choose_alpha, describe_alpha, list_undecided, rate_alphas


def make_validation(make_cell, seed, alpha, **numbers):
    return make_cell("alphas", axes={"alpha": alpha}, seed=seed, **numbers)


def test_an_alpha_is_rated_by_both_qualities_in_units_of_the_seeds_best(make_cell):
    cells = [
        make_validation(make_cell, seed, alpha, frechet_distance=distance * seed, mse=error)
        for seed in (1, 2)
        for alpha, distance, error in ((0.5, 10, 0.03), (0, 20, 0.02), (1, 11, 0.04))
    ]
    ratings = rate_alphas(cells)
    assert list(ratings) == [0, 0.5, 1]
    assert ratings[0] == pytest.approx([1.5, 1.5])  # twice the distance, the lowest error
    assert ratings[0.5] == pytest.approx([1.25, 1.25])
    assert ratings[1] == pytest.approx([1.55, 1.55])
    assert choose_alpha(ratings) == 0.5
    said = describe_alpha(cells)
    assert "alpha 0.5. The mean of" in said
    assert said.endswith("0: 1.50, 0.5: 1.25, 1: 1.55; by each seed alone 0.5, 0.5.")  # both seeds say so


def test_an_alpha_that_the_seeds_do_not_tell_from_the_chosen_one_is_named(make_cell):
    distances = {0.0: (20, 21, 19), 0.3: (10.1, 9.9, 10.2), 0.5: (10, 10, 10)}
    cells = [
        make_validation(make_cell, seed, alpha, frechet_distance=distance, mse=0.02)
        for alpha, by_seed in distances.items()
        for seed, distance in enumerate(by_seed)
    ]
    assert list_undecided(rate_alphas(cells)) == [0.3]
    assert describe_alpha(cells).endswith("In pairs, by Student's t, 3 seeds do not tell it from 0.3.")
    assert list_undecided(rate_alphas(cells[::3])) == []  # one seed has no interval


def test_a_seed_that_lacks_an_alpha_is_not_counted_and_a_failed_alpha_not_chosen(make_cell):
    whole = [
        make_validation(make_cell, 1, 0, frechet_distance=20, mse=0.02),
        make_validation(make_cell, 1, 0.5, error="diverged: chains diverged in round 1"),
    ]
    half = make_validation(make_cell, 2, 0.5, frechet_distance=1, mse=0.001)
    ratings = rate_alphas([*whole, half])
    assert ratings[0] == pytest.approx([1]) and np.isinf(ratings[0.5]).all()
    assert choose_alpha(ratings) == 0
    assert "0.5: failed" in describe_alpha([*whole, half])
    assert rate_alphas([whole[0], half]) == {} and describe_alpha([whole[0], half]) == ""
