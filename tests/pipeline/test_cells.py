import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from models.classifier import build_classifier
from pipeline import cells as module
from pipeline.cells import CellResult, measure_cell
from pipeline.datasets import ImageSet
from pipeline.extractor import extract_features
from pipeline.grid import list_cells, read_grid
from pipeline.memo import compute_key, digest_code, load_result, save_result
from pipeline.methods import count_sample_gradients
from pipeline.plan import build_plan

ROOT = Path(__file__).parents[2]
CONTENT = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"profile": "smoke"}
GRID = read_grid(ROOT / "tables.yaml")


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(0, 256, (120, 1, 7, 7)), np.ones((1, 1, 4, 4))).astype(np.uint8)
    labels = np.arange(120) % 10
    return ImageSet("mnist5k", "made here", pixels[:80], labels[:80], pixels[80:], labels[80:])


@pytest.fixture(scope="module")
def extract():
    classifier = build_classifier(1, 10, torch.Generator().manual_seed(0)).eval()
    return lambda batch: extract_features(classifier, batch)


def cell(table, method="Ours", number=0):
    return list_cells(table, method, CONTENT, GRID)[number]


@pytest.mark.parametrize("method", ["VAE", "ABP", "Ours"])
def test_every_method_fills_every_task(images, extract, method):
    complete = measure_cell(cell("table2", method), images, extract)
    assert not complete.error
    assert {"mse_train", "mse_test", "frechet_distance", "floor", "n", "seconds"} <= set(complete.numbers)
    assert complete.pictures["samples"].shape == (64, 1, 28, 28)
    normal = measure_cell(cell("table3", method, 1), images, extract)
    assert 0 < normal.numbers["tenth_minimum"] <= normal.numbers["tenth_mean"] <= 1
    occluded = measure_cell(cell("table8", method), images, extract)
    assert 0 < occluded.numbers["squared_error"] <= occluded.numbers["absolute_error"] < 1
    hidden = occluded.pictures["visible"] == 0
    same = occluded.pictures["recovered"] == occluded.pictures["originals"]
    assert same[~hidden].all() and not same[hidden].all()


def test_a_cell_repeats_itself(images, extract):
    first, second = (measure_cell(cell("table2"), images, extract) for _ in range(2))
    numbers = [{**one.numbers, "seconds": 0} for one in (first, second)]
    assert numbers[0] == numbers[1]


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
    assert found.numbers == {} and "chains diverged in round 1" in found.error and "\n" not in found.error


def test_the_budget_counts_gradients_in_z_and_in_the_weights():
    plan = dataclasses.replace(
        build_plan(cell("table2").params, "complete"), rounds=3, passes=2, adam_steps=2, regression_passes=4
    )
    plan = dataclasses.replace(plan, chain=dataclasses.replace(plan.chain, steps=5))
    assert count_sample_gradients(plan, 100) == 100 * 3 * (2 * (5 + 2) + 4)


def test_a_memo_comes_back_whole_or_not_at_all(tmp_path):
    result = CellResult({"mse": 0.1}, {"samples": np.arange(4, dtype=np.uint8).reshape(1, 1, 2, 2)})
    key = compute_key(cell={"s": 0.3}, data="x")
    assert load_result(tmp_path, key) is None
    save_result(tmp_path, key, result)
    found = load_result(tmp_path, key)
    assert found.numbers == result.numbers and found.error == ""
    assert np.array_equal(found.pictures["samples"], result.pictures["samples"])
    assert key != compute_key(cell={"s": 0.31}, data="x")
    (tmp_path / f"{key}.npz").write_bytes(b"PK half a file")
    assert load_result(tmp_path, key) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{key}.json", f"{key}.npz"]


def test_changed_code_is_another_digest(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.py").write_text("x = 1")
    before = digest_code(tmp_path)
    assert before == digest_code(tmp_path)
    (tmp_path / "models" / "a.py").write_text("x = 2")
    assert digest_code(tmp_path) != before


def test_the_tasks_of_the_grid_are_those_that_can_be_measured():
    from pipeline.grid import TASKS

    assert set(TASKS) == set(module.TASKS)
