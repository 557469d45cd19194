import dataclasses
import math

import numpy as np
import pytest
import torch
import yaml

from models.interface import FittedMethod, Lacking
from pipeline.data.load import ImageSet
from pipeline.studies.grid import list_cells, read_grid
from pipeline.studies.memo import fingerprint
from pipeline.studies.request import build_request
from pipeline.studies.tasks import measure_cell
from pipeline.studies.tuning import choose_rate_factor, hold_validation_back, rate_candidates

GRID = read_grid()
CONTENT = yaml.safe_load(open("params.yaml")) | {"profile": "smoke"}


@pytest.fixture
def images():
    """Ninety training images of which the last thirty are white, and test images that nobody may look at."""
    train = np.zeros((90, 1, 28, 28), np.uint8)
    train[60:] = 255
    labels = np.arange(90) % 10
    return ImageSet(
        "mnist5k", "made here", train, labels, np.full((30, 1, 28, 28), 77, np.uint8), labels[:30]
    )


class White(FittedMethod):
    def sample(self, n):
        return torch.ones(n, 1, 28, 28)

    def infer(self, images, visible, steps, draw):
        assert (images == 255).all()
        return torch.zeros(len(images), 2)

    def generate(self, z):
        return torch.full((len(z), 1, 28, 28), 0.5)


def test_a_candidate_learns_from_two_thirds_and_is_judged_on_the_rest(images):
    cell = list_cells("tuning", "VAE", CONTENT, GRID)[0]
    seen = []

    def fit(request):
        seen.append(request)
        return White()

    extracted = []

    def extract(batch):
        extracted.append(batch)
        return batch.float().flatten(1)[:, :3]

    found = measure_cell(cell, images, extract, fit)
    assert not found.error and len(seen[0].images) == 60 and not seen[0].images.any()
    assert seen[0].rate_factor == cell.rate_factor == 0.3
    assert found.numbers["mse"] == pytest.approx(0.25)
    assert {int(batch.max()) for batch in extracted} <= {1, 255}  # samples and validation images
    learned, judged = hold_validation_back(images)
    assert len(learned) == 60 and (judged == 255).all()


def test_what_a_method_lacks_is_left_out_of_its_judgement(images):
    class Silent(White):
        def infer(self, images, visible, steps, draw):
            raise Lacking("infers no latent vectors")

    cell = list_cells("tuning", "DCGAN", CONTENT, GRID)[0]
    found = measure_cell(
        cell, images, lambda batch: batch.float().flatten(1)[:, :3], lambda request: Silent()
    )
    assert "mse" not in found.numbers and found.lacks == {"mse": "infers no latent vectors"}


def test_a_rating_is_the_mean_distance_from_the_best_in_each_quality():
    numbers = [{"frechet_distance": 10.0, "mse": 0.04}, {"frechet_distance": 20.0, "mse": 0.02}, {}]
    assert rate_candidates(numbers) == [1.5, 1.5, math.inf]
    assert rate_candidates([{"frechet_distance": 10.0}, {"frechet_distance": 15.0}]) == [1.0, 1.5]
    assert rate_candidates([{}, {}]) == [math.inf, math.inf]
    assert rate_candidates([{"frechet_distance": math.nan}, {"frechet_distance": 3.0}]) == [math.inf, 1.0]
    assert rate_candidates([{"mse": 0.0}, {"mse": 1.0}])[0] == 0.0


def test_the_best_factor_is_chosen_and_the_sources_own_where_nothing_tells(make_cell):
    def candidate(factor, **given):
        return make_cell("tuning", "VAE", axes={"rate_factor": factor}, **given)

    better = [
        candidate(0.3, frechet_distance=9.0),
        candidate(1, frechet_distance=8.0),
        candidate(3, frechet_distance=5.0),
    ]
    assert choose_rate_factor(better) == 3
    assert choose_rate_factor([candidate(3, frechet_distance=5.0), candidate(1, frechet_distance=5.0)]) == 1
    assert choose_rate_factor([candidate(0.3, error="diverged"), candidate(10, error="diverged")]) == 1
    assert choose_rate_factor([]) == 1


def test_a_tuned_cell_trains_at_the_factor_and_is_another_cell():
    cell = list_cells("leaderboard", "Ours", CONTENT, GRID)[0]
    tuned = dataclasses.replace(cell, rate_factor=3.0)
    images = torch.zeros(20, 1, 28, 28, dtype=torch.uint8)
    plain, fast = (build_request(one, images, None) for one in (cell, tuned))
    assert fast.plan.learning_rate == pytest.approx(3 * plain.plan.learning_rate)
    weights = [torch.zeros(1, requires_grad=True)]
    assert fast.make_adam(weights).defaults["lr"] == pytest.approx(
        3 * plain.make_adam(weights).defaults["lr"]
    )
    assert fast.budget == plain.budget
    assert fingerprint(cell) != fingerprint(tuned) and "rate_factor" not in fingerprint(cell)
