import math

import pytest
import torch
from torch import nn

from models import optimisation
from models.architectures import ARCHITECTURES
from models.encoder import build_encoder
from models.generator import build_generator
from models.vae import VaeSettings, compute_divergence, compute_loss, draw_latents, fit_vae

SETTINGS = VaeSettings(steps=30, batch_size=20, learning_rate=1e-3, sigma=0.3)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def images():
    smooth = torch.nn.functional.interpolate(torch.rand(40, 1, 4, 4, generator=rng()), size=(28, 28))
    return (smooth * 255).to(torch.uint8)


def test_the_divergence_is_torchs():
    mean, log_variance = torch.randn(6, 4, generator=rng()), torch.randn(6, 4, generator=rng(1))
    normal = torch.distributions.Normal(mean, (log_variance / 2).exp())
    prior = torch.distributions.Normal(torch.zeros(4), torch.ones(4))
    torch.testing.assert_close(
        compute_divergence(mean, log_variance), torch.distributions.kl_divergence(normal, prior).sum(1)
    )


def test_the_bound_is_tight_at_the_exact_posterior_of_a_linear_decoder():
    """I = W z + noise: with q the closed-form posterior the loss is -log p(I), with any other more."""
    sigma, d, pixels = 0.5, 3, 7
    weight = torch.randn(pixels, d, generator=rng(), dtype=torch.float64)
    image = torch.randn(pixels, generator=rng(1), dtype=torch.float64)
    precision = torch.eye(d, dtype=torch.float64) + weight.T @ weight / sigma**2
    basis = torch.linalg.eigh(precision).eigenvectors  # rotates z so that the posterior is diagonal
    weight = weight @ basis
    variance = 1 / (1 + weight.square().sum(0) / sigma**2)
    mean = variance * (weight.T @ image) / sigma**2
    marginal = torch.distributions.MultivariateNormal(
        torch.zeros(pixels, dtype=torch.float64),
        weight @ weight.T + sigma**2 * torch.eye(pixels, dtype=torch.float64),
    )
    constant = pixels / 2 * math.log(2 * math.pi * sigma**2)

    def expected_loss(mean, variance, draws=200_000):
        z = draw_latents(mean.expand(draws, d), variance.log().expand(draws, d), rng(2))
        reconstruction = (image - z @ weight.T).square().sum(1).mean() / (2 * sigma**2)
        return (reconstruction + compute_divergence(mean[None], variance.log()[None])[0] + constant).item()

    exact = -marginal.log_prob(image).item()
    assert expected_loss(mean, variance) == pytest.approx(exact, abs=0.02)
    assert expected_loss(mean + 0.3, variance) > exact + 0.1
    assert expected_loss(mean, 4 * variance) > exact + 0.1


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_encoder_and_decoder_fit_together(name):
    generator = build_generator(name, None, rng())
    encoder = build_encoder(generator.architecture, generator.latent_dim, rng())
    mean, log_variance = encoder.eval()(torch.rand(2, *generator.architecture.image_shape), None)
    assert mean.shape == log_variance.shape == (2, generator.latent_dim)
    assert generator.eval()(mean).shape == (2, *generator.architecture.image_shape)


def test_training_lowers_the_loss_and_repeats_itself(images, monkeypatch):
    losses = []
    monkeypatch.setattr(optimisation, "CHECK_EVERY", 1)
    first = fit_vae("mnist", 5, images, None, SETTINGS, rng(), lambda step, loss: losses.append(loss))
    assert len(losses) == 30 and losses[-1] < 0.7 * losses[0]
    state = torch.random.get_rng_state()
    second = fit_vae("mnist", 5, images, None, SETTINGS, rng())
    assert torch.equal(state, torch.random.get_rng_state())
    for one, other in zip(first.generator.parameters(), second.generator.parameters(), strict=True):
        assert torch.equal(one, other)
    floats = images.float() / 255
    assert (first.reconstruct(floats) - floats).square().mean() < floats.var()


def test_training_on_occluded_images_never_looks_at_hidden_pixels(images):
    visible = torch.ones(40, 1, 28, 28, dtype=torch.uint8)
    visible[:, :, 8:20, 8:20] = 0
    inverted = torch.where(visible.bool(), images, 255 - images)
    settings = VaeSettings(steps=4, batch_size=20, learning_rate=1e-3, sigma=0.3)
    one, other = (fit_vae("mnist", 5, some, visible, settings, rng()) for some in (images, inverted))
    for mine, theirs in zip(one.encoder.parameters(), other.encoder.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert torch.equal(
        one.reconstruct(images.float() / 255, visible), other.reconstruct(inverted.float() / 255, visible)
    )


def test_an_image_unlike_the_training_images_scores_higher(images):
    vae = fit_vae("mnist", 5, images, None, VaeSettings(150, 20, 1e-3, 0.3), rng())
    known, noise = images.float() / 255, torch.rand(40, 1, 28, 28, generator=rng(3))
    assert vae.score(known, rng()).median() < vae.score(noise, rng()).median()
    assert vae.sample(3, rng()).shape == (3, 1, 28, 28)


def test_a_training_that_leaves_the_finite_numbers_stops_with_its_step(images):
    with pytest.raises(ValueError, match=r"VAE diverged by step \d+: loss nan"):
        fit_vae("mnist", 5, images, None, VaeSettings(50, 20, 1e30, 0.3), rng())


def test_the_loss_counts_visible_pixels_only():
    images, generated = torch.rand(2, 1, 4, 4, generator=rng()), torch.rand(2, 1, 4, 4, generator=rng(1))
    nothing = torch.zeros(2, 3)
    visible = torch.zeros(2, 1, 4, 4)
    assert torch.equal(compute_loss(generated, images, visible, nothing, nothing, 1.0), torch.zeros(2))
    visible[:, :, 0, 0] = 1
    expected = (images - generated)[:, 0, 0, 0].square() / 2
    torch.testing.assert_close(compute_loss(generated, images, visible, nothing, nothing, 1.0), expected)


def test_weights_are_xaviers():
    encoder = build_encoder(ARCHITECTURES["mnist"], 30, rng())
    linear = next(module for module in encoder.modules() if isinstance(module, nn.Linear))
    fan = linear.in_features + linear.out_features
    assert linear.weight.std().item() == pytest.approx(math.sqrt(2 / fan), rel=0.02)
