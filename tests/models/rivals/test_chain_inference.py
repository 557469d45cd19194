"""Rivals that infer by chains: bounds, priors, denoisers and pyramids where the answer is known."""

import math

import pytest
import torch

from models.langevin.energy import compute_energy
from models.langevin.tilted import run_chains
from models.networks.architectures import ARCHITECTURES
from models.networks.generator import Generator, build_network
from models.rivals.bases.chain_inference import ChainInference, hasten_statistics
from models.rivals.damc import DIFFUSION_STEPS, build_denoiser, compute_denoising_loss, denoise, make_schedule
from models.rivals.glo import build_pyramid, compute_loss, project
from models.rivals.lebm import LatentEnergy, contrast
from models.rivals.sri import LayeredGenerator, measure_bound


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


class Linear(torch.nn.Module):
    """g(z) = W z as a row of pixels (B, 1, 1, P)."""

    def __init__(self, weight):
        super().__init__()
        self.weight = torch.nn.Parameter(weight)

    def forward(self, z):
        return (z @ self.weight.T)[:, None, None]


SIGMA, D, PIXELS = 0.6, 3, 5
WEIGHT = torch.randn(PIXELS, D, generator=rng()) / 2
IMAGE = torch.rand(1, 1, 1, PIXELS, generator=rng(1))


def test_the_short_runs_bound_is_in_closed_form_for_a_linear_generator():
    """dz^K / dz^0 = (I - h P)^K for every sample."""
    steps, step_size = 7, 0.3
    z, noise = torch.randn(4, D, generator=rng()), torch.randn(steps, 4, D, generator=rng(1))
    images = IMAGE.expand(4, -1, -1, -1)
    found = measure_bound(Linear(WEIGHT), z, images, None, noise, step_size, SIGMA)
    precision = WEIGHT.T @ WEIGHT / SIGMA**2 + torch.eye(D)
    volume = steps * torch.linalg.slogdet(torch.eye(D) - step_size**2 / 2 * precision).logabsdet
    end = run_chains(Linear(WEIGHT), z, images, None, noise, step_size, SIGMA)
    residual = images.flatten(1) - end @ WEIGHT.T
    energy = residual.square().sum(1) / (2 * SIGMA**2) + end.square().sum(1) / 2
    assert found == pytest.approx(float(volume - energy.detach().mean()), rel=1e-4)


@pytest.mark.parametrize(("name", "layers"), [("mnist", 4), ("svhn", 5), ("celeba", 5)])
def test_a_layered_generator_uses_every_layer_and_is_the_plain_one_without(name, layers):
    architecture = ARCHITECTURES[name]
    base = build_network(lambda: Generator(architecture, 6), rng())
    layered = build_network(lambda: LayeredGenerator(Generator(architecture, 6), 5), rng()).eval()
    assert layered.latent_dim == 6 + 16 * (layers - 1)
    z = torch.randn(2, layered.latent_dim, generator=rng())
    for part in range(layers):
        moved = z.clone()
        moved[:, 6 + 16 * (part - 1) if part else 0] += 5
        assert not torch.equal(layered(z), layered(moved))
    z[:, 6:] = 0
    for injection in layered.injections:
        torch.nn.init.zeros_(injection.bias)
    plain = LayeredGenerator(base, 1).eval()
    assert torch.equal(plain(z[:, :6]), base.eval()(z[:, :6]))
    torch.testing.assert_close(layered(z), layered.base(z[:, :6]))


def test_chains_of_a_sample_do_not_depend_on_the_company(make_request, smooth_images):
    network = build_network(lambda: Generator(ARCHITECTURES["mnist"], 5), rng())
    fitted = ChainInference(network, 5, make_request(), step_size=0.3)
    together, alone = (fitted.infer(images, None, 3, 0) for images in (smooth_images, smooth_images[:2]))
    torch.testing.assert_close(together[:2], alone, atol=1e-5, rtol=0)
    assert not torch.isclose(fitted.infer(smooth_images, None, 3, 1), together).any()


def test_a_point_is_the_chain_without_its_noise(make_request, smooth_images):
    network = build_network(lambda: Generator(ARCHITECTURES["mnist"], 5), rng())
    latents = torch.randn(40, 5, generator=rng(1))
    fitted = ChainInference(network, 5, make_request(), step_size=0.3, latents=latents)
    points, images = fitted.as_points(), smooth_images.float() / 255
    assert fitted.as_draws() is fitted
    before = fitted.infer_training(smooth_images, None, 4, 0)
    found = [points.infer_training(smooth_images, None, 4, draw) for draw in (0, 1)]
    expected = run_chains(network, latents, images, None, torch.zeros(4, 40, 5), 0.3, fitted.sigma)
    torch.testing.assert_close(found[0], expected, atol=1e-4, rtol=1e-4)
    assert torch.equal(*found)
    assert torch.equal(fitted.infer_training(smooth_images, None, 4, 0), before)
    drawn, point = (way.infer(smooth_images, None, 30, 0) for way in (fitted, points))
    energies = [compute_energy(fitted.generate(z), images, z, fitted.sigma).mean() for z in (drawn, point)]
    assert energies[1] < energies[0] - 1


def test_the_prior_learns_to_tell_posterior_from_prior():
    energy = build_network(lambda: LatentEnergy(2), rng())
    optimiser = torch.optim.Adam(energy.parameters(), lr=1e-2)
    posterior = torch.randn(200, 2, generator=rng()) / 4 + 1
    prior = torch.randn(200, 2, generator=rng(1))
    for _ in range(50):
        loss = contrast(energy, posterior, prior)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert energy(posterior).mean() > energy(prior).mean() + 1


def test_the_pyramid_adds_up_to_the_image_and_the_loss_is_zero_for_equals():
    images = torch.rand(3, 1, 28, 28, generator=rng())
    levels = build_pyramid(images)
    assert [level.shape[-1] for level in levels] == [28, 14, 7]
    whole = levels[-1]
    for detail in reversed(levels[:-1]):
        whole = detail + torch.nn.functional.interpolate(whole, scale_factor=2)
    torch.testing.assert_close(whole, images)
    assert torch.equal(compute_loss(images, images, None), torch.zeros(3))
    constant = compute_loss(images + 0.5, images, None)  # no detail; 16 |coarsest|_1 / P = 16 x .5 / 16
    torch.testing.assert_close(constant, torch.full((3,), 0.25 + 0.5), atol=1e-4, rtol=0)


def test_latent_vectors_are_kept_in_the_unit_ball():
    z = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    torch.testing.assert_close(project(z), torch.tensor([[0.6, 0.8], [0.3, 0.4]]))


class Optimal(torch.nn.Module):
    """The best guess of the noise when z ~ N(m, v): E[e | z_t]."""

    def __init__(self, mean, variance):
        super().__init__()
        self.mean, self.variance = mean, variance

    def forward(self, z, time, features):
        share = make_schedule(z.device)[1][time.long()][:, None]
        scale = (1 - share).sqrt() / (share * self.variance + 1 - share)
        return scale * (z - share.sqrt() * self.mean)


def test_a_perfect_denoiser_draws_the_distribution_it_was_made_for():
    noise = torch.randn(DIFFUSION_STEPS + 1, 20_000, 2, generator=rng())
    z = denoise(Optimal(1.2, 0.25), noise, torch.zeros(20_000, 4))
    assert z.mean().item() == pytest.approx(1.2, abs=0.03)
    assert z.std().item() == pytest.approx(0.5, abs=0.05)
    _, shares = make_schedule(torch.device("cpu"))
    assert shares[-1] < 0.05  # almost nothing of the signal is left where denoising starts


def test_the_perfect_denoiser_has_the_lowest_loss():
    z = 1.2 + torch.randn(5000, 2, generator=rng()) / 2
    time = torch.randint(DIFFUSION_STEPS, (5000,), generator=rng(1))
    noise = torch.randn(5000, 2, generator=rng(2))
    losses = [
        compute_denoising_loss(Optimal(mean, variance), z, torch.zeros(5000, 4), time, noise).item()
        for mean, variance in ((1.2, 0.25), (0.8, 0.25), (1.2, 0.6))
    ]
    assert losses[0] < min(losses[1:]) and math.isfinite(losses[0])


def test_an_untrained_denoiser_draws_from_the_prior():
    denoiser = build_denoiser(D, rng())
    noise = torch.randn(DIFFUSION_STEPS + 1, 4000, D, generator=rng(1))
    z = denoise(denoiser, noise, torch.randn(4000, 2 * D, generator=rng(2)))
    torch.testing.assert_close(z.mean(0), torch.zeros(D), atol=0.06, rtol=0)
    torch.testing.assert_close(z.T.cov(), torch.eye(D), atol=0.06, rtol=0)


def test_running_statistics_are_the_mean_of_the_first_ten_batches_and_then_forget():
    layer = torch.nn.BatchNorm1d(1)
    batches = torch.randn(12, 30, 1, generator=rng()) * 3 + 5
    means = []
    for step, batch in enumerate(batches, start=1):
        hasten_statistics(layer, step)
        layer(batch)
        means.append(batch.mean())
        if step <= 10:
            expected = torch.stack(means).mean()
        else:
            expected = 0.9 * expected + 0.1 * means[-1]
        torch.testing.assert_close(layer.running_mean[0], expected)
