"""A cell of each task has the numbers of its table, repeats itself, and says what a method lacks."""

import dataclasses

import numpy as np
import pytest
import torch

from models.catalogue import METHODS
from models.interface import FittedMethod
from models.short_run.method import count_sample_gradients
from pipeline.evaluation.image_bootstrap import compute_weighted_auprc
from pipeline.evaluation.prior_distance import measure_distance_to_normal, measure_distance_to_prior
from pipeline.settings.plan import build_plan
from pipeline.studies.measure import CHAINS_KEPT, list_ways
from pipeline.studies.memo import compute_key, load_result, save_result
from pipeline.studies.recall import is_final
from pipeline.studies.request import build_request
from pipeline.studies.result import CellResult
from pipeline.studies.tasks import IGNORED_BY_TASK, TASKS
from pipeline.studies.tasks import measure_cell as measure_with
from reports.paper.layouts import LAYOUTS
from tests.pipeline.studies.smoke_cells import Still, cell, measure_cell


def test_the_ranks_that_a_cell_keeps_give_its_auprc(images, extract):
    one = cell("table3", number=1)
    anomaly = dataclasses.replace(one.params.anomaly, chains=CHAINS_KEPT)
    one = dataclasses.replace(one, params=dataclasses.replace(one.params, anomaly=anomaly))
    measured = measure_cell(one, images, extract)
    kept = measured.arrays
    for protocol, chosen in (("pooled", np.ones_like(kept["in_tenth"])), ("tenth", kept["in_tenth"])):
        labels = kept["is_anomaly"][chosen]
        equal = np.ones((1, len(labels)))
        areas = [compute_weighted_auprc(ranks[chosen], labels, equal)[0] for ranks in kept["score_ranks"]]
        assert np.mean(areas) == pytest.approx(measured.numbers[f"{protocol}_mean"])
    assert len(set(kept["image_ids"])) == len(kept["image_ids"])


INFERS_BY = {"VAE": "point", "ABP": "draw", "Ours": "draw", "PPCA": "point"}  # as its source has it


@pytest.mark.parametrize("method", INFERS_BY)
def test_every_method_fills_every_task(images, extract, method):
    complete = measure_cell(cell("table2", method), images, extract)
    assert not complete.error
    assert {"mse_train", "mse_test", "frechet_distance", "floor", "n"} <= set(complete.numbers)
    assert complete.arrays["samples"].shape == (64, 1, 28, 28)
    normal = measure_cell(cell("table3", method, 1), images, extract)
    assert 0 < normal.numbers["tenth_minimum"] <= normal.numbers["tenth_mean"] <= 1
    occluded = measure_cell(cell("table8", method), images, extract)
    assert 0 < occluded.numbers["squared_error"] <= occluded.numbers["absolute_error"] < 1
    for study, found in (("table2", complete), ("table8", occluded)):
        printed = {one.key for one in LAYOUTS[study].quantities}
        assert {key for key in printed if method != "PPCA" or not key.endswith("_draw")} <= set(found.numbers)
    for part in ("mse_train", "mse_test"):
        assert complete.numbers[part] == complete.numbers[f"{part}_{INFERS_BY[method]}"]
    for part in ("absolute_error", "squared_error"):
        assert occluded.numbers[part] == occluded.numbers[f"{part}_{INFERS_BY[method]}"]
    hidden = occluded.arrays["visible"] == 0
    same = occluded.arrays["recovered"] == occluded.arrays["originals"]
    assert same[~hidden].all() and not same[hidden].all()
    latent = measure_cell(cell("figure3", method), images, extract)
    assert latent.arrays["latents"].shape == (80, 2)
    assert latent.numbers["to_prior"] > 0 and latent.numbers["floor"] > 0


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("Ours", {"point", "draw"}),
        ("ABP", {"point", "draw"}),
        ("VAE", {"point", "draw"}),
        ("PPCA", {"point", "draw"}),
        ("RAE", {"point"}),
    ],
)
def test_a_method_infers_by_a_point_and_by_a_draw_where_it_has_a_posterior(images, method, expected):
    request = build_request(
        dataclasses.replace(cell("table2"), method=method), torch.from_numpy(images.train_images), None
    )
    fitted = METHODS[method].load()(request)
    ways = list_ways(fitted)
    assert set(ways) == expected and (ways[INFERS_BY.get(method, "point")] is fitted)
    test_images = torch.from_numpy(images.test_images)
    found = {way: one.infer(test_images, None, 5, 0) for way, one in ways.items()}
    if "draw" in found:
        assert not torch.isclose(found["point"], found["draw"]).all(1).any()


@pytest.mark.parametrize("study", ["table2", "table8"])
def test_a_method_without_a_posterior_to_draw_from_is_said_to_lack_a_draws_numbers(images, extract, study):
    found = measure_cell(dataclasses.replace(cell(study), method="RAE"), images, extract)
    of_draws = {one.key for one in LAYOUTS[study].quantities if one.key.endswith("_draw")}
    assert not found.error and of_draws and not of_draws & set(found.numbers)
    assert of_draws <= set(found.lacks)


def test_a_number_that_is_not_finite_is_the_cells_error_and_breaks_no_table(images, extract, monkeypatch):
    monkeypatch.setitem(TASKS, "complete", lambda *_: CellResult({"mse_test": 0.1, "n": float("nan")}))
    assert measure_with(cell("table2"), images, extract, None).error == (
        "ValueError: n is nan, expected a finite number"
    )


def test_inpainting_keeps_what_is_visible_and_its_chains_differ(images, extract):
    arrays = measure_cell(cell("table2"), images, extract).arrays
    originals, visible = arrays["inpainting_originals"], arrays["inpainting_occlusions"] == 1
    assert arrays["inpainting_restored"].shape == (6, *originals.shape)
    same = arrays["inpainting_restored"] == originals
    assert same[visible].all() and not same[~visible].all()
    assert abs((~visible[5]).mean() - 0.9) < 0.01  # the last mask hides 90 %
    diverse = arrays["inpainting_diverse"]
    seen = np.broadcast_to(arrays["inpainting_diverse_occlusions"][:, None] == 1, diverse.shape)
    assert (diverse == diverse[:, :1])[seen].all() and not (diverse == diverse[:, :1])[~seen].all()


def test_curves_have_a_value_for_each_round_and_end_in_the_numbers(images, extract):
    two_rounds = cell("figure8", number=3)
    found = measure_cell(two_rounds, images, extract)
    rounds = two_rounds.params.profile_settings.train.rounds.complete
    assert rounds == 2
    for name in ("ot_cost", "mse_before", "mse_after", "frechet_distance"):
        assert len(found.curves[name]) == rounds
    assert found.curves["frechet_distance"][-1] == found.numbers["frechet_distance"]
    assert found.curves["mse_after"][-1] == found.numbers["mse_after"]
    assert len(found.curves["frechet_before"]) == 1  # measured once, before the last correction


class ShiftedPrior(FittedMethod):
    """A method whose prior is N((3, 4), I)."""

    def draw_prior(self, n, draw):
        rng = torch.Generator().manual_seed(draw)
        return torch.randn(n, 2, generator=rng) + torch.tensor([3.0, 4.0])


def test_latents_are_measured_against_their_methods_own_prior():
    fitted = ShiftedPrior()
    latents = fitted.draw_prior(500, draw=9)
    cost, floor = measure_distance_to_prior(fitted, latents, seed=1)
    assert cost < 3 * floor
    away, _ = measure_distance_to_prior(fitted, latents - torch.tensor([3.0, 4.0]), seed=1)
    assert abs(away - 25) < 2  # the squared shift
    assert abs(measure_distance_to_normal(latents, seed=1) - 25) < 2


def test_a_cell_repeats_itself(images, extract):
    first, second = (measure_cell(cell("table2"), images, extract) for _ in range(2))
    assert first.numbers == second.numbers


def test_abp_is_ours_without_correction(images, extract):
    ours = cell("table2")
    abp = measure_cell(cell("table2", "ABP"), images, extract)
    zero = dataclasses.replace(ours, params=dataclasses.replace(ours.params, alpha=0.0))
    same = measure_cell(zero, images, extract)
    assert abp.numbers["mse_train"] == same.numbers["mse_train"]
    assert abp.numbers["mse_train"] != measure_cell(ours, images, extract).numbers["mse_train"]


def test_a_cell_that_fails_says_why_and_breaks_nothing(images, extract):
    wild = cell("table5")
    wild = dataclasses.replace(wild, params=dataclasses.replace(wild.params, s=5.0))
    found = measure_cell(wild, images, extract)
    assert found.numbers == {} and "\n" not in found.error
    assert found.error.startswith("diverged: chains diverged in round 1")


def test_a_cell_that_memory_does_not_hold_breaks_nothing_and_is_tried_again(images, extract, monkeypatch):
    def take_too_much(*given):
        np.empty(2**59)  # bytes by the exabyte

    monkeypatch.setitem(TASKS, "complete", take_too_much)
    found = measure_with(cell("table2"), images, extract, None)
    assert found.error.startswith("MemoryError: Unable to allocate") and not is_final(found)


def test_the_budget_counts_gradients_in_z_and_in_the_weights():
    plan = dataclasses.replace(
        build_plan(cell("table2").params, "complete"), rounds=3, passes=2, adam_steps=2, regression_passes=4
    )
    plan = dataclasses.replace(plan, chain=dataclasses.replace(plan.chain, steps=5))
    assert count_sample_gradients(plan, 100) == 100 * 3 * (2 * (5 + 2) + 4)


def test_a_memo_comes_back_whole_or_not_at_all(tmp_path):
    result = CellResult(
        {"mse": 0.1},
        {"ot_cost": [2.0, 1.0]},
        {"samples": np.arange(4, dtype=np.uint8).reshape(1, 1, 2, 2)},
        lacks={"mse_test": "infers no latent vectors"},
    )
    key = compute_key(cell={"s": 0.3}, data="x")
    assert load_result(tmp_path, key) is None
    save_result(tmp_path, key, result)
    found = load_result(tmp_path, key)
    assert found.numbers == result.numbers and found.error == "" and found.lacks == result.lacks
    assert found.curves == result.curves
    assert np.array_equal(found.arrays["samples"], result.arrays["samples"])
    assert key != compute_key(cell={"s": 0.31}, data="x")
    content = (tmp_path / f"{key}.npz").read_bytes()
    flipped = content[:75] + bytes([content[75] ^ 1]) + content[76:]
    for damaged in (b"", b"half a file", content[: len(content) // 2], content[:-30], flipped):
        (tmp_path / f"{key}.npz").write_bytes(damaged)
        assert load_result(tmp_path, key) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{key}.json", f"{key}.npz"]


def test_what_is_left_out_of_a_memos_key_is_said_for_every_task():
    assert set(IGNORED_BY_TASK) == set(TASKS)


def test_what_a_method_lacks_is_said_beside_what_it_has(images, extract):
    found = measure_with(cell("table2"), images, extract, lambda request: Still())
    assert not found.error and found.numbers["frechet_distance"] > 0
    errors = [f"{part}{way}" for part in ("mse_train", "mse_test") for way in ("", "_point", "_draw")]
    assert found.lacks == dict.fromkeys(errors, "infers no latent vectors")
    assert found.arrays["samples"].shape == (64, 1, 28, 28) and "reconstructions" not in found.arrays


@pytest.mark.parametrize(
    ("study", "reason"),
    [
        ("table3", "scores no images"),
        ("table8", "infers no latent vectors"),
        ("figure3", "draws no posterior"),
    ],
)
def test_a_method_that_cannot_be_measured_lacks_every_number_of_the_table(images, extract, study, reason):
    result = measure_with(cell(study), images, extract, lambda request: Still())
    assert not result.error and not result.numbers
    assert set(result.lacks.values()) == {reason}
    assert {quantity.key for quantity in LAYOUTS[study].quantities} <= set(result.lacks)
