"""What networks cost beside the generator."""

import pytest
import torch
from torch import nn

from models.networks.generator import build_generator
from models.rivals.bases.arithmetic import compare_with_generator, count_flops
from models.rivals.bases.multi_scale_flow import MultiScaleFlow


def test_products_and_convolutions_are_counted_by_hand():
    linear, conv = nn.Linear(3, 5), nn.Conv2d(2, 4, 3, padding=1)
    assert count_flops(lambda: linear(torch.zeros(2, 3))) == 2 * 2 * 3 * 5
    assert count_flops(lambda: conv(torch.zeros(1, 2, 6, 7))) == 2 * 6 * 7 * 2 * 4 * 9


def test_the_generator_costs_one_of_itself_and_stays_in_its_mode(make_request):
    generator = build_generator("mnist", 5, torch.Generator()).train()
    cost = compare_with_generator(
        make_request(architecture="mnist"), generator, lambda: generator(torch.zeros(1, 5))
    )
    assert cost == pytest.approx(1) and generator.training


@pytest.mark.parametrize("kind", ["RealNVP", "Glow"])
def test_a_flow_costs_what_its_convolutions_do(make_request, kind):
    """Counted from each convolution's weights and the pixels that it sees."""
    flow, total = MultiScaleFlow((1, 28, 28), kind, torch.Generator()), 0

    def add(layer, given, output):
        nonlocal total
        total += layer.weight.numel() * output.shape[2] * output.shape[3]

    for layer in flow.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(add)
    cost = compare_with_generator(
        make_request(architecture="mnist"), flow, lambda: flow(torch.zeros(1, 1, 28, 28))
    )
    generator = 5 * 1024 + 1024 * 6272 + 49 * 128 * 64 * 4 + 196 * 64 * 4
    mixing = 8 * (4**2 * 196 + 8**2 * 49) if kind == "Glow" else 0
    assert cost == pytest.approx((total + mixing) / generator, rel=1e-6)
