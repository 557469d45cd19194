import math

import pytest
import torch

from models.langevin.dynamics import ChainSettings, langevin_step
from models.langevin.energy import compute_energy
from models.langevin.noise import Stream, draw_normal

SIGMA = 0.5


def linear_generator(d=3, pixels=6):
    rng = torch.Generator().manual_seed(0)
    weight = 0.4 * torch.randn(d, pixels, generator=rng)
    bias = torch.rand(pixels, generator=rng)
    return weight, bias, lambda z: (z @ weight + bias).view(-1, 1, 2, pixels // 2)


def closed_form_posterior(weight, bias, image, visible, sigma=SIGMA):
    """Mean and precision of p(z | visible pixels) of the linear Gaussian model."""
    seen = weight * visible.flatten()
    precision = torch.eye(len(weight)) + seen @ weight.T / sigma**2
    mean = torch.linalg.solve(precision, seen @ (image.flatten() - bias) / sigma**2)
    return mean, precision


@pytest.mark.parametrize("hidden", [[], [0, 4]])
def test_chains_sample_the_closed_form_posterior_of_a_linear_generator(hidden):
    weight, bias, generator = linear_generator()
    visible = torch.ones(6)
    visible[hidden] = 0
    image = torch.rand(6, generator=torch.Generator().manual_seed(1))
    mean, precision = closed_form_posterior(weight, bias, image, visible)

    n, s, steps = 20_000, 0.3, 150
    images = image.view(1, 1, 2, 3).expand(n, -1, -1, -1)
    noise = draw_normal(0, Stream.TEST_CHAIN, torch.arange(n), 0, steps, 3)
    z = torch.zeros(n, 3)
    for step_noise in noise:
        z = langevin_step(generator, z, images, visible.view(1, 1, 2, 3), s * step_noise, s**2 / 2, SIGMA)

    # Unadjusted Langevin with drift h = s^2 / 2 has the right mean and covariance (P (I - h P / 2))^-1.
    inflated = torch.linalg.inv(precision @ (torch.eye(3) - s**2 / 4 * precision))
    tolerance = 5 * inflated.diagonal().max().sqrt() / math.sqrt(n)
    assert (z.mean(0) - mean).abs().max() < tolerance
    torch.testing.assert_close(torch.cov(z.T), inflated, atol=float(4 * tolerance), rtol=0)


def test_the_step_follows_the_gradient_of_the_energy():
    _, _, generator = linear_generator()
    rng = torch.Generator().manual_seed(2)
    z = torch.randn(5, 3, generator=rng, requires_grad=True)
    images = torch.rand(5, 1, 2, 3, generator=rng)
    visible = (torch.rand(5, 1, 2, 3, generator=rng) > 0.4).float()
    (gradient,) = torch.autograd.grad(compute_energy(generator(z), images, z, SIGMA, visible).sum(), z)
    step = langevin_step(generator, z.detach(), images, visible, torch.zeros(5, 3), 0.045, SIGMA)
    torch.testing.assert_close(step, z.detach() - 0.045 * gradient)


def test_energy_is_the_negative_log_joint_up_to_its_constant():
    _weight, _bias, generator = linear_generator()
    rng = torch.Generator().manual_seed(3)
    z, images = torch.randn(4, 3, generator=rng), torch.rand(4, 1, 2, 3, generator=rng)
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    likelihood = torch.distributions.Normal(generator(z), SIGMA).log_prob(images).flatten(1).sum(1)
    constant = -4.5 * math.log(2 * math.pi) - 6 * math.log(SIGMA)  # 3 latent and 6 pixel dimensions
    energy = compute_energy(generator(z), images, z, SIGMA)
    torch.testing.assert_close(constant - energy, prior + likelihood)


def test_all_masked_images_leave_the_prior_alone():
    _, _, generator = linear_generator()
    z = torch.ones(2, 3)
    step = langevin_step(generator, z, torch.rand(2, 1, 2, 3), torch.zeros(2, 1, 2, 3), 0 * z, 0.045, SIGMA)
    torch.testing.assert_close(step, (1 - 0.045) * z)


def test_presets_give_the_two_published_updates():
    eq8 = ChainSettings(0.3, 50)
    assert eq8.drift(10) == eq8.drift(2000) == pytest.approx(0.045)
    assert eq8.noise_std(0) == eq8.noise_std(1000) == pytest.approx(0.3)
    authors = ChainSettings(3.0, 50, "linear", "mean", 0.1, 0.01, 250)
    assert authors.drift(5000) == pytest.approx(3.0 / 5000)
    assert [authors.noise_std(50 * rounds) for rounds in (0, 4, 5, 49, 50, 500)] == pytest.approx(
        [0.3, 0.3, 0.27, 0.03, 0, 0]
    )
