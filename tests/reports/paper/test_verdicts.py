import dataclasses
import itertools

import numpy as np
import pytest

from pipeline.evaluation.image_bootstrap import rank_scores
from pipeline.settings.params import load_params
from pipeline.settings.yaml_files import ParamError
from pipeline.studies.grid import read_grid
from pipeline.studies.measured import place_result, read_cells
from pipeline.studies.planning import list_study
from pipeline.studies.result import CellResult
from reports.paper.claims import Beats, Best, Claim, Trend, parse_claim, read_claims
from reports.paper.claims_table import count_verdicts, render_claims, tabulate_claims
from reports.paper.forest import build_forest
from reports.paper.planned import add_missing
from reports.paper.verdicts import judge_claims

MARGIN = np.log(1.05)
BEATS_ABP = Beats("Ours", "ABP", "frechet_distance")
DATASETS = ("mnist5k", "colour_digits", "emoji")


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def claim(rule=BEATS_ABP, study="table2", quantity="frechet_distance", better="lower", unit="ratio"):
    return Claim("it is so", study, quantity, better, unit, MARGIN if unit == "ratio" else 0.02, rule)


@pytest.fixture
def make_pairs(make_cell, rng):
    """Cells of ABP and of Ours whose log ratio has the mean ``effects[place]`` and a spread over seeds."""

    def make(effects, seeds=5, spread=0.01):
        cells = []
        for place, effect in effects.items():
            level = rng.uniform(10, 100)  # data sets differ in their units, seeds in their luck
            for seed in range(1, seeds + 1):
                luck = np.exp(rng.normal(0, 0.3))
                ratio = np.exp(effect + rng.normal(0, spread))
                for method, value in (("ABP", level * luck * ratio), ("Ours", level * luck)):
                    at = {"seed": seed, "axes": {"dataset": place}}
                    cells.append(make_cell("table2", method, place, frechet_distance=value, **at))
        return cells

    return make


@pytest.fixture
def make_sweep(make_cell, rng):
    def make(curve, seeds=5, spread=0.01):
        return [
            make_cell("figure8", seed=seed, axes={"alpha": alpha}, frechet_distance=value)
            for seed in range(1, seeds + 1)
            for alpha, value in zip(
                curve, np.array(list(curve.values())) * np.exp(rng.normal(0, spread, len(curve))), strict=True
            )
        ]

    return make


def judge(one, cells):
    return judge_claims([one], {one.study: cells})


@pytest.mark.parametrize(
    ("effect", "word"), [(0.3, "reproduces"), (-0.3, "contradicted"), (0.0, "no difference")]
)
def test_a_known_effect_has_its_verdict_though_seeds_differ_more_than_methods(make_pairs, effect, word):
    whole, *places = judge(claim(), make_pairs(dict.fromkeys(DATASETS, effect)))
    assert whole.verdict == word and whole.low <= whole.effect <= whole.high
    assert whole.effect == pytest.approx(effect, abs=0.05)
    assert (whole.seeds, whole.images, whole.place) == (5, 100, "")
    assert [one.verdict for one in places] == [word] * 3
    assert places[1].place == "colour_digits (stand-in for SVHN)"


def test_a_place_that_contradicts_is_seen_and_does_not_decide_alone(make_pairs):
    whole, *places = judge(claim(), make_pairs({"mnist5k": 0.3, "colour_digits": 0.3, "emoji": -0.1}))
    assert whole.verdict == "undecided" and whole.low < 0 < whole.effect < whole.high
    assert [one.verdict for one in places] == ["reproduces", "reproduces", "contradicted"]


def test_one_seed_is_undecided_without_an_interval(make_pairs):
    verdicts = judge(claim(), make_pairs(dict.fromkeys(DATASETS, 2.0), seeds=1))
    assert {(one.verdict, one.low, one.high, one.seeds) for one in verdicts} == {("undecided", None, None, 1)}
    assert all(one.effect > 1 for one in verdicts)


def test_what_failed_or_is_missing_is_said_and_counts_for_nothing(make_pairs, make_cell):
    cells = make_pairs({"mnist5k": 0.3, "colour_digits": 0.3})
    failed = make_cell(method="Ours", dataset="emoji", axes={"dataset": "emoji"}, error="it")
    whole, *places = judge(claim(), [*cells, failed])
    assert len(places) == 2 and whole.note == "missing or failed: emoji (stand-in for CelebA)"
    (nothing,) = judge(claim(), [])
    assert (nothing.verdict, nothing.effect, nothing.seeds) == ("undecided", None, 0)
    assert nothing.note == "no cell was measured"


def test_only_seeds_that_both_have_count(make_pairs):
    cells = [cell for cell in make_pairs({"mnist5k": 0.3}) if not (cell.method == "ABP" and cell.seed > 3)]
    (whole,) = judge(claim(), cells)
    assert (whole.seeds, whole.verdict) == (3, "reproduces")


def test_several_cells_at_one_place_are_refused_until_one_is_named(make_cell):
    cells = [
        make_cell("table3", "Ours", axes={"held_out": 4, "alpha": alpha}, tenth_mean=alpha)
        for alpha in (0.1, 0.5)
    ]
    cells.append(make_cell("table3", "ABP", axes={"held_out": 4}, tenth_mean=0.2))
    auprc = {"study": "table3", "quantity": "tenth_mean", "better": "higher", "unit": "difference"}
    with pytest.raises(ValueError, match=r"'it is so': found several cells of Ours at held_out = 4"):
        judge(claim(Beats("Ours", "ABP", "tenth_mean"), **auprc), cells)
    (one,) = judge(claim(Beats("Ours", "ABP", "tenth_mean", {"alpha": 0.5}), **auprc), cells)
    assert one.effect == pytest.approx(0.3)


def test_before_and_after_in_the_same_training_are_compared(make_cell):
    cells = [
        make_cell(
            "table5", seed=seed, axes={"s": s}, frechet_before=60.0 + seed, frechet_distance=40.0 + seed
        )
        for seed in (1, 2, 3)
        for s in (0.03, 0.3, 0.6)
    ]
    rule = Beats("Ours", "Ours", "frechet_before")
    whole, *places = judge(claim(rule, study="table5"), cells)
    assert whole.verdict == "reproduces" and len(places) == 3
    assert places[0].effect == pytest.approx(np.mean(np.log([61 / 41, 62 / 42, 63 / 43])))


@pytest.mark.parametrize(("better", "word"), [("lower", "reproduces"), ("higher", "contradicted")])
def test_a_trend_has_the_papers_direction(make_sweep, better, word):
    cells = make_sweep({0: 40.0, 0.5: 30.0, 1: 20.0})
    (one,) = judge(claim(Trend("alpha", "linear"), study="figure8", better=better), cells)
    assert one.verdict == word
    assert abs(one.effect) == pytest.approx(np.log(2), abs=0.05)


def test_a_trend_without_an_end_of_its_axis_is_undecided(make_sweep, make_cell):
    cells = make_sweep({0: 40.0, 0.5: 30.0})
    cells.append(make_cell("figure8", axes={"alpha": 1}, error="DivergenceError: chains diverged"))
    (one,) = judge(claim(Trend("alpha", "linear"), study="figure8"), cells)
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
            for method, value in (("ABP", level * lead), ("Ours", level), ("PPCA", level)):
                cells.append(make_cell("convergence", method, frechet_distance=value, **at))
        return cells

    return make


@pytest.mark.parametrize(
    ("slope", "word"), [(0.1, "reproduces"), (-0.1, "contradicted"), (0, "no difference")]
)
def test_a_lead_over_a_rival_has_a_trend_though_both_improve(make_lengths, slope, word):
    cells = make_lengths(lambda n_train, rounds: 0.5 + slope * np.log(rounds))
    rule = Trend("rounds", "log", "Ours", "ABP", {"n_train": 1000})
    (one,) = judge(claim(rule, study="convergence"), cells)
    assert (one.verdict, one.seeds) == (word, 3)
    assert one.effect == pytest.approx(slope * np.log(16), abs=0.03)


def test_a_trend_is_of_the_values_that_the_claim_names(make_lengths):
    cells = make_lengths(lambda n_train, rounds: 0.1 * np.log(rounds) if rounds < 16 else 9.0)
    named = Trend("rounds", "log", "Ours", "ABP", {"n_train": 250}, (1, 4))
    (one,) = judge(claim(named, study="convergence"), cells)
    assert one.effect == pytest.approx(0.1 * np.log(4), abs=0.03)
    (whole,) = judge(claim(dataclasses.replace(named, values=()), study="convergence"), cells)
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
    rising = claim(Trend("latent_dim", "log"), study="table4")
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


def test_a_claim_of_one_place_alone_is_asked_where_the_study_has_it(make_cell):
    def make(axes):
        return [
            make_cell("table3", method, axes={"held_out": 4, **axes}, tenth_mean=area)
            for method, area in (("ABP", 0.2), ("Ours", 0.2 + axes.get("latent_dim", 40) / 100))
        ]

    auprc = {"study": "table3", "quantity": "tenth_mean", "better": "higher", "unit": "difference"}
    of_ten = claim(Beats("Ours", "ABP", "tenth_mean", only={"latent_dim": 10}), **auprc)
    assert judge(of_ten, make({})) == []
    (one,) = judge(of_ten, make({"latent_dim": 10}) + make({"latent_dim": 30}))
    assert one.effect == pytest.approx(0.1)


def test_planned_cells_that_nobody_trained_leave_a_claim_about_their_axis_undecided(monkeypatch):
    params, grid = load_params(profile="recorded"), read_grid()
    cells = [
        place_result(cell, CellResult({"n": 9, "frechet_distance": 50 - 20 * cell.params.alpha}), "", True)
        for cell in list_study("figure8", params, grid)
    ]
    best = claim(Best("alpha", "inside"), study="figure8")
    (whole,) = judge(best, add_missing("figure8", cells, params, grid))
    assert whole.verdict == "contradicted" and whole.note.startswith("the best is inside in 0%")
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
    whole, *places = judge(claim(rule, study="convergence"), cells)
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
    (one,) = judge(claim(Best("alpha", among), study="figure8"), make_sweep(curve))
    assert one.verdict == word and "of resamples of the seeds" in one.note


def test_the_test_images_of_an_auprc_widen_its_interval(make_cell, rng):
    """Five trainings that agree on the same few test images: their spread says nothing of other images."""
    labels = np.arange(60) < 12
    cells = []
    for seed in range(1, 6):
        for method, strength in (("ABP", 1.0), ("Ours", 1.3)):
            easy = np.random.default_rng(len(method)).standard_normal(60)
            scores = strength * labels + easy + 0.05 * rng.standard_normal(60)
            arrays = {
                "score_ranks": rank_scores(scores)[None],
                "is_anomaly": labels,
                "in_tenth": np.ones(60, dtype=bool),
                "image_ids": np.arange(60, dtype=np.uint32),
            }
            area = 0.4 + 0.05 * (method == "Ours") + 0.001 * rng.standard_normal()
            at = {"seed": seed, "axes": {"held_out": 4}}
            cells.append(make_cell("table3", method, **at, tenth_mean=area, arrays=arrays))
    rule = Beats("Ours", "ABP", "tenth_mean")
    auprc = claim(rule, study="table3", quantity="tenth_mean", better="higher", unit="difference")
    (with_images,) = judge(auprc, cells)
    (seeds_alone,) = judge(auprc, [dataclasses.replace(cell, arrays={}) for cell in cells])
    assert with_images.effect == seeds_alone.effect == pytest.approx(0.05, abs=0.01)
    assert seeds_alone.verdict == "reproduces" and with_images.verdict == "undecided"
    assert with_images.high - with_images.low > 10 * (seeds_alone.high - seeds_alone.low)
    assert judge(auprc, cells) == judge(auprc, cells)


def test_wrong_verdicts_on_simulated_tables_are_rarer_than_5_percent(make_pairs):
    """Eight data sets without any difference, five seeds, fifty times: who says so is right."""
    wrong = 0
    for _ in range(50):
        whole, *places = judge(claim(), make_pairs({f"set {n}": 0.0 for n in range(8)}, spread=0.1))
        wrong += any(one.verdict in ("reproduces", "contradicted") for one in (whole, *places))
    assert wrong <= 7  # of two families at 5 %: 5 expected at most


def test_holm_counts_the_claims_of_one_table_alone(make_pairs, make_sweep):
    cells = {"table2": make_pairs({"mnist5k": 0.3}), "figure8": make_sweep({0: 40.0, 0.5: 30.0, 1: 20.0})}
    pair, trend = claim(), claim(Trend("alpha", "linear"), study="figure8")
    alone, *_ = judge_claims([pair], cells)
    with_other_table = judge_claims([pair, trend], cells)[0]
    twice = judge_claims([pair, pair], cells)[0]
    assert alone.p == with_other_table.p and twice.p == pytest.approx(2 * alone.p)


def test_the_papers_claims_are_well_formed_and_all_have_a_row(make_pairs):
    claims = read_claims()
    assert len(claims) > 20 and len({one.text for one in claims}) == len(claims)
    verdicts = judge_claims(claims, {"table2": make_pairs(dict.fromkeys(DATASETS, 0.3))})
    frame = tabulate_claims(verdicts, lambda cells: None)
    needed = ["claim", "effect", "low", "high", "verdict", "seeds", "images"]
    assert set(needed) <= set(frame.columns)
    assert list(tabulate_claims([], lambda cells: None).columns) == list(frame.columns)
    asked = [one for one in claims if not one.text.startswith("With 10 latent dimensions")]
    assert list(frame[frame["place"] == ""]["claim"]) == [one.text for one in asked] != claims
    text = render_claims(verdicts, lambda cells: None)
    assert text.count("| | not measured | |") == len(asked) - 1 and "| reproduces | 5 | 100 |" in text
    assert "\n| Table 2: Ours has a lower Frechet distance than ABP | 1.35 [" in text
    counts = count_verdicts(verdicts)
    assert counts["claims"] == len(asked) == sum(counts.values()) - counts["claims"]
    assert counts["reproduces"] == 1


GOOD = {
    "claim": "x",
    "study": "table2",
    "quantity": "frechet_distance",
    "better": "lower",
    "unit": "ratio",
    "rule": {"kind": "beats", "method": "Ours", "rival": "ABP"},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"study": "table9"}, "study: found 'table9', expected one of table2"),
        ({"quantity": "speed"}, "quantity: found 'speed', expected one of mse_train"),
        ({"better": "up"}, "better: found 'up', expected one of lower, higher"),
        ({"rule": {"kind": "wins"}}, "rule.kind: found 'wins'"),
        ({"rule": {"kind": "trend", "along": "K"}}, "rule: .*spacing"),
        (
            {"rule": {"kind": "trend", "along": "K", "spacing": "log", "rival": "ABP"}},
            "both method and rival",
        ),
        ({"rule": {"kind": "beats", "method": "Ours"}}, "neither rival nor rival_quantity"),
    ],
)
def test_a_malformed_claim_is_refused_with_its_place(change, message):
    margins = {"ratio": 0.05, "difference": 0.02}
    assert parse_claim(GOOD, margins, "claims[0]").rule == BEATS_ABP
    with pytest.raises(ParamError, match=message):
        parse_claim({**GOOD, **change}, margins, "claims[0]")


def test_labels_of_the_forest_plot_do_not_overlap_and_stay_inside(make_pairs, make_sweep):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    cells = {
        "table2": make_pairs(dict.fromkeys(DATASETS, 0.3)),
        "figure8": make_sweep({0: 40.0, 0.5: 30.0, 1: 20.0}, seeds=1),
    }
    figure = build_forest(judge_claims(read_claims(), cells))
    renderer = FigureCanvasAgg(figure).get_renderer()
    for panel in figure.axes:
        for kind in ("label", "verdict"):
            boxes = [text.get_window_extent(renderer) for text in panel.texts if text.get_gid() == kind]
            assert len(boxes) > 2
            assert not any(one.overlaps(other) for one, other in itertools.pairwise(boxes))
            assert min(box.x0 for box in boxes) >= 0
            assert max(box.x1 for box in boxes) <= figure.bbox.width
        ticks = [label.get_window_extent(renderer) for label in panel.get_xticklabels()]
        assert not any(one.overlaps(other) for one, other in itertools.pairwise(ticks))
