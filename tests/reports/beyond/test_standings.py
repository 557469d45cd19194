"""Ranks with intervals, verdicts beside Ours, and what ended too soon."""

import numpy as np
import pytest
import yaml

from pipeline.storage.files import project_root
from reports.beyond.length_curves import draw_length_curves, tell_seeds, trace_curves
from reports.beyond.standings import (
    MARGINS,
    compare_with_ours,
    find_edges,
    mark_all,
    mark_behind,
    mark_lengths,
    rank_by_seed,
)
from reports.paper.all_methods import add_mixture

KEY = "frechet_distance"


@pytest.fixture
def make(make_cell):
    def make_one(method, seed, distance, rounds=16, **given):
        axes = {"rounds": rounds, "seed": seed}
        return make_cell("leaderboard", method, seed=seed, axes=axes, **{KEY: distance}, **given)

    return make_one


def test_the_margins_are_those_of_the_claims():
    margins = yaml.safe_load((project_root() / "reports/paper/claims.yaml").read_text())["margins"]
    assert {"ratio": np.log(margins["ratio"]), "difference": margins["difference"]} == pytest.approx(MARGINS)


def test_ranks_are_among_the_methods_of_a_seed(make):
    distances = {"Ours": (30, 31, 29), "VAE": (40, 30, 45), "RAE": (40, 50, 60)}
    cells = [make(method, seed, one) for method, row in distances.items() for seed, one in enumerate(row)]
    ranks = rank_by_seed(cells, KEY, "lower")
    of_vae = [2.5, 1, 2]  # equal ones share a rank
    assert list(ranks["VAE"]) == of_vae
    assert list(rank_by_seed(cells, KEY, "higher")["Ours"]) == [3, 2, 3]
    without = [cell for cell in cells if (cell.method, cell.seed) != ("RAE", 2)]
    assert list(rank_by_seed(without, KEY, "lower")["VAE"]) == [2.5, 1]


def test_a_method_is_better_than_ours_where_the_whole_interval_is(make):
    ours = np.array([30.0, 40.0, 50.0, 35.0, 45.0])
    factors = {
        "RAE": np.array([0.5, 0.51, 0.49, 0.5, 0.5]),
        "DCGAN": np.array([2.0, 2.1, 1.9, 2.0, 2.0]),
        "VAE": np.array([1.001, 0.999, 1.0, 1.002, 0.998]),
        "GLO": np.array([0.5, 2.0, 1.0, 0.7, 1.4]),
    }
    cells = [make("Ours", seed, one) for seed, one in enumerate(ours)]
    for name, factor in factors.items():
        cells += [make(name, seed, one) for seed, one in enumerate(factor * ours)]
    found = {one.method: one for one in compare_with_ours(cells, KEY, "lower")}
    verdicts = {name: one.verdict for name, one in found.items()}
    assert verdicts == {"RAE": "better", "DCGAN": "worse", "VAE": "no difference", "GLO": "undecided"}
    assert found["RAE"].estimate.effect == pytest.approx(-np.log(factors["RAE"]).mean())
    # Of an AUPRC higher is better, and the effect is a difference.
    reversed_side = {one.method: one.verdict for one in compare_with_ours(cells, KEY, "higher")}
    assert (reversed_side["RAE"], reversed_side["DCGAN"]) == ("worse", "better")


def test_who_still_falls_over_a_factor_of_four_has_not_converged_and_who_rises_is_marked(make):
    curves = {"Ours": (50, 40, 39), "VAE": (50, 40, 37.9), "RAE": (50, 40, 45), "GLO": (50, 40)}
    cells = [
        make(method, 1, distance, rounds=4**step)
        for method, curve in curves.items()
        for step, distance in enumerate(curve)
    ]
    marks = {"VAE": "not converged", "GLO": "not converged", "RAE": "worse when longer"}
    assert mark_lengths(cells) == marks
    other_seed = [make("GLO", 2, 90.0, rounds=4), make("Ours", 2, 90.0, rounds=4), make("DCGAN", 1, 9.0)]
    assert mark_lengths([*cells, *other_seed]) == marks  # of shared seeds alone


def test_who_infers_nothing_is_behind_by_the_distance_alone(make):
    cells = [
        make("PPCA", 1, 50.0, mse_test_point=0.02),
        make("GLOW", 1, 60.0),
        make("WGAN-GP", 1, 40.0),
        make("VAE", 1, 60.0, mse_test_point=0.01),
        make("iWGAN", 1, 60.0, mse_test_point=0.03, error="diverged"),
        make("iWGAN", 2, 60.0, mse_test_point=0.03),  # a seed without PPCA
    ]
    assert mark_behind(cells) == {"GLOW": "behind PPCA (1 of 1 seeds)"}
    shorter = make("GLOW", 1, 90.0, rounds=4)
    assert mark_all([*cells, shorter], cells) == {"GLOW": "not converged; behind PPCA (1 of 1 seeds)"}


def test_a_rate_at_the_edge_of_the_grid_is_found(make):
    cells = [make(name, 1, 1.0, rate_factor=rate) for name, rate in (("RAE", 0.3), ("VAE", 3), ("GLO", 30))]
    assert find_edges(cells, (0.3, 1, 3, 10, 30)) == {"RAE", "GLO"} and find_edges(cells, ()) == set()


def test_what_the_mixture_has_of_ours_is_ranked_once(make):
    cells = [make("Ours", 1, 40.0, frechet_distance_mixture=30.0, mse_test=0.02), make("VAE", 1, 50.0)]
    *same, mixture = add_mixture(cells)
    ranks = rank_by_seed([*same, mixture, make("VAE", 1, 50.0, mse_test=0.03)], "mse_test", "lower")
    assert {method: list(rank) for method, rank in ranks.items()} == {"Ours": [1], "VAE": [2]}
    assert list(rank_by_seed([*same, mixture], KEY, "lower")["Ours-mixture"]) == [1]


def test_the_curves_are_means_over_seeds_by_length(make, tmp_path):
    cells = [
        make(method, seed, 50.0 / rounds + seed, rounds, training_seconds=rounds * 10.0 + seed)
        for method in ("Ours", "VAE")
        for rounds in (4, 1)
        for seed in (1, 3)
    ]
    assert trace_curves(cells)["VAE"] == [(12.0, 52.0), (42.0, 14.5)]
    half_run = make("VAE", 2, 90.0, 1, training_seconds=99.0)  # its longer training is not there
    assert trace_curves([*cells, half_run]) == trace_curves(cells)
    assert tell_seeds(cells) == tell_seeds([*cells, half_run]) == "mean of 2 seeds"
    alone = [make("RAE", seed, 8.0 * seed, rounds, training_seconds=9.0) for seed, rounds in ((1, 1), (2, 4))]
    assert trace_curves(alone)["RAE"] == [(9.0, 8.0), (9.0, 16.0)]  # no seed has both
    assert tell_seeds(alone) == "one seed"
    assert tell_seeds([*cells, *alone]) == "mean of 1 to 2 seeds, those with all lengths"
    draw_length_curves(tmp_path / "lengths.png", cells, {"VAE": "not converged"})
    draw_length_curves(tmp_path / "nothing.png", [], {})
    assert (tmp_path / "lengths.png").stat().st_size > (tmp_path / "nothing.png").stat().st_size > 0
