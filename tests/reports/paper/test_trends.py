"""A claim about an axis has the verdict of the effect along it, or of where its best value lies."""

import dataclasses
import itertools

import numpy as np
import pytest

from pipeline.settings.params import load_params
from pipeline.studies.grid import read_grid
from pipeline.studies.measured import place_result, read_cells
from pipeline.studies.planning import list_study
from pipeline.studies.result import CellResult
from reports.paper.claims import Beats, Best, Trend
from reports.paper.planned import add_missing
from tests.reports.paper.claim_cases import judge, make_claim


@pytest.mark.parametrize(("better", "word"), [("lower", "reproduces"), ("higher", "contradicted")])
def test_a_trend_has_the_papers_direction(make_sweep, better, word):
    cells = make_sweep({0: 40.0, 0.5: 30.0, 1: 20.0})
    (one,) = judge(make_claim(Trend("alpha", "linear"), study="figure8", better=better), cells)
    assert one.verdict == word
    assert abs(one.effect) == pytest.approx(np.log(2), abs=0.05)


def test_a_trend_without_an_end_of_its_axis_is_undecided(make_sweep, make_cell):
    cells = make_sweep({0: 40.0, 0.5: 30.0})
    cells.append(make_cell("figure8", axes={"alpha": 1}, error="DivergenceError: chains diverged"))
    (one,) = judge(make_claim(Trend("alpha", "linear"), study="figure8"), cells)
    assert (one.verdict, one.effect, one.note) == ("undecided", None, "missing or failed: alpha = 1")


@pytest.fixture
def make_lengths(make_cell, rng):
    """Cells of ABP and Ours by images and rounds, whose log ratio is ``find_lead(n_train, rounds)``."""

    def make(find_lead, rounds=(1, 4, 16)):
        cells = []
        for n_train, length, seed in itertools.product((250, 1000), rounds, (1, 2, 3)):
            level = 100 * length**-0.5 * np.exp(rng.normal(0, 0.3))
            lead = np.exp(find_lead(n_train, length) + rng.normal(0, 0.003))
            at = {"seed": seed, "axes": {"n_train": n_train, "rounds": length}}
            for method, value in (("ABP", level * lead), ("Ours", level), ("PPCA", 9 * level)):
                cells.append(make_cell("convergence", method, frechet_distance=value, **at))
        return cells

    return make


@pytest.mark.parametrize(
    ("slope", "word"), [(0.1, "reproduces"), (-0.1, "contradicted"), (0, "no difference")]
)
def test_a_lead_over_a_rival_has_a_trend_though_both_improve(make_lengths, slope, word):
    cells = make_lengths(lambda n_train, rounds: 0.5 + slope * np.log(rounds))
    rule = Trend("rounds", "log", "Ours", "ABP", {"n_train": 1000})
    (one,) = judge(make_claim(rule, study="convergence"), cells)
    assert (one.verdict, one.seeds) == (word, 3)
    assert one.effect == pytest.approx(slope * np.log(16), abs=0.03)


def test_a_trend_is_of_the_values_that_the_claim_names(make_lengths):
    cells = make_lengths(lambda n_train, rounds: 0.1 * np.log(rounds) if rounds < 16 else 9.0)
    named = Trend("rounds", "log", "Ours", "ABP", {"n_train": 250}, (1, 4))
    (one,) = judge(make_claim(named, study="convergence"), cells)
    assert one.effect == pytest.approx(0.1 * np.log(4), abs=0.03)
    (whole,) = judge(make_claim(dataclasses.replace(named, values=()), study="convergence"), cells)
    assert whole.effect > 1


def test_a_trend_at_several_data_sets_is_their_mean_and_each_is_said(make_cell, rng):
    cells = [
        make_cell(
            *("table4", "Ours", dataset),
            seed=seed,
            axes={"dataset": dataset, "latent_dim": d, "seed": seed},
            frechet_distance=scale * d**-slope * np.exp(rng.normal(0, 0.001)),
        )
        for dataset, scale, slope in (("mnist5k", 50, 0.2), ("colour_digits", 300, 0.4))
        for seed in (1, 2, 3)
        for d in (20, 40, 64)
    ]
    cells += [dataclasses.replace(cell, method="PPCA", numbers={"frechet_distance": 900.0}) for cell in cells]
    rising = make_claim(Trend("latent_dim", "log", "Ours"), study="table4")
    whole, mnist, colour = judge(rising, cells)
    assert (mnist.place, colour.place) == ("mnist5k", "colour_digits (stand-in for SVHN)")
    assert mnist.effect == pytest.approx(0.2 * np.log(3.2), abs=0.01) and mnist.verdict == "reproduces"
    assert whole.effect == pytest.approx((mnist.effect + colour.effect) / 2)
    assert whole.verdict == "undecided" and whole.low < 0  # two places say little of others
    lacking = [cell for cell in cells if (cell.dataset, cell.axes["latent_dim"]) != ("colour_digits", 64)]
    end = make_cell("table4", "Ours", "colour_digits", axes=cells[-1].axes, error="not trained yet")
    whole, mnist, colour = judge(rising, [*lacking, end])
    assert (colour.effect, colour.note) == (None, "missing or failed: latent_dim = 64")
    assert whole.note == "missing or failed: colour_digits (stand-in for SVHN)"


def test_planned_cells_that_nobody_trained_leave_a_claim_about_their_axis_undecided(monkeypatch):
    params, grid = load_params(profile="recorded"), read_grid()
    cells = [
        place_result(cell, CellResult({"n": 9, "frechet_distance": 50 - 20 * cell.params.alpha}), "", True)
        for cell in list_study("figure8", params, grid)
    ]
    best = make_claim(Best("alpha", "inside"), study="figure8")
    (whole,) = judge(best, add_missing("figure8", cells, params, grid))
    assert whole.verdict == "contradicted" and whole.note.startswith("the best is inside in 0%")
    cells = [cell for cell in cells if cell.method == "Ours"]
    half = [cell for cell in cells if cell.axes["alpha"] < 0.7]
    (one,) = judge(best, add_missing("figure8", half, params, grid))
    assert (one.effect, one.note) == (None, "missing or failed: alpha = 0.7, alpha = 1")
    fewer = [cell for cell in cells if (cell.seed, cell.axes["alpha"]) != (2, 0.3)]
    (one,) = judge(best, add_missing("figure8", fewer, params, grid))
    assert one.seeds == 4 and one.note.startswith("4 of 5 seeds; ")
    nothing = read_cells("no profile", "figure8", ["Ours"])
    assert add_missing("figure8", nothing, params, grid) == nothing


def test_where_picks_places_of_rivals_too(make_lengths):
    cells = make_lengths(lambda n_train, rounds: 0.5 if rounds == 16 else 0)
    rule = Beats("Ours", "ABP", "frechet_distance", {"rounds": 16})
    whole, *places = judge(make_claim(rule, study="convergence"), cells)
    assert whole.effect == pytest.approx(0.5, abs=0.03) and whole.note == ""
    assert [one.verdict for one in places] == ["reproduces"] * 2


@pytest.mark.parametrize(
    ("among", "curve", "word"),
    [
        ("inside", {0: 40.0, 0.5: 20.0, 1: 30.0}, "reproduces"),
        ("inside", {0: 40.0, 0.5: 20.0, 1: 10.0}, "contradicted"),
        ("inside", {0: 40.0, 0.5: 40.0, 1: 40.0}, "no difference"),
        ("first", {0: 20.0, 0.5: 40.0, 1: 30.0}, "reproduces"),
        ("not_first", {0: 20.0, 0.5: 40.0, 1: 30.0}, "contradicted"),
    ],
)
def test_where_the_best_lies(make_sweep, among, curve, word):
    (one,) = judge(make_claim(Best("alpha", among), study="figure8"), make_sweep(curve))
    assert one.verdict == word and "of resamples of the seeds" in one.note
