"""sigma-VAE: the best sigma in closed form, its gradient, and what it is after training."""

import math

import pytest
import torch

from models.rivals import calibrated_vae
from models.rivals.calibrated_vae import count_values, find_sigma
from models.rivals.vae import compute_loss


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def measure_bound(residuals, n_values, sigma):
    """The terms of the negative bound with sigma in them, together."""
    return residuals.sum() / (2 * sigma**2) + n_values * math.log(sigma)


def test_the_best_sigma_is_the_root_mean_square_residual_and_nothing_near_it_is_better():
    residuals, n_values = torch.tensor([3.0, 5.0]), torch.tensor(32.0)
    sigma = find_sigma(residuals, n_values)
    assert sigma == pytest.approx(0.5)
    for other in (0.9 * sigma, 0.99 * sigma, 1.01 * sigma, 1.1 * sigma):
        assert measure_bound(residuals, 32, other) > measure_bound(residuals, 32, sigma)
    assert find_sigma(torch.zeros(2), n_values) == pytest.approx(math.exp(-6))  # the authors' lower end


def test_the_gradient_with_sigma_held_is_that_of_the_bound_at_the_best_sigma():
    images, nothing = torch.rand(4, 1, 5, 5, generator=rng()), torch.zeros(4, 3)
    generated = torch.rand(4, 1, 5, 5, generator=rng(1)).requires_grad_(True)
    residuals = (generated - images).square().flatten(1).sum(1)
    sigma = find_sigma(residuals, count_values(images, None))
    held = compute_loss(generated, images, None, nothing, nothing, sigma).mean()
    # With sigma^2 = the mean square put in, the bound of a sample is 25 / 2 log of it, and a constant.
    profiled = 25 / 2 * (residuals.mean() / 25).log()
    (one,), (other,) = (torch.autograd.grad(loss, generated, retain_graph=True) for loss in (held, profiled))
    torch.testing.assert_close(one, other)


def test_hidden_values_are_not_counted():
    images = torch.zeros(2, 3, 4, 4)
    visible = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    visible[0, :, 0] = 1
    assert count_values(images, visible) == 12 and count_values(images, None) == 96


def test_after_training_sigma_is_the_residual_of_the_training_images(make_request, smooth_images):
    fitted = calibrated_vae.fit(make_request(budget=6_000))
    drawn = fitted.as_draws().infer(smooth_images, None, 0, 0)
    error = (fitted.generate(drawn) - smooth_images.float() / 255).square().mean().sqrt().item()
    assert fitted.sigma == fitted.diagnostics["sigma"] == pytest.approx(error, rel=0.1)
    assert fitted.sigma < 0.9 * calibrated_vae.fit(make_request(budget=200)).sigma
