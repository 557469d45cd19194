"""A claim about two methods has the verdict of its effect, over seeds and over places."""

import dataclasses

import numpy as np
import pytest

from pipeline.evaluation.image_bootstrap import rank_scores
from reports.paper.claims import Beats, Trend
from reports.paper.verdicts import judge_claims
from tests.reports.paper.claim_cases import DATASETS, judge, make_claim


@pytest.mark.parametrize(
    ("effect", "word"), [(0.3, "reproduces"), (-0.3, "contradicted"), (0.0, "no difference")]
)
def test_a_known_effect_has_its_verdict_though_seeds_differ_more_than_methods(make_pairs, effect, word):
    whole, *places = judge(make_claim(), make_pairs(dict.fromkeys(DATASETS, effect)))
    assert whole.verdict == word and whole.low <= whole.effect <= whole.high
    assert whole.effect == pytest.approx(effect, abs=0.05)
    assert (whole.seeds, whole.images, whole.place) == (5, 100, "")
    assert [one.verdict for one in places] == [word] * 3
    assert places[1].place == "colour_digits (stand-in for SVHN)"


def test_a_place_that_contradicts_is_seen_and_does_not_decide_alone(make_pairs):
    whole, *places = judge(make_claim(), make_pairs({"mnist5k": 0.3, "colour_digits": 0.3, "emoji": -0.1}))
    assert whole.verdict == "undecided" and whole.low < 0 < whole.effect < whole.high
    assert [one.verdict for one in places] == ["reproduces", "reproduces", "contradicted"]


def test_one_seed_is_undecided_without_an_interval(make_pairs):
    verdicts = judge(make_claim(), make_pairs(dict.fromkeys(DATASETS, 2.0), seeds=1))
    assert {(one.verdict, one.low, one.high, one.seeds) for one in verdicts} == {("undecided", None, None, 1)}
    assert all(one.effect > 1 for one in verdicts)


def test_what_failed_or_is_missing_is_said_and_counts_for_nothing(make_pairs, make_cell):
    cells = make_pairs({"mnist5k": 0.3, "colour_digits": 0.3})
    failed = make_cell(method="Ours", dataset="emoji", axes={"dataset": "emoji"}, error="it")
    whole, *places = judge(make_claim(), [*cells, failed])
    assert len(places) == 2 and whole.note == "missing or failed: emoji (stand-in for CelebA)"
    (nothing,) = judge(make_claim(), [])
    assert (nothing.verdict, nothing.effect, nothing.seeds) == ("undecided", None, 0)
    assert nothing.note == "no cell was measured"


def test_only_seeds_that_both_have_count(make_pairs):
    cells = [cell for cell in make_pairs({"mnist5k": 0.3}) if not (cell.method == "ABP" and cell.seed > 3)]
    (whole,) = judge(make_claim(), cells)
    assert (whole.seeds, whole.verdict) == (3, "reproduces")


def test_several_cells_at_one_place_are_refused_until_one_is_named(make_cell):
    cells = [
        make_cell("table3", "Ours", axes={"held_out": 4, "alpha": alpha}, tenth_mean=alpha)
        for alpha in (0.1, 0.5)
    ]
    cells.append(make_cell("table3", "ABP", axes={"held_out": 4}, tenth_mean=0.2))
    auprc = {"study": "table3", "quantity": "tenth_mean", "better": "higher", "unit": "difference"}
    with pytest.raises(ValueError, match=r"'it is so': found several cells of Ours at held_out = 4"):
        judge(make_claim(Beats("Ours", "ABP", "tenth_mean"), **auprc), cells)
    (one,) = judge(make_claim(Beats("Ours", "ABP", "tenth_mean", {"alpha": 0.5}), **auprc), cells)
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
    whole, *places = judge(make_claim(rule, study="table5"), cells)
    assert whole.verdict == "reproduces" and len(places) == 3
    assert places[0].effect == pytest.approx(np.mean(np.log([61 / 41, 62 / 42, 63 / 43])))


def test_a_claim_of_one_place_alone_is_asked_where_the_study_has_it(make_cell):
    def make(axes):
        return [
            make_cell("table3", method, axes={"held_out": 4, **axes}, tenth_mean=area)
            for method, area in (("ABP", 0.2), ("Ours", 0.2 + axes.get("latent_dim", 40) / 100))
        ]

    auprc = {"study": "table3", "quantity": "tenth_mean", "better": "higher", "unit": "difference"}
    of_ten = make_claim(Beats("Ours", "ABP", "tenth_mean", only={"latent_dim": 10}), **auprc)
    assert judge(of_ten, make({})) == []
    (one,) = judge(of_ten, make({"latent_dim": 10}) + make({"latent_dim": 30}))
    assert one.effect == pytest.approx(0.1)


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
    auprc = make_claim(rule, study="table3", quantity="tenth_mean", better="higher", unit="difference")
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
        whole, *places = judge(make_claim(), make_pairs({f"set {n}": 0.0 for n in range(8)}, spread=0.1))
        wrong += any(one.verdict in ("reproduces", "contradicted") for one in (whole, *places))
    assert wrong <= 7  # of two families at 5 %: 5 expected at most


def test_holm_counts_the_claims_of_one_table_alone(make_pairs, make_sweep):
    cells = {"table2": make_pairs({"mnist5k": 0.3}), "figure8": make_sweep({0: 40.0, 0.5: 30.0, 1: 20.0})}
    pair, trend = make_claim(), make_claim(Trend("alpha", "linear"), study="figure8")
    alone, *_ = judge_claims([pair], cells)
    with_other_table = judge_claims([pair, trend], cells)[0]
    twice = judge_claims([pair, pair], cells)[0]
    assert alone.p == with_other_table.p and twice.p == pytest.approx(2 * alone.p)
