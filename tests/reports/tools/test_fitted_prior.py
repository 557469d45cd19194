"""What the tool keeps of each training, by density of z, and how it is told."""

import json

import pytest
import torch

from pipeline.evaluation.fitted_densities import PRIOR, THEMSELVES
from reports.tools import trained_again
from reports.tools.benchmark_tables import NOT_RUN
from reports.tools.fitted_prior import add_row
from reports.tools.fitted_prior_table import QUANTITIES, render_fitted_prior


def make_row(method, density, seed, distance):
    """A row as the tool writes it."""
    axes = {"n_train": 1000, "rounds": 4, "seed": seed, "key": f"{method}{seed}", "latent_rms": 1.25}
    machine = {"machine": "A", "precision_of_inference": "float32"}
    numbers = dict.fromkeys(QUANTITIES, 0.5) | {"frechet_train": distance}
    return {"method": method, "density": density} | axes | numbers | machine


def test_a_training_has_a_row_for_each_density_and_the_lead_is_told_by_it(tmp_path):
    path = tmp_path / "fitted_prior.json"
    assert render_fitted_prior(path) == NOT_RUN
    for seed in (3, 2, 1):
        for density, ours, theirs in ((THEMSELVES, 10.0, 9.0), (PRIOR, 20.0, 30.0)):
            add_row(make_row("Ours", density, seed, ours), path)
            add_row(make_row("ABP", density, seed, 1.0), path)
            add_row(make_row("ABP", density, seed, theirs), path)  # in the place of the row before
    rows = json.loads(path.read_text())["rows"]
    kept = [(row["method"], row["density"], row["seed"]) for row in rows]
    assert kept[:6] == [("ABP", density, seed) for density in (PRIOR, THEMSELVES) for seed in (1, 2, 3)]
    text = render_fitted_prior(path)
    assert "| 1,000 | 4 | ABP | 30 ± 0 |  |  | 9 ± 0 | 1.25 ± 0 | 3 |" in text
    assert (
        "ABP's distance over that of Ours, after 4 rounds on 1,000 images, with its 95 % interval: "
        f"1.50 [1.50, 1.50] ({PRIOR}), 0.90 [0.90, 0.90] ({THEMSELVES})." in text
    )


def test_copies_are_nearer_to_training_images_in_all_that_is_measured(monkeypatch):
    monkeypatch.setattr(trained_again, "find_extractor", lambda cell: Extractor)
    images = torch.randint(0, 256, (40, 1, 8, 8), generator=torch.Generator().manual_seed(1)).byte()
    cell = type("Keyed", (), {"cell": None})
    numbers = trained_again.prepare_comparison(cell, images[:20], images[20:])(images[:20])
    assert numbers.keys() >= QUANTITIES.keys() and numbers["nearer_training"] == 1
    assert numbers["frechet_train"] == pytest.approx(0, abs=1e-6) and numbers["frechet_test"] > 1


class Extractor:
    """Takes four pixels as features."""

    @staticmethod
    def extract(images):
        return images[:, 0, :2, :2].flatten(1).double()
