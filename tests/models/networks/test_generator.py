import itertools

import pytest
import torch
from torch import nn

from models.networks.architectures import ARCHITECTURES, DIVISORS, find_architecture
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


CHANNELS = {"mnist": (128, 64), "svhn": (512, 256, 128, 64), "celeba": (1024, 512, 256, 128)}  # of Table 1


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_divisor_makes_channels_fewer_and_leaves_the_image_and_the_latents(name):
    whole = find_architecture(name)
    assert whole is ARCHITECTURES[name] or whole == ARCHITECTURES[name]
    assert (whole.feature_map[0], *whole.channels[:-1]) == CHANNELS[name]
    for divisor in DIVISORS:
        found = find_architecture(f"{name}/{divisor}")
        channels = (found.feature_map[0], *found.channels[:-1])
        assert channels == tuple(count // divisor for count in CHANNELS[name])
        assert all(count * divisor == full for count, full in zip(channels, CHANNELS[name], strict=True))
        assert found.image_shape == whole.image_shape == TABLE_1[name][1]
        assert found.feature_map[1:] == whole.feature_map[1:]
        assert (found.latent_dim, found.hidden, found.kernel_size) == (
            *(whole.latent_dim, whole.hidden, whole.kernel_size),
        )
    assert find_architecture(f"{name}/1") == ARCHITECTURES[name]


@pytest.mark.parametrize(("name", "divisor"), [("mnist", 2), ("svhn", 4), ("celeba", 8)])
def test_a_generator_with_fewer_channels_has_as_many_weights_as_its_layers_say(name, divisor):
    generator = make(f"{name}/{divisor}")
    architecture, kernel = generator.architecture, generator.architecture.kernel_size
    first, height, width = architecture.feature_map
    widths = (architecture.latent_dim, *architecture.hidden, first * height * width)
    linear = sum(one * other + 3 * other for one, other in itertools.pairwise(widths))  # bias and BatchNorm
    maps = (first, *architecture.channels)
    convolved = sum(kernel**2 * one * other + 3 * other for one, other in itertools.pairwise(maps))
    counted = sum(weight.numel() for weight in generator.parameters())
    assert counted == linear + convolved - 2 * maps[-1]  # no BatchNorm behind the last
    assert counted < sum(weight.numel() for weight in make(name).parameters()) / (divisor * 0.9)
    assert generator.eval()(torch.zeros(2, architecture.latent_dim)).shape[1:] == TABLE_1[name][1]


@pytest.mark.parametrize(
    "name", ["vgg", "celeba/3", "celeba/32", "celeba/0", "celeba/", "celeba/-8", "celeba/08", "celeba/8/2"]
)
def test_a_generator_that_there_is_not_is_refused_in_a_line(name):
    with pytest.raises(
        ValueError, match="^generator: found .*, expected one of mnist, svhn, celeba, as"
    ) as error:
        find_architecture(name)
    assert repr(name) in str(error.value) and "\n" not in str(error.value)


def test_unknown_generator_is_named():
    with pytest.raises(ValueError, match="found 'vgg', expected one of mnist, svhn, celeba"):
        make("vgg")
