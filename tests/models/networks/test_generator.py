import pytest
import torch
from torch import nn

from models.networks.architectures import ARCHITECTURES
from models.networks.generator import build_generator

TABLE_1 = {  # name -> (latent dimension, image shape, output shapes of the layers Table 1 lists)
    "mnist": (30, (1, 28, 28), [(1024,), (6272,), (64, 14, 14), (1, 28, 28)]),
    "svhn": (64, (3, 32, 32), [(2048,), (256, 4, 4), (128, 8, 8), (64, 16, 16), (3, 32, 32)]),
    "celeba": (64, (3, 64, 64), [(16384,), (512, 8, 8), (256, 16, 16), (128, 32, 32), (3, 64, 64)]),
}


def make(name, seed=0, latent_dim=None):
    return build_generator(name, latent_dim, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_generators_have_the_layers_of_table_1(name):
    latent_dim, image_shape, shapes = TABLE_1[name]
    generator = make(name)
    found = []
    for module in generator.layers:
        if isinstance(module, (nn.Linear, nn.ConvTranspose2d)):
            module.register_forward_hook(lambda module, inputs, output: found.append(tuple(output.shape[1:])))
    image = generator.layers(torch.zeros(2, latent_dim))
    assert found == shapes
    assert tuple(image.shape[1:]) == image_shape == generator.architecture.image_shape
    kinds = [type(module) for module in generator.layers]
    batch_norms = sum(kind in (nn.BatchNorm1d, nn.BatchNorm2d) for kind in kinds)
    assert batch_norms == kinds.count(nn.ReLU) == len(shapes) - 1  # all layers but the last


def test_images_lie_in_the_unit_range():
    image = make("mnist")(100 * torch.randn(50, 30, generator=torch.Generator().manual_seed(0)))
    assert 0 <= image.min() < 0.05 and 0.95 < image.max() <= 1


def test_weights_are_xavier_normal_and_depend_on_the_seed_alone():
    torch.manual_seed(1)
    first = make("svhn", seed=3)
    torch.manual_seed(2)
    state = torch.random.get_rng_state()
    again = make("svhn", seed=3)
    assert torch.equal(state, torch.random.get_rng_state())  # the global generator is left alone
    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    weight = first.layers[4].weight  # (512, 256, 5, 5)
    expected = (2 / (25 * (512 + 256))) ** 0.5
    assert weight.std().item() == pytest.approx(expected, rel=0.01)


def test_unknown_generator_is_named():
    with pytest.raises(ValueError, match="found 'vgg', expected one of mnist, svhn, celeba"):
        make("vgg")
