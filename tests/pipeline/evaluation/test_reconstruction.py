import math

import pytest
import torch

from models.interface import FittedMethod
from pipeline.evaluation.reconstruction import (
    measure_recovery,
    reconstruct_splits,
    recover_images,
    recover_training,
)

VISIBLE = torch.tensor([[1, 0], [0, 1]], dtype=torch.uint8).view(1, 1, 2, 2).repeat(2, 1, 1, 1)


def test_visible_pixels_stay_and_hidden_ones_are_filled():
    rng = torch.Generator().manual_seed(0)
    occluded, generated = torch.rand(2, 3, 2, 2, generator=rng), torch.rand(2, 3, 2, 2, generator=rng)
    recovered = recover_images(generated, occluded, VISIBLE)
    assert torch.equal(recovered[..., 0, 0], occluded[..., 0, 0])
    assert torch.equal(recovered[..., 0, 1], generated[..., 0, 1])


def test_the_error_counts_hidden_pixels_alone():
    originals = torch.zeros(2, 3, 2, 2)
    recovered = originals.clone()
    recovered[..., 0, 1] = 0.5  # hidden
    recovered[..., 0, 0] = 1.0  # visible: must not count
    error = measure_recovery(recovered, originals, VISIBLE)
    assert error.absolute == pytest.approx(0.25)
    assert error.squared == pytest.approx(0.125)
    assert error.hidden_share == 0.5


def test_without_a_hidden_pixel_there_is_no_error_to_report():
    images = torch.rand(2, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    assert math.isnan(measure_recovery(images, images, torch.ones(2, 1, 2, 2)).absolute)


class Level(FittedMethod):
    """One latent number, the grey level; training images' are known, new ones' come from the steps."""

    def infer(self, images, visible, steps, draw):
        return torch.full((len(images), 1), steps / 10)

    def infer_training(self, images, visible, steps, draw=0):
        return torch.full((len(images), 1), steps / 10 + draw)

    def generate(self, z):
        return z.view(-1, 1, 1, 1).expand(-1, 3, 2, 2)


def test_each_split_is_inferred_in_its_own_way_and_compared_with_its_own_images():
    train, test = torch.zeros(5, 3, 2, 2), torch.ones(2, 3, 2, 2)
    measured = reconstruct_splits(Level(), train, test, train_steps=2, test_steps=4)
    assert measured.mse_train == pytest.approx(0.2**2) and measured.mse_test == pytest.approx(0.6**2)
    assert (measured.latent_mean, measured.latent_std) == pytest.approx((0.2, 0))
    again = reconstruct_splits(Level(), train, test, train_steps=2, test_steps=4, train_draw=1)
    assert again.mse_train == pytest.approx(1.2**2) and again.mse_test == measured.mse_test


def test_training_images_are_recovered_on_hidden_pixels_alone():
    occluded = torch.full((2, 3, 2, 2), 255, dtype=torch.uint8)
    recovered = recover_training(Level(), occluded, VISIBLE, steps=5)
    torch.testing.assert_close(recovered, torch.where(VISIBLE == 1, 1.0, 0.5).expand(2, 3, 2, 2))
