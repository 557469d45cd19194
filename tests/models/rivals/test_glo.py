"""GLO's latent vectors move as its paper says: ten times the gradient of a minibatch's mean loss."""

import torch

from models.images import to_unit
from models.interface import make_rng
from models.networks.generator import build_generator
from models.rivals import glo
from models.rivals.glo import LATENT_RATE, OptimisedLatents, compute_loss, project


def test_inference_descends_the_loss_of_training_at_its_rate(make_request, smooth_images):
    request = make_request(minibatch=20)
    generator = build_generator(request.architecture, request.latent_dim, make_rng(1))
    latents = project(request.draw_prior(len(smooth_images), make_rng(2)))
    fitted = OptimisedLatents(generator, latents, request)
    images = smooth_images[:20]
    z = latents.mean(0).expand(20, -1).clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(compute_loss(generator(z), to_unit(images), None).mean(), z)
    expected = project(z.detach() - LATENT_RATE * gradient)
    torch.testing.assert_close(fitted.infer(images, None, 1, 0), expected, atol=1e-6, rtol=1e-5)


def test_a_training_step_moves_a_minibatchs_latents_by_the_gradient_of_its_mean_loss(
    make_request, smooth_images
):
    request = make_request(images=smooth_images[:20], minibatch=20, budget=20)  # one step
    fitted = glo.fit(request)
    rng = request.make_rng()
    generator = build_generator(request.architecture, request.latent_dim, rng)
    start = request.draw_prior(20, rng)
    start = start / start.norm(dim=1, keepdim=True)
    z = start.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(compute_loss(generator(z), to_unit(smooth_images[:20]), None).mean(), z)
    torch.testing.assert_close(fitted.latents, project(start - LATENT_RATE * gradient), atol=1e-5, rtol=1e-4)
