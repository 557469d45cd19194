"""The method's two ways to infer: a draw of the posterior, and a point of it."""

import pytest
import torch

from models.images import to_unit
from models.langevin.dynamics import ChainSettings
from models.langevin.energy import compute_energy
from models.langevin.engine import EngineSettings, InferenceEngine
from models.langevin.noise import Stream, draw_normal
from models.networks.generator import build_generator
from models.short_run.method import ShortRun
from models.short_run.scores import Scoring

SIGMA, D, STEPS, STEP_SIZE = 0.3, 5, 6, 0.2


@pytest.fixture
def fitted(smooth_images):
    """A generator that nobody trained, and latents from the prior."""
    rng = torch.Generator().manual_seed(0)
    engine = InferenceEngine(build_generator("mnist/16", D, rng).eval(), SIGMA, EngineSettings())
    latents = torch.randn(len(smooth_images), D, generator=rng)
    return ShortRun(
        engine, latents, ChainSettings(STEP_SIZE, 1), Scoring(ChainSettings(STEP_SIZE, 1)), seed=1
    )


@pytest.fixture
def visible():
    visible = torch.ones(40, 1, 28, 28, dtype=torch.uint8)
    visible[:, :, 8:20, 8:20] = 0
    return visible


def measure_energy(fitted, z, images, visible):
    return compute_energy(fitted.generate(z), to_unit(images), z, SIGMA, visible)


def descend(generator, z, images, visible):
    """z <- z - s^2 / 2 dU/dz, so many steps, by automatic differentiation of Eq. (7) or (16)."""
    images = images.float() / 255
    for _ in range(STEPS):
        z = z.detach().requires_grad_(True)
        residual = images - generator(z)
        if visible is not None:
            residual = residual * visible
        energy = residual.square().sum() / (2 * SIGMA**2) + z.square().sum() / 2
        z = z.detach() - STEP_SIZE**2 / 2 * torch.autograd.grad(energy, z)[0]
    return z


@pytest.mark.parametrize("is_occluded", [False, True])
def test_a_point_is_the_chain_without_its_noise(fitted, smooth_images, visible, is_occluded):
    seen = visible if is_occluded else None
    points = fitted.as_points()
    found = points.infer_training(smooth_images, seen, STEPS)
    expected = descend(fitted.generator, fitted.latents, smooth_images, seen)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert not torch.isclose(found, fitted.latents).all(1).any()
    start = draw_normal(fitted.seed, Stream.TEST_INIT, torch.arange(40), 2, 1, D)[0]
    found = points.infer(smooth_images, seen, STEPS, draw=2)
    torch.testing.assert_close(
        found, descend(fitted.generator, start, smooth_images, seen), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("is_occluded", [False, True])
def test_the_energy_of_points_is_on_average_below_that_of_draws(fitted, smooth_images, visible, is_occluded):
    seen = visible if is_occluded else None
    points = fitted.as_points()
    for infer in ("infer", "infer_training"):
        drawn, point = (getattr(way, infer)(smooth_images, seen, 30, 0) for way in (fitted, points))
        lower = measure_energy(fitted, point, smooth_images, seen).mean()
        assert lower < measure_energy(fitted, drawn, smooth_images, seen).mean() - 1  # D / 2 at equilibrium


def test_points_leave_the_method_as_it_is_which_draws(fitted, smooth_images):
    before = fitted.infer(smooth_images, None, STEPS, 0)
    points = fitted.as_points()
    assert fitted.as_draws() is fitted and torch.equal(fitted.infer(smooth_images, None, STEPS, 0), before)
    assert fitted.chain.noise_scale == 1.0 and points.chain.noise_scale == 0.0
    assert points.latents is fitted.latents and points.generator is fitted.generator
    one, other = (fitted.infer_training(smooth_images, None, STEPS, draw) for draw in (0, 1))
    assert not torch.isclose(one, other).all(1).any()
    one, other = (points.infer_training(smooth_images, None, STEPS, draw) for draw in (0, 1))
    assert torch.equal(one, other)
