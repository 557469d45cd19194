import pytest
import torch
from torch import nn

from models.networks.architectures import ARCHITECTURES
from models.networks.generator import build_generator
from models.networks.lowering import LoweredNetwork


def make(name, seed=0, latent_dim=None):
    return build_generator(name, latent_dim, torch.Generator().manual_seed(seed))


def train_statistics(generator, rng):
    """Give BatchNorm running statistics, scales and shifts that are far from the identity."""
    with torch.no_grad():
        for module in generator.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.weight.uniform_(0.5, 2, generator=rng)
                module.bias.normal_(generator=rng)
        generator.train()
        for _ in range(3):
            generator(torch.randn(16, generator.latent_dim, generator=rng) * 2 + 1)
    return generator.eval()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_lowered_network_is_the_generator_with_frozen_statistics(name):
    rng = torch.Generator().manual_seed(0)
    generator = train_statistics(make(name), rng)
    z = torch.randn(5, generator.latent_dim, generator=rng)
    lowered = LoweredNetwork(generator.layers, torch.float32)
    with torch.no_grad():
        expected = generator(z)
        assert expected.std() > 0.05
        torch.testing.assert_close(lowered(z), expected, atol=2e-6, rtol=0)


def test_refresh_takes_over_changed_weights_and_statistics():
    rng = torch.Generator().manual_seed(0)
    generator = train_statistics(make("mnist"), rng)
    lowered = LoweredNetwork(generator.layers, torch.float32)
    z = torch.randn(5, 30, generator=rng)
    before = lowered(z)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=rng))
    train_statistics(generator, rng)
    assert torch.equal(lowered(z), before)  # shares no memory
    lowered.refresh()
    with torch.no_grad():
        assert (lowered(z) - before).abs().max() > 0.01
        torch.testing.assert_close(lowered(z), generator(z), atol=2e-6, rtol=0)


def test_lowering_copies_layers_it_does_not_know():
    rng = torch.Generator().manual_seed(0)
    layers = nn.Sequential(
        nn.Linear(4, 8), nn.SiLU(), nn.LayerNorm(8), nn.Linear(8, 12), nn.Unflatten(1, (3, 2, 2))
    )
    for parameter in layers.parameters():
        nn.init.normal_(parameter, generator=rng)
    z = torch.randn(6, 4, generator=rng)
    torch.testing.assert_close(LoweredNetwork(layers, torch.float32)(z), layers(z))
