"""Flows: exact inverses, log determinants against autograd, likelihoods of pixels."""

import math

import pytest
import torch

from models.rivals.flows import MultiScaleFlow, gather, spread


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def build(shape, kind):
    """A flow in which every layer does something: couplings start as the identity."""
    flow = MultiScaleFlow(shape, kind, rng(3))
    flow.initialise(torch.randn(6, *shape, generator=rng()))
    for number, weight in enumerate(flow.parameters()):
        weight.data += 0.1 * torch.randn(weight.shape, generator=rng(number))
    return flow.double().requires_grad_(False)


@pytest.mark.parametrize("kind", ["RealNVP", "Glow"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 4)])
def test_a_flow_is_invertible_and_its_determinant_is_autograds(kind, shape):
    flow = build(shape, kind)
    x = torch.randn(1, *shape, generator=rng(), dtype=torch.float64)
    z, log_det = flow(x)
    assert z.shape == (1, math.prod(shape))
    torch.testing.assert_close(flow.invert(z), x, atol=1e-9, rtol=0)
    jacobian = torch.autograd.functional.jacobian(lambda flat: flow(flat.view(1, *shape))[0][0], x.flatten())
    torch.testing.assert_close(torch.linalg.slogdet(jacobian).logabsdet, log_det[0], atol=1e-7, rtol=0)
    normal = torch.distributions.Normal(0, 1)
    expected = normal.log_prob(z).sum(1) + log_det
    torch.testing.assert_close(flow.evaluate_log_likelihood(x), expected)


@pytest.mark.parametrize("kind", ["RealNVP", "Glow"])
def test_a_new_flow_brings_its_first_batch_to_zero_mean_and_unit_variance(kind):
    flow = MultiScaleFlow((1, 8, 8), kind, rng())
    x = 3 + 2 * torch.randn(200, 1, 8, 8, generator=rng(1))
    flow.initialise(x)
    z, _ = flow(x)
    assert z.mean().abs() < 0.05 and abs(z.std() - 1) < 0.05


def test_every_latent_depends_on_pixels_and_glow_mixes_what_realnvp_keeps_apart():
    for kind in ("RealNVP", "Glow"):
        flow = build((1, 8, 8), kind)
        x = torch.randn(1, 1, 8, 8, generator=rng(), dtype=torch.float64)
        jacobian = torch.autograd.functional.jacobian(
            lambda flat, flow=flow: flow(flat.view(1, 1, 8, 8))[0][0], x.flatten()
        )
        assert (jacobian.abs().sum(1) > 0).all() and (jacobian.abs().sum(0) > 0).all()


def test_pixels_and_logits_are_inverse_and_the_slope_is_autograds():
    images = torch.tensor([0, 1, 100, 255], dtype=torch.uint8).view(1, 1, 2, 2)
    x, slope = spread(images, torch.tensor(0.5))
    torch.testing.assert_close(gather(x) * 256, images.float() + 0.5, atol=1e-3, rtol=0)
    values = images.double().flatten().requires_grad_(True)
    share = 0.05 + 0.9 * (values + 0.5) / 256
    (gradient,) = torch.autograd.grad(share.logit().sum(), values)
    torch.testing.assert_close(slope[0].double(), gradient.log().sum(), atol=1e-4, rtol=0)
