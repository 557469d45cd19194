"""Cells with known effects, and a page of results, for tests of claims and of report.html."""

import numpy as np
import pytest

from reports.paper.claims import read_claims
from reports.paper.claims_table import write_claims
from reports.paper.html_report import render_report
from reports.paper.layouts import LAYOUTS
from reports.paper.page import READING
from reports.paper.pivot import write_tables
from reports.paper.published import read_published
from reports.paper.rows import build_rows
from reports.paper.verdicts import judge_claims
from reports.result_table import ResultTable
from tests.reports.paper.html_reader import NOTHING, Page


@pytest.fixture
def rng():
    return np.random.default_rng(3)


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


@pytest.fixture(scope="session")
def make_results(make_cell):
    """A function that leaves the exhibits and claims of measured cells below a folder as the stages do."""
    rng = np.random.default_rng(3)
    images = rng.integers(0, 255, (16, 1, 28, 28)).astype(np.uint8)
    curves = {"ot_cost": [3.0, 2.0], "mse_after": [0.2, 0.1], "frechet_distance": [40.0, 30.5]}

    def make(results, seeds=(1, 2, 3)):
        cells = {study: [] for _, studies in READING for study in studies}
        for seed in seeds:
            for method in ("VAE", "ABP", "Ours"):
                for dataset in ("mnist5k", "emoji"):
                    numbers = {
                        "mse_train": rng.random() / 50, "mse_train_point": rng.random() / 60,
                        "mse_test_draw": rng.random(), "frechet_distance": 20 + rng.random(),
                    }  # fmt: skip
                    cells["table2"].append(
                        make_cell(
                            method=method, dataset=dataset, seed=seed, axes={"dataset": dataset},
                            key=f"{method}-{dataset}-{seed}", arrays={"images": images[:2], "samples": images,
                            "reconstructions": images[:2]}, **numbers,
                        )
                    )  # fmt: skip
            for alpha in (0, 0.5, 1):
                cells["figure8"].append(
                    make_cell(
                        "figure8", seed=seed, alpha=alpha, axes={"alpha": alpha}, key=f"f8-{alpha}-{seed}",
                        curves=curves, mse_train=rng.random(), ot_cost=9.5,
                        frechet_distance=1e5 * rng.random(),
                    )
                )  # fmt: skip
        cells["table6"].append(
            make_cell("table6", axes={"K": 30}, error="DivergenceError: <chains> diverged")
        )
        for study, of_study in cells.items():
            if not of_study:
                continue
            folder = results / "exhibits" / study
            folder.mkdir(parents=True, exist_ok=True)
            for name, quantities in LAYOUTS[study].split(study).items():
                rows = build_rows(study, of_study, read_published(), quantities)
                table = ResultTable(name, LAYOUTS[study].title, "", rows)
                write_tables(study, table, of_study, read_published(), quantities, folder)
        verdicts = judge_claims(read_claims(), cells)
        folder = results / "paper"
        folder.mkdir(parents=True, exist_ok=True)
        write_claims(verdicts, lambda cells: None, folder)
        return folder, results, cells, verdicts

    return make


@pytest.fixture
def results(make_results, tmp_path):
    """Files that a test may change."""
    return make_results(tmp_path / "results")


@pytest.fixture(scope="session")
def shared(make_results, tmp_path_factory):
    """Files that no test changes, and the report of them."""
    folder, below, cells, verdicts = make_results(tmp_path_factory.mktemp("shared") / "results")
    text = render_report(folder, below, "smoke", cells, read_published(), verdicts, NOTHING)
    return folder, below, text


@pytest.fixture(scope="session")
def text(shared):
    return shared[2]


@pytest.fixture(scope="session")
def page(text):
    return Page(text)
