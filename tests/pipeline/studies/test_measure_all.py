"""The leaderboard measures every task of one method, and what it costs."""

import numpy as np
import pytest

from models.catalogue import METHODS
from models.short_run.method import count_sample_gradients
from pipeline.studies.measure_all import KEPT
from pipeline.studies.tasks import measure_cell as measure_with
from tests.pipeline.studies.smoke_cells import Still, cell, measure_cell


class Blurred(Still):
    """Can do everything, badly."""

    def infer(self, images, visible, steps, draw):
        return images.float().flatten(1)[:, :4] / 255

    def generate(self, z):
        return z.mean(1).view(-1, 1, 1, 1).expand(-1, 1, 28, 28).clamp(0, 1)

    def score(self, images, steps, draw):
        return images.float().mean((1, 2, 3))

    def count_parameters(self):
        return 7


def test_the_leaderboard_measures_every_task_and_the_cost(images, extract):
    requests = []

    def fit(request):
        requests.append(request)
        return Blurred()

    found = measure_with(cell("leaderboard"), images, extract, fit)
    of_draws = {"mse_test_draw", "absolute_error_draw"}
    assert not found.error and set(found.lacks) == of_draws
    kept = {key for keys in KEPT.values() for key in keys} - of_draws
    assert kept | {"training_seconds", "sample_gradients", "parameters", "score_seconds"} == set(
        found.numbers
    )
    assert found.numbers["parameters"] == 7
    assert (
        found.numbers["sample_gradients"]
        == requests[0].budget
        == count_sample_gradients(requests[0].plan, 80)
    )
    complete, normal, occluded = requests
    assert len(complete.images) == 80 and complete.visible is None
    assert len(normal.images) == 86  # 80 % of the 108 that are not the held-out digit
    assert occluded.visible is not None and (occluded.visible == 0).any()


def test_the_leaderboard_says_what_a_method_lacks(images, extract):
    class Silent(Still):
        def count_parameters(self):
            return 1

    found = measure_with(cell("leaderboard"), images, extract, lambda request: Silent())
    assert found.numbers["frechet_distance"] > 0 and "training_seconds" in found.numbers
    assert found.lacks["tenth_mean"] == "scores no images"
    assert found.lacks["mse_test"] == found.lacks["absolute_error"] == "infers no latent vectors"


QUICK = ("Ours", "VAE", "PPCA", "MEG")  # a chain, an encoder, a linear model, one that lacks most


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in METHODS]
)
def test_every_method_fills_its_row_of_the_leaderboard_or_says_what_it_lacks(images, extract, method):
    found = measure_cell(cell("leaderboard", method), images, extract)
    assert not found.error
    for keys in KEPT.values():
        assert {key for key in keys if key in found.numbers or key in found.lacks} >= set(keys) - {
            "floor",
            "n",
        }
    assert {"frechet_distance", "parameters", "training_seconds"} <= set(found.numbers)
    assert found.arrays["samples"].shape == (64, 1, 28, 28)
    assert all(np.isfinite(value) for value in found.numbers.values())
