import copy

import pytest
import torch
from torch import nn

from models.langevin.energy import compute_learning_loss
from models.networks.architectures import ARCHITECTURES
from models.networks.batch_statistics import PixelOrder, run_training_mode
from models.networks.generator import build_generator


def make(name, dtype=torch.float64):
    """A generator whose biases and BatchNorms are not as they start, latent vectors and images."""
    rng = torch.Generator().manual_seed(0)
    generator = build_generator(name, None, rng).to(dtype)
    with torch.no_grad():
        for parameter in generator.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=rng, dtype=dtype))
    z = torch.randn(6, generator.latent_dim, generator=rng, dtype=dtype)
    images = torch.rand(6, *ARCHITECTURES[name].image_shape, generator=rng, dtype=dtype)
    return generator, z, images


@pytest.mark.parametrize("name", ["mnist", "svhn"])
def test_values_statistics_and_gradients_are_those_of_the_layers(name):
    """In float64, so that no ReLU falls on the other side of zero."""
    generator, z, images = make(name)
    layers = copy.deepcopy(generator.layers).train()
    for network in (generator, layers):
        compute_learning_loss(network(z), images, None, 0.3).backward()
        compute_learning_loss(network(z[1:]), images[1:], None, 0.3).backward()
    for (key, found), (_, expected) in zip(
        generator.layers.named_buffers(), layers.named_buffers(), strict=True
    ):
        torch.testing.assert_close(found, expected, msg=key)
    scale = max(parameter.grad.abs().max() for parameter in layers.parameters())
    for (key, found), (_, expected) in zip(
        generator.layers.named_parameters(), layers.named_parameters(), strict=True
    ):
        if found.grad is None:  # a bias that BatchNorm takes away again
            assert expected.grad.abs().max() < 1e-12 * scale, key
        else:
            torch.testing.assert_close(found.grad, expected.grad, msg=key)
    without = [key for key, parameter in generator.layers.named_parameters() if parameter.grad is None]
    norms = [module for module in layers if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d))]
    assert len(without) == len(norms)


@pytest.mark.parametrize("name", ["mnist", "svhn"])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_gradients_in_a_lower_precision_are_as_near_as_the_layers(name, precision):
    """Against float64: twice the error of the layers' own gradients in this precision, at most."""
    exact, z, images = make(name)
    compute_learning_loss(exact.layers(z), images, None, 0.3).backward()
    errors = []
    for run in (run_training_mode, lambda layers, z: layers(z)):
        layers = copy.deepcopy(exact).float().layers
        layers.zero_grad()
        with torch.autocast("cpu", precision, enabled=precision != torch.float32):
            generated = run(layers, z.float())
        compute_learning_loss(generated, images.float(), None, 0.3).backward()
        pairs = zip(layers.parameters(), exact.layers.parameters(), strict=True)
        errors.append(
            [
                ((one.grad - other.grad).norm() / other.grad.norm()).item()
                for one, other in pairs
                if one.grad is not None and other.grad.norm() > 1e-6
            ]
        )
    assert max(errors[0]) < 2 * max(errors[1])


def test_layers_that_table_1_does_not_have_run_as_they_are():
    layers = nn.Sequential(
        nn.Linear(4, 8 * 9),
        nn.Unflatten(1, (8, 3, 3)),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(8, 4, 2, 2),
        nn.Upsample(scale_factor=2),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.ConvTranspose2d(4, 2, 3, 2, 1, 1),
        nn.Tanh(),
    )
    z = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(run_training_mode(copy.deepcopy(layers), z), layers(z))


def test_an_order_of_blocks_within_blocks_is_undone():
    maps = torch.arange(2 * 3 * 12 * 24).view(2, 3, 12, 24)
    blocks = maps.view(2, 3, 2, 2, 3, 4, 2, 3).permute(0, 2, 5, 3, 6, 4, 7, 1)  # 2 x 4, of 2 x 2, of 3 x 3
    assert torch.equal(PixelOrder(2, 2, 4, (2, 3)).restore(blocks.reshape(-1, 3)), maps)
