"""Rivals that infer by chains: starts, priors, scores and pyramids where the answer is known."""

import torch

from models.descent import descend
from models.langevin.energy import compute_energy
from models.langevin.tilted import run_chains
from models.networks.architectures import find_architecture
from models.networks.generator import Generator, build_network
from models.rivals.bases.chain_inference import ChainInference, hasten_statistics
from models.rivals.glo import build_pyramid, compute_loss, project
from models.rivals.lebm import LatentEnergy, contrast


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_chains_of_a_sample_do_not_depend_on_the_company(make_request, smooth_images):
    network = build_network(lambda: Generator(find_architecture("mnist/16"), 5), rng())
    fitted = ChainInference(network, 5, make_request(), step_size=0.3)
    together, alone = (fitted.infer(images, None, 3, 0) for images in (smooth_images, smooth_images[:2]))
    torch.testing.assert_close(together[:2], alone, atol=1e-5, rtol=0)
    assert not torch.isclose(fitted.infer(smooth_images, None, 3, 1), together).any()


def test_a_point_is_the_chain_without_its_noise(make_request, smooth_images):
    network = build_network(lambda: Generator(find_architecture("mnist/16"), 5), rng())
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


def test_a_gradient_is_shortened_to_the_norm_it_may_have_and_a_short_one_left_alone():
    for norm, expected in ((1.0, 1.0), (100.0, 5.0)):
        weight = torch.zeros(2, requires_grad=True)
        descend(torch.optim.SGD([weight], lr=1.0), (weight * torch.tensor([3.0, 4.0])).sum(), norm)
        torch.testing.assert_close(weight.detach(), -torch.tensor([0.6, 0.8]) * expected)
