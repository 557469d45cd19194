import math

import pytest
import torch
from torch import nn

from models.networks.architectures import ARCHITECTURES
from models.networks.encoder import build_encoder, draw_latents
from models.networks.generator import build_generator
from models.rivals.vae import compute_divergence, compute_loss, fit


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


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


def test_training_repeats_itself_and_leaves_the_global_draws_alone(make_request):
    before = torch.random.get_rng_state()
    first, second = (fit(make_request(budget=200)) for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    for one, other in zip(first.generator.parameters(), second.generator.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("is_occluded", [False, True])
def test_draws_have_the_encoders_mean_and_spread(make_request, smooth_images, is_occluded):
    vae, images, visible = fit(make_request(budget=400)), smooth_images[:8], None
    if is_occluded:
        visible = torch.ones(8, 1, 28, 28, dtype=torch.uint8)
        visible[:, :, 8:20, 8:20] = 0
    drawing, n = vae.as_draws(), 400
    with torch.no_grad():
        mean, log_variance = vae.encoder(images.float() / 255, visible)
    spread = (log_variance / 2).exp()
    draws = torch.stack([drawing.infer(images, visible, 0, draw) for draw in range(n)])
    assert ((draws.mean(0) - mean) / spread).abs().max() < 5 / n**0.5
    assert ((draws.std(0) / spread) - 1).abs().max() < 5 / (2 * n) ** 0.5
    centred = ((draws - mean) / spread).flatten(1)
    assert (centred[:-1] * centred[1:]).mean().abs() < 5 / centred.numel() ** 0.5  # one draw after another


def test_equal_draws_agree_and_points_are_the_encoders_mean(make_request, smooth_images):
    vae = fit(make_request(budget=200))
    drawing = vae.as_draws()
    one, again, other = (drawing.infer(smooth_images, None, 0, draw) for draw in (3, 3, 4))
    assert torch.equal(one, again) and not torch.isclose(one, other).all(1).any()
    assert torch.equal(drawing.infer_training(smooth_images, None, 9, 3), one)  # which counts no steps
    points = vae.as_points()
    assert points is vae and torch.equal(
        points.infer(smooth_images, None, 0, 3), vae.infer(smooth_images, None, 0, 4)
    )
    assert not torch.isclose(points.infer(smooth_images, None, 0, 3), one).all(1).any()


def test_training_lowers_the_reconstruction_error(make_request, smooth_images):
    floats, errors = smooth_images.float() / 255, []
    for budget in (40, 4000):
        fitted = fit(make_request(budget=budget))
        generated = fitted.generate(fitted.infer(smooth_images, None, 0, 0))
        errors.append((generated - floats).square().mean())
    assert errors[1] < 0.7 * errors[0] and errors[1] < floats.var()


def test_the_learning_rate_is_the_methods_own_times_the_tuned_factor(make_request):
    request = make_request(rate_factor=3.0)
    weights = [torch.zeros(2, requires_grad=True)]
    assert request.make_adam(weights).param_groups[0]["lr"] == pytest.approx(3e-3)
    assert request.make_adam(weights, 2e-4).param_groups[0]["lr"] == pytest.approx(6e-4)
    slow, fast = (fit(make_request(budget=80, rate_factor=factor)) for factor in (1.0, 3.0))
    assert not torch.equal(slow.sample(1), fast.sample(1))


def test_training_on_occluded_images_never_looks_at_hidden_pixels(make_request, smooth_images):
    visible = torch.ones(40, 1, 28, 28, dtype=torch.uint8)
    visible[:, :, 8:20, 8:20] = 0
    inverted = torch.where(visible.bool(), smooth_images, 255 - smooth_images)
    one, other = (
        fit(make_request(images=images, visible=visible, budget=160)) for images in (smooth_images, inverted)
    )
    for mine, theirs in zip(one.encoder.parameters(), other.encoder.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert torch.equal(one.infer(smooth_images, visible, 0, 0), other.infer(inverted, visible, 0, 0))


def test_an_image_unlike_the_training_images_scores_higher(make_request, smooth_images):
    vae = fit(make_request(budget=6000))
    noise = torch.randint(0, 256, (40, 1, 28, 28), generator=rng(3)).byte()
    assert vae.score(smooth_images, 0, 0).median() < vae.score(noise, 0, 0).median()


def test_a_training_that_leaves_the_finite_numbers_stops_with_its_step(make_request):
    with pytest.raises(ValueError, match=r"VAE diverged by step \d+: loss nan"):
        fit(make_request(budget=2000, learning_rate=1e30))


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
