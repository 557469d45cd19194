"""What every rival promises: it trains, names what it lacks, repeats itself, draws from its own generator."""

import functools
from pathlib import Path

import pytest
import torch

from models.catalogue import METHODS
from models.interface import FittedMethod, Lacking
from models.rivals import sri

ROOT = Path(__file__).parents[3]
RIVALS = sorted(name for name, method in METHODS.items() if method.module.startswith("models.rivals."))
WITHOUT_RECONSTRUCTION = {"RealNVP", "GLOW", "DCGAN", "WGAN-GP", "MEG"}
WITHOUT_SCORE = {"DCGAN", "WGAN-GP"}
COMPLETE_ONLY = {"RealNVP", "GLOW", "DCGAN", "WGAN-GP", "MEG", "ALI", "BiGAN-sigma", "EBM-VAE", "iWGAN"}


@pytest.fixture(scope="module")
def fit_briefly(make_request):
    """A function that trains a rival for a moment, once for all tests that only look at it."""
    return functools.cache(lambda name: METHODS[name].load()(make_request(budget=200)))


@pytest.mark.parametrize("name", RIVALS)
def test_a_rival_trains_and_does_what_it_does_not_lack(name, make_request, smooth_images):
    before = torch.random.get_rng_state()
    fitted = METHODS[name].load()(make_request())
    samples = fitted.sample(7)
    assert samples.shape == (7, 1, 28, 28) and samples.dtype == torch.float32
    assert 0 <= samples.min() and samples.max() <= 1
    assert fitted.count_parameters() > 1000
    if name in WITHOUT_RECONSTRUCTION:
        with pytest.raises(Lacking, match="infers no latent vectors"):
            fitted.infer(smooth_images[:6], None, 3, 0)
    else:
        latents = fitted.infer(smooth_images[:6], None, 3, 0)
        assert latents.isfinite().all()
        assert fitted.generate(latents).shape == (6, 1, 28, 28)
        assert fitted.infer_training(smooth_images, None, 3).shape == (40, latents.shape[1])
        assert fitted.draw_posterior(smooth_images, 3).shape == (40, latents.shape[1])
        prior = fitted.draw_prior(7, 0)
        assert torch.equal(fitted.generate(prior), samples)
        assert not torch.equal(fitted.draw_prior(7, 2), prior)
    if name in WITHOUT_SCORE:
        with pytest.raises(Lacking, match="scores no images"):
            fitted.score(smooth_images[:6], 3, 0)
    else:
        scores = fitted.score(smooth_images[:6], 3, 0)
        assert scores.shape == (6,) and scores.isfinite().all()
    again = METHODS[name].load()(make_request())
    assert torch.equal(again.sample(7), samples)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("name", sorted(set(RIVALS) - COMPLETE_ONLY))
def test_training_on_occluded_images_never_looks_at_hidden_pixels(name, make_request, smooth_images):
    visible = torch.ones(40, 1, 28, 28, dtype=torch.uint8)
    visible[:, :, 8:20, 8:20] = 0
    inverted = torch.where(visible.bool(), smooth_images, 255 - smooth_images)
    one, other = (
        METHODS[name].load()(make_request(images=images, visible=visible, budget=200))
        for images in (smooth_images, inverted)
    )
    latents, others = (
        fitted.infer_training(images, visible, 2)
        for fitted, images in ((one, smooth_images), (other, inverted))
    )
    torch.testing.assert_close(one.generate(latents), other.generate(others), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", sorted(COMPLETE_ONLY))
def test_a_rival_that_needs_complete_images_says_so(name, make_request):
    visible = torch.ones(40, 1, 28, 28, dtype=torch.uint8)
    with pytest.raises(Lacking, match="complete images only"):
        METHODS[name].load()(make_request(visible=visible))


def test_a_budget_is_spent_in_the_minibatches_that_there_are(make_request, smooth_images):
    """Forty images in parts of at most thirty are two parts of twenty."""
    assert make_request(minibatch=30, budget=800).count_steps(cost=4) == 10
    assert make_request(minibatch=20, budget=800).count_steps(cost=4) == 10
    assert make_request(images=smooth_images[:31], minibatch=30, budget=620).count_steps(cost=1) == 40
    assert make_request(minibatch=20, budget=799).count_steps(cost=4) == 9  # never more than the budget
    assert make_request(minibatch=20, budget=1).count_steps(cost=4) == 1


@pytest.mark.parametrize("name", ["VAE", "VAE-sigma", "2sVAE", "EBM-VAE", "ALI", "Ladder-VAE"])
def test_a_learned_posterior_is_drawn_from(name, fit_briefly, smooth_images):
    fitted = fit_briefly(name)
    drawn, means = fitted.draw_posterior(smooth_images, 0), fitted.infer(smooth_images, None, 0, 0)
    assert drawn.shape == means.shape and not torch.isclose(drawn, means).all(1).any()


@pytest.mark.parametrize("name", ["RAE", "WAE-MMD", "BiGAN-sigma", "iWGAN", "GLO"])
def test_a_method_without_a_posterior_has_points_alone(name, fit_briefly, smooth_images):
    fitted = fit_briefly(name)
    assert fitted.as_draws() is None and fitted.as_points() is fitted


@pytest.mark.parametrize(
    "name", ["VAE", "VAE-sigma", "2sVAE", "EBM-VAE", "ALI", "SRI", "LEBM", "DAMC", "PGD"]
)
def test_a_method_with_a_posterior_has_draws_that_differ_and_points_that_do_not(
    name, fit_briefly, smooth_images
):
    fitted = fit_briefly(name)
    one, other = (fitted.as_draws().infer(smooth_images, None, 3, draw) for draw in (0, 1))
    assert one.shape == (40, 5) and not torch.isclose(one, other).all(1).any()
    one, other = (fitted.as_points().infer_training(smooth_images, None, 3, draw) for draw in (0, 1))
    if name not in ("SRI", "LEBM", "DAMC"):  # whose descent has a start of its own for each draw
        assert torch.equal(one, other)


def test_chains_without_memory_take_their_own_number_of_steps_to_the_training_images(
    fit_briefly, smooth_images
):
    fitted = fit_briefly("SRI")
    own = fitted.infer(smooth_images, None, sri.STEPS, 0)
    assert torch.equal(fitted.infer_training(smooth_images, None, 2), own)


@pytest.mark.slow
def test_a_larger_budget_reconstructs_better(make_request, smooth_images):
    for name in ("RAE", "2sVAE", "WAE-MMD", "GLO", "PGD"):
        errors = []
        for budget in (200, 6_000):
            fitted = METHODS[name].load()(make_request(architecture="mnist", budget=budget))
            generated = fitted.generate(fitted.infer_training(smooth_images, None, 5))
            errors.append((generated - smooth_images.float() / 255).square().mean().item())
        assert errors[1] < 0.7 * errors[0], name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SRI", "LEBM", "DAMC", "PGD"])
def test_chains_find_more_than_the_mean_image(name, make_request, smooth_images):
    """A chain that does not reach its posterior leaves a generator that ignores z."""
    budget = 80_000 if name == "DAMC" else 20_000  # six gradients of the encoder at each step
    fitted = METHODS[name].load()(make_request(architecture="mnist", budget=budget))
    images = smooth_images.float() / 255
    found = fitted.generate(fitted.infer_training(smooth_images, None, 25))
    assert (found - images).square().mean() < 0.6 * (images.mean(0) - images).square().mean()


@pytest.mark.parametrize("name", ["SRI", "LEBM", "PGD"])
def test_a_score_is_at_a_mode_unless_the_request_wants_a_draw(name, make_request, smooth_images):
    drawn, mode = (
        METHODS[name].load()(make_request(budget=200, noisy_scores=noisy)) for noisy in (True, False)
    )
    z = drawn.infer(smooth_images[:6], None, 20, 0)
    energies = drawn.score(smooth_images[:6], 20, 0), mode.score(smooth_images[:6], 20, 0)
    assert not torch.isclose(*energies).any()
    assert torch.equal(z, mode.infer(smooth_images[:6], None, 20, 0))  # reconstructions are draws as before


def test_every_method_names_a_source_and_a_module_that_is_there():
    for name, method in METHODS.items():
        assert method.find_file(ROOT).is_file(), name
        assert any(letter.isdigit() for letter in method.source), name  # a year
        assert callable(method.load())


def test_an_interface_without_anything_lacks_everything(smooth_images):
    nothing = FittedMethod()
    for attempt in (
        lambda: nothing.sample(1),
        lambda: nothing.infer_training(smooth_images, None, 1),
        lambda: nothing.draw_posterior(smooth_images, 1),
        lambda: nothing.generate(torch.zeros(1, 2)),
        lambda: nothing.score(smooth_images, 1, 0),
    ):
        with pytest.raises(Lacking):
            attempt()
