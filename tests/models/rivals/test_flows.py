"""Flows: exact inverses, log determinants against autograd, likelihoods of pixels."""

import math

import pytest
import torch

from models.rivals.bases import multi_scale_flow
from models.rivals.bases.flow_layers import (
    FLOOR,
    ActNorm,
    ChannelCoupling,
    CheckerboardCoupling,
    Mixing,
    Split,
    Squeeze,
    build_plain_network,
    build_residual_network,
)
from models.rivals.bases.multi_scale_flow import MultiScaleFlow
from models.rivals.flows import gather, spread


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def build(shape, kind):
    """A flow in which every layer does something: couplings start as the identity."""
    flow = MultiScaleFlow(shape, kind, rng(3))
    flow.initialise(torch.randn(6, *shape, generator=rng()))
    for number, weight in enumerate(flow.parameters()):
        weight.data += 0.03 * torch.randn(weight.shape, generator=rng(number))
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


def disturb(layer):
    """The layer in float64 with weights that do something: couplings start as the identity."""
    for number, weight in enumerate(layer.parameters()):
        weight.data += 0.3 * torch.randn(weight.shape, generator=rng(number))
    return layer.double().requires_grad_(False)


def build_layers():
    glow, real = build_plain_network(2, 4, 8, rng()), build_residual_network(2, 4, 8, 2, rng())
    return {
        "squeeze": Squeeze(),
        "actnorm": disturb(ActNorm(4)),
        "mixing": disturb(Mixing(4, rng())),
        "checkerboard": disturb(CheckerboardCoupling(4, True, 8, 1, rng())),
        "the other checkerboard": disturb(CheckerboardCoupling(4, False, 8, 1, rng())),
        "RealNVP's channels": disturb(ChannelCoupling(4, False, real, is_glow=False)),
        "Glow's channels": disturb(ChannelCoupling(4, True, glow, is_glow=True)),
    }


@pytest.mark.parametrize("name", build_layers())
def test_a_layer_is_invertible_and_its_determinant_is_autograds(name):
    layer, shape = build_layers()[name], (1, 4, 4, 6)
    x = torch.randn(*shape, generator=rng(), dtype=torch.float64)
    y, log_det = layer(x)
    torch.testing.assert_close(layer.invert(y), x, atol=1e-10, rtol=0)
    jacobian = torch.autograd.functional.jacobian(
        lambda flat: layer(flat.view(shape))[0].flatten(), x.flatten()
    )
    torch.testing.assert_close(torch.linalg.slogdet(jacobian).logabsdet, log_det[0], atol=1e-9, rtol=0)
    assert name == "squeeze" or log_det.abs() > 0.01


@pytest.mark.parametrize("keeps_even", [True, False])
def test_a_checkerboard_keeps_every_other_pixel_and_moves_the_rest_by_those_alone(keeps_even):
    layer = disturb(CheckerboardCoupling(1, keeps_even, 8, 1, rng()))
    x = torch.randn(1, 1, 4, 6, generator=rng(), dtype=torch.float64)
    y, _ = layer(x)
    stays = torch.tensor(
        [[(row + column) % 2 == (0 if keeps_even else 1) for column in range(6)] for row in range(4)]
    )
    assert torch.equal(y[0, 0][stays], x[0, 0][stays])
    assert not torch.isclose(y[0, 0][~stays], x[0, 0][~stays]).any()
    other = torch.where(stays, x, x + 1)  # a change of the moved pixels reaches each through its own scale
    change = (layer(other)[0] - y)[0, 0]
    log_scale = layer._evaluate(x)[1][0, 0]
    torch.testing.assert_close(change, torch.where(stays, torch.zeros(()).double(), log_scale.exp()))


def test_glows_split_is_the_density_that_the_kept_half_predicts():
    split = disturb(Split(6, True, rng()))
    x = torch.randn(2, 6, 3, 3, generator=rng(), dtype=torch.float64)
    kept, latents, log_det = split(x)
    mean, log_std = split.prior(kept).chunk(2, 1)
    normal = torch.distributions.Normal(mean, log_std.exp())
    expected = normal.log_prob(x[:, 3:]).flatten(1).sum(1)
    standard = torch.distributions.Normal(0, 1).log_prob(latents).flatten(1).sum(1)
    torch.testing.assert_close(standard + log_det, expected)
    torch.testing.assert_close(split.invert(kept, latents), x)


@pytest.mark.parametrize("is_learned", [True, False])
def test_a_new_split_and_realnvps_have_standard_normal_latents(is_learned):
    x = torch.randn(2, 6, 3, 3, generator=rng())
    kept, latents, log_det = Split(6, is_learned, rng())(x)
    assert torch.equal(torch.cat([kept, latents], 1), x) and (log_det == 0).all()


def test_a_new_glow_coupling_scales_by_the_sigmoid_of_two_between_the_floor_and_1():
    layer = ChannelCoupling(4, True, build_plain_network(2, 4, 8, rng()), is_glow=True)
    x = torch.randn(1, 4, 2, 2, generator=rng())
    y, log_det = layer(x)
    scale = FLOOR + (1 - FLOOR) / (1 + math.exp(-2))
    torch.testing.assert_close(y, torch.cat([x[:, :2], x[:, 2:] * scale], 1))
    assert log_det.item() == pytest.approx(8 * math.log(scale))


def test_the_inverse_of_a_glow_coupling_enlarges_no_more_than_the_floor_allows():
    layer = ChannelCoupling(4, True, build_plain_network(2, 4, 8, rng()), is_glow=True)
    layer.network[-1].bias.data[:2] = -1e4  # a
    y = torch.randn(1, 4, 2, 2, generator=rng())
    x = layer.invert(y)
    torch.testing.assert_close(x, torch.cat([y[:, :2], y[:, 2:] / FLOOR], 1))


def test_the_levels_are_the_papers():
    """RealNVP: checkerboards before the squeeze, channels after, checkerboards last. Glow squeezes first."""
    real, glow = (MultiScaleFlow((1, 8, 8), kind, rng()) for kind in ("RealNVP", "Glow"))

    def name(flow):
        ignored = ActNorm, Mixing
        return [
            [type(layer).__name__ for layer in level if not isinstance(layer, ignored)]
            for level in flow.levels
        ]

    board, channels = "CheckerboardCoupling", "ChannelCoupling"
    assert name(real) == [[*[board] * 3, "Squeeze", *[channels] * 3], [board] * 4]
    assert name(glow) == [["Squeeze", *[channels] * multi_scale_flow.GLOW_DEPTH]] * 2
    kept = [layer.keeps_even for layer in real.levels[0] if isinstance(layer, CheckerboardCoupling)]
    assert kept == [True, False, True]
    assert all(isinstance(level[index], ActNorm) for level in real.levels for index in (0, 2))


@pytest.mark.parametrize("kind", ["RealNVP", "Glow"])
def test_after_a_first_batch_all_activation_norms_have_mean_0_and_variance_1(kind):
    flow = MultiScaleFlow((1, 8, 8), kind, rng())
    x = 3 + 2 * torch.randn(200, 1, 8, 8, generator=rng(1))
    flow.initialise(x)
    outputs = []
    for layer in flow.modules():
        if isinstance(layer, ActNorm):
            layer.register_forward_hook(lambda layer, given, result: outputs.append(result[0]))
    flow(x)
    assert len(outputs) == (10 if kind == "RealNVP" else 16)
    for output in outputs:
        torch.testing.assert_close(output.mean((0, 2, 3)), torch.zeros(output.shape[1]), atol=1e-4, rtol=0)
        torch.testing.assert_close(output.std((0, 2, 3)), torch.ones(output.shape[1]), atol=1e-3, rtol=0)


def test_every_latent_depends_on_pixels():
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
