"""The mathematics of critics: penalties, information, the Wasserstein game."""

import copy
import math

import pytest
import torch
from torch import nn

from models.networks.architectures import ARCHITECTURES
from models.networks.critic import build_critic, mix, penalise_gradient
from models.rivals import bigan, iwgan, meg
from models.rivals.bases.autoencoder import build_autoencoder
from models.rivals.iwgan import Game, Players, measure_duality_gap
from models.rivals.meg import bound_information, weigh_penalty


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


def test_the_weighed_information_is_the_authors_cross_entropy():
    """Their loss is BCEWithLogitsLoss of pairs, labelled 1, and strangers, labelled 0, in one vector."""
    matched, mismatched = torch.randn(10, generator=rng()), torch.randn(10, generator=rng(1))
    labels = torch.cat([torch.ones(10), torch.zeros(10)])
    theirs = nn.BCEWithLogitsLoss()(torch.cat([matched, mismatched]), labels)
    torch.testing.assert_close(-meg.INFORMATION_WEIGHT * bound_information(matched, mismatched), theirs)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_weighed_penalty_is_the_authors_at_images_between_minus_1_and_1(name):
    """Theirs is 100 times the mean over pixels of |dE/dx|^2, norms being over channels (``dim=1``)."""
    critic = build_critic(ARCHITECTURES[name], rng())
    images = torch.rand(3, *ARCHITECTURES[name].image_shape, generator=rng(1))
    centred = (2 * images - 1).requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic((centred + 1) / 2).sum(), centred)
    theirs = 100 * (gradient.norm(2, dim=1) ** 2).mean()
    ours = weigh_penalty(*images.shape[2:]) * penalise_gradient(critic, images, target=0.0)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-9)
    assert weigh_penalty(28, 28) == pytest.approx(0.0319, abs=1e-4)


def test_an_energy_learns_five_times_for_each_time_that_its_generator_does(make_request, monkeypatch):
    order, original = [], meg.descend

    def record(optimiser, loss):
        order.append(sum(len(group["params"]) for group in optimiser.param_groups))
        original(optimiser, loss)

    monkeypatch.setattr(meg, "descend", record)
    request = make_request(budget=meg.COST * 20 * 3)
    meg.fit(request)
    energy, ours = order[0], order[5]
    assert order == [*[energy] * 5, ours] * 3 and energy != ours


def test_bigans_score_is_the_papers_for_pixels_between_minus_1_and_1(make_request, smooth_images):
    request = make_request()
    encoder, generator = build_autoencoder(request, rng())
    critic = build_critic(generator.architecture, rng(1), request.latent_dim, True)
    fitted = bigan.AdversarialInference(encoder, generator, critic, request)
    images = smooth_images[:5].float() / 255
    with torch.no_grad():
        z = encoder(images, None)[0]
        distance = ((2 * images - 1) - (2 * generator(z) - 1)).abs().flatten(1).sum(1)
        expected = 0.9 * distance - 0.1 * critic(images, z).sigmoid().log()
    torch.testing.assert_close(fitted.score(smooth_images[:5], 0, 0), expected)


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


def test_without_steps_to_speak_of_the_duality_gap_is_0_and_the_game_stays_as_it_is(players, make_request):
    """Rates of 0: both sides end where they began, and equal draws of the prior cancel."""
    request = make_request(rate_factor=0.0)
    game = Game(players, request, rng())
    before = [weight.clone() for weight in players.generator.parameters()]
    for norm in (*players.encoder.modules(), *players.generator.modules()):
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            norm.momentum = 0.0
    rows = list(torch.arange(40).split(20))
    assert measure_duality_gap(game, rows, request, rng()) == pytest.approx(0, abs=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(before, players.generator.parameters(), strict=True))


def test_a_copy_of_a_game_goes_on_where_the_game_would(players, make_request, smooth_images):
    images = smooth_images[:20].float() / 255
    game = Game(players, make_request(), rng())
    for _ in range(3):  # so that Adam has moments
        game.move_critic(images)
        game.move_autoencoder(images)
    one, other = game.copy(rng(5)), game.copy(rng(5))
    untouched = [weight.clone() for weight in players.critic.parameters()]
    for each in (one, other):
        each.move_critic(images)
    for a, b in zip(one.players.critic.parameters(), other.players.critic.parameters(), strict=True):
        assert torch.equal(a, b)
    assert all(torch.equal(a, b) for a, b in zip(untouched, players.critic.parameters(), strict=True))
    fresh = Game(copy.deepcopy(players), make_request(), rng(5))
    moves = []
    for each in (fresh, game.copy(rng(5))):
        weight = next(each.players.critic.parameters())
        before = weight.detach().clone()
        each.move_critic(images)
        moves.append((weight.detach() - before).abs().max().item())
    assert moves[0] == pytest.approx(iwgan.RATE, rel=1e-3)  # Adam's first step without moments
    assert moves[1] != pytest.approx(iwgan.RATE, rel=2e-2)


@pytest.mark.parametrize("budget", [100, 800, 25_500, 10**6])
def test_the_duality_gap_takes_a_pass_or_a_tenth_of_the_budget(make_request, budget):
    request = make_request(budget=budget)
    steps, looks = iwgan.plan_training(request)
    a_step = (iwgan.ASCENT + iwgan.DESCENT) * 20
    assert 1 <= looks <= 2 and (looks == 1 or looks * a_step <= budget / 10)
    assert steps == 1 or steps * iwgan.COST * 20 + looks * a_step <= budget
    assert (steps + 1) * iwgan.COST * 20 + looks * a_step > budget
    assert looks == (1 if budget < 3_600 else 2)


@pytest.mark.slow
def test_the_duality_gap_shrinks_with_training(make_request):
    """On all images, by five steps of the critic to one: a few moves on one batch alone widen it."""
    request = make_request()
    encoder, generator = build_autoencoder(request, rng())
    players = Players(encoder, generator, build_critic(generator.architecture, rng(1)))
    game, rows = Game(players, request, rng()), list(torch.arange(40).split(20))
    many = rows * 10  # a long look
    first = measure_duality_gap(game, many, request, rng())
    for move in range(200):
        images = request.load(rows[move % 2])[0]
        for _ in range(iwgan.CRITIC_STEPS):
            game.move_critic(images)
        game.move_autoencoder(images)
    assert 0 < measure_duality_gap(game, many, request, rng()) < first / 2
