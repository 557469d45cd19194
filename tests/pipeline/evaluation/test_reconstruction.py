import math

import pytest
import torch

from pipeline.evaluation.reconstruction import measure_recovery, recover_images

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
