"""Particle gradient descent: each particle's move by a slow loop, and what a step costs."""

import pytest
import torch

from models.networks.generator import build_generator
from models.rivals import pgd


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("is_occluded", [False, True])
def test_a_step_moves_every_particle_as_a_loop_over_images_and_particles_does(
    make_request, smooth_images, monkeypatch, is_occluded
):
    """The moves take frozen statistics: those of an untrained generator, so that each particle is alone."""
    n, d = pgd.N_PARTICLES, 5
    visible = (torch.rand(40, 1, 28, 28, generator=rng(7)) > 0.3).to(torch.uint8) if is_occluded else None
    learned_at = []
    original = pgd.learn_generator

    def record(generator, optimiser, z, *rest):
        learned_at.append(z.clone())
        return original(generator, optimiser, z, *rest)

    monkeypatch.setattr(pgd, "learn_generator", record)
    request = make_request(budget=pgd.COST * 40, minibatch=40, visible=visible)
    assert request.count_steps(pgd.COST) == 1
    fitted = pgd.fit(request)

    draws = request.make_rng()  # the same numbers again, in the order of the training
    generator = build_generator(request.architecture, d, draws).eval()
    start = torch.randn(40 * n, d, generator=draws).view(40, n, d)
    rows = torch.randperm(40, generator=draws)
    noise = torch.randn(1, 40 * n, d, generator=draws)[0].view(40, n, d)
    h = 0.3**2 / 2
    for place in (0, 7, 39):
        image = smooth_images[rows[place]].float() / 255
        for particle in range(n if place == 0 else 1):
            z = start[rows[place], particle].clone().requires_grad_(True)
            residual = generator(z[None])[0] - image
            if visible is not None:
                residual = residual * visible[rows[place]]
            energy = residual.square().sum() / (2 * request.sigma**2) + z.square().sum() / 2
            (gradient,) = torch.autograd.grad(energy, z)
            moved = z - h * gradient + (2 * h) ** 0.5 * noise[place, particle]
            if particle == 0:
                torch.testing.assert_close(fitted.latents[rows[place]], moved.detach(), atol=1e-4, rtol=1e-4)
            # Both gradients are at the same z: the weights learn where the particles were.
            assert torch.equal(learned_at[0][place * n + particle], start[rows[place], particle])


def test_each_image_has_its_particles_side_by_side():
    values = torch.arange(3)[:, None]
    assert torch.equal(pgd.spread(values)[:, 0], torch.arange(3).repeat_interleave(pgd.N_PARTICLES))
    assert pgd.spread(None) is None


def test_a_step_is_paid_a_gradient_of_either_kind_for_each_particle(make_request):
    assert make_request(budget=8_000).count_steps(pgd.COST) == 8_000 // (20 * 2 * 10)
