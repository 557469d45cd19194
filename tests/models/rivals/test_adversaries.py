"""The mathematics of critics: penalties, information, the Wasserstein game."""

import math

import pytest
import torch
from torch import nn

from models.networks.architectures import ARCHITECTURES
from models.networks.critic import build_critic, mix, penalise_gradient
from models.rivals.bases.autoencoder import build_autoencoder
from models.rivals.iwgan import Game, Players, measure_duality_gap
from models.rivals.meg import bound_information


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


class Slope(nn.Module):
    """f(I) = a sum(I): its gradient has norm a sqrt(pixels) everywhere."""

    def __init__(self, slope):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, images):
        return self.slope * images.flatten(1).sum(1)


def test_the_penalty_is_zero_at_its_target_and_pushes_towards_it():
    images = torch.rand(6, 1, 4, 4, generator=rng())
    assert penalise_gradient(Slope(0.25), images, 1.0).item() == pytest.approx(0, abs=1e-10)
    critic = Slope(0.75)  # norm 3
    penalty = penalise_gradient(critic, images, 1.0)
    assert penalty.item() == pytest.approx(4, rel=1e-5)
    penalty.backward()
    assert critic.slope.grad.item() > 0
    assert penalise_gradient(Slope(0.75), images, 0.0).item() == pytest.approx(9, rel=1e-5)


def test_mixed_images_lie_between_their_parents():
    first, second = torch.zeros(50, 1, 2, 2), torch.ones(50, 1, 2, 2)
    mixed = mix(first, second, rng())
    assert (mixed == mixed[:, :, :1, :1]).all() and 0 <= mixed.min() and mixed.max() <= 1
    assert mixed.std() > 0.2


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_critic_gives_a_number_for_an_image_and_for_a_pair(name):
    architecture = ARCHITECTURES[name]
    images = torch.rand(3, *architecture.image_shape, generator=rng())
    assert build_critic(architecture, rng())(images).shape == (3,)
    pairs = build_critic(architecture, rng(), latent_dim=7, has_batch_norm=True)
    z = torch.randn(3, 7, generator=rng())
    assert pairs(images, z).shape == (3,)
    assert not torch.equal(pairs.eval()(images, z), pairs(images, z.roll(1, 0)))


def test_without_gradients_of_others_a_penalised_critic_has_no_batch_norm():
    critic = build_critic(ARCHITECTURES["svhn"], rng())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in critic.modules())


def test_the_information_bound_is_highest_for_a_critic_that_knows():
    blind = torch.zeros(10)
    assert bound_information(blind, blind).item() == pytest.approx(-2 * math.log(2))
    assert bound_information(blind + 5, blind - 5) > bound_information(blind + 1, blind - 1)
    assert bound_information(blind + 20, blind - 20).item() == pytest.approx(0, abs=1e-6)


@pytest.fixture
def players(make_request):
    encoder, generator = build_autoencoder(make_request(), rng())
    return Players(encoder, generator, build_critic(generator.architecture, rng(1)))


def test_the_wasserstein_game_is_the_equation(players, smooth_images):
    images = smooth_images[:20].float() / 255
    for network in (players.encoder, players.generator):
        network.eval()
    prior = torch.randn(20, 5, generator=rng())
    value, z, reconstructed, generated = players.evaluate(images, prior)
    assert torch.equal(reconstructed, players.generator(z)) and torch.equal(
        generated, players.generator(prior)
    )
    distance = (images - reconstructed).square().flatten(1).sum(1).sqrt().mean()
    expected = distance + players.critic(reconstructed).mean() - players.critic(generated).mean()
    torch.testing.assert_close(value, expected)


@pytest.mark.slow
def test_the_duality_gap_shrinks_with_training_and_leaves_the_players_alone(
    players, make_request, smooth_images
):
    images = smooth_images[:20].float() / 255
    before = [weight.clone() for weight in players.generator.parameters()]
    first = measure_duality_gap(players, images, make_request(), rng(), 20)
    assert all(torch.equal(a, b) for a, b in zip(before, players.generator.parameters(), strict=True))
    game = Game(players, make_request(), rng())
    for _ in range(60):
        game.move_critic(images)
        game.move_autoencoder(images)
    assert measure_duality_gap(players, images, make_request(), rng(), 20) < first
