"""The tables of all methods are made of the longest trainings, Ours' mixture as a row of its own."""

import pytest

from reports.paper.all_methods import add_mixture, describe_spread, keep_longest, list_unmeasured


@pytest.fixture
def make(make_cell):
    def make_one(method, seed=1, rounds=4, **given):
        return make_cell("leaderboard", method, seed=seed, axes={"rounds": rounds, "seed": seed}, **given)

    return make_one


def test_the_longest_trainings_are_kept_and_failed_ones_of_methods_that_were_tried(make, make_cell):
    failed = make("VAE", 2, rounds=1, error="diverged")
    absent = make_cell("leaderboard", "GLO", error="not measured")
    longest = [make("Ours"), make("VAE")]
    cells = [make("Ours", rounds=1), longest[0], make("VAE", rounds=1), longest[1], failed, absent]
    assert keep_longest(cells) == [*longest, failed]
    assert list_unmeasured(cells) == ["GLO"] and keep_longest([]) == []


def test_the_mixture_is_a_row_of_ours_trainings(make):
    ours = make("Ours", frechet_distance=40.0, frechet_distance_mixture=30.0, mse_test=0.02)
    cells = [ours, make("VAE", frechet_distance=50.0)]
    *same, mixture = add_mixture(cells)
    assert same == cells and mixture.method == "Ours-mixture"
    assert mixture.numbers == {"frechet_distance": 30.0, "mse_test": 0.02, "n": ours.numbers["n"]}
    assert add_mixture(cells[1:]) == cells[1:]


def test_a_spread_is_spoken_of_where_several_seeds_were_measured(make):
    one = [make("Ours"), make("VAE"), make("VAE", 2, error="diverged")]
    assert describe_spread(one) == "one seed"
    assert describe_spread([*one, make("Ours", 2)]) == "mean ± standard deviation over seeds"
