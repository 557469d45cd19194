"""Short-run inference with a learned step size: the bound, its estimate, the layers, what the budget pays."""

import math

import pytest
import torch

from models.langevin.tilted import run_chains
from models.networks.architectures import find_architecture
from models.networks.generator import Generator, build_generator, build_network
from models.rivals import sri
from models.rivals.sri import LayeredGenerator, measure_bound
from tests.models.linear_generator import IMAGE, SIGMA, WEIGHT, D, Linear, rng


def test_the_short_runs_bound_is_in_closed_form_for_a_linear_generator():
    """dz^K / dz^0 = (I - h P)^K for every sample."""
    steps, step_size = 7, 0.3
    z, noise = torch.randn(4, D, generator=rng()), torch.randn(steps, 4, D, generator=rng(1))
    images = IMAGE.expand(4, -1, -1, -1)
    found = measure_bound(Linear(WEIGHT), z, images, None, noise, step_size, SIGMA)
    precision = WEIGHT.T @ WEIGHT / SIGMA**2 + torch.eye(D)
    volume = steps * torch.linalg.slogdet(torch.eye(D) - step_size**2 / 2 * precision).logabsdet
    end = run_chains(Linear(WEIGHT), z, images, None, noise, step_size, SIGMA)
    residual = images.flatten(1) - end @ WEIGHT.T
    energy = residual.square().sum(1) / (2 * SIGMA**2) + end.square().sum(1) / 2
    assert found == pytest.approx(float(volume - energy.detach().mean()), rel=1e-4)


@pytest.mark.parametrize("is_occluded", [False, True])
def test_the_estimated_bound_has_the_mean_that_autograds_jacobian_of_the_whole_chain_gives(is_occluded):
    """A generator of Table 1, whose Hessian differs from step to step; every first step is as likely."""
    steps, stride, step_size, sigma = 10, 5, 0.2, 0.3
    generator = build_generator("mnist/16", D, rng()).eval().double()
    for weight in generator.parameters():  # an image that depends on z
        weight.data *= 1.5
    z, noise = (torch.randn(*shape, generator=rng(1)).double() for shape in ((2, D), (steps, 2, D)))
    images = torch.rand(2, 1, 28, 28, generator=rng(2)).double()
    visible = (torch.rand(2, 1, 28, 28, generator=rng(3)) > 0.3).double() if is_occluded else None
    chain = images, visible, noise

    def run(start, row):
        seen = None if visible is None else visible[row : row + 1]
        rows = slice(row, row + 1)
        return run_chains(
            generator, start, images[rows], seen, noise[:, rows], step_size, sigma, dtype=torch.float64
        )

    volumes, energies = [], []
    for row in range(2):
        jacobian = torch.autograd.functional.jacobian(
            lambda start, row=row: run(start, row)[0], z[row : row + 1]
        )
        volumes.append(torch.linalg.slogdet(jacobian[:, 0]).logabsdet)
        end = run(z[row : row + 1], row)
        residual = (images[row] - generator(end)[0]) * (1 if visible is None else visible[row])
        energies.append(residual.square().sum() / (2 * sigma**2) + end.square().sum() / 2)
    expected = (torch.stack(volumes) - torch.stack(energies)).mean().item()
    generator, z = generator.float(), z.float()
    chain = tuple(None if part is None else part.float() for part in chain)
    exact = measure_bound(generator, z, *chain, step_size, sigma)
    estimates = [
        measure_bound(generator, z, *chain, step_size, sigma, stride, first) for first in range(stride)
    ]
    assert max(estimates) - min(estimates) > 1e-3  # the terms do differ
    assert abs(torch.stack(volumes).mean()) > 0.1
    assert exact == pytest.approx(expected, abs=2e-3)
    assert sum(estimates) / stride == pytest.approx(expected, abs=2e-3)


def test_a_layer_below_is_gaussian_given_the_features_above():
    layer = build_network(lambda: sri.StochasticLayer(12, 16), rng())
    h = torch.randn(1, 3, 2, 2, generator=rng(1))
    mean, deviation = layer.infer_moments(h)
    torch.nn.init.eye_(layer.projection.weight)
    drawn = layer(h.expand(20_000, -1, -1, -1), torch.randn(20_000, 16, generator=rng(2)))
    assert ((drawn.mean(0) - mean[0]) / deviation[0]).abs().max() < 5 / 20_000**0.5
    assert (drawn.std(0) / deviation[0] - 1).abs().max() < 5 / 40_000**0.5
    raw = layer.heads(h.flatten(1))[0, 16:]
    torch.testing.assert_close(deviation[0].square().log(), (1 + raw.exp()).log())  # softplus, a log variance
    assert (deviation >= 1).all()
    other = layer.infer_moments(h + 1)
    assert not torch.isclose(other[0], mean).any() and not torch.isclose(other[1], deviation).any()


@pytest.mark.parametrize(("name", "layers"), [("mnist/8", 4), ("svhn/8", 5), ("celeba/8", 5)])
def test_a_layered_generator_uses_every_layer_and_is_the_plain_one_without(name, layers):
    architecture = find_architecture(name)
    layered = build_network(lambda: LayeredGenerator(Generator(architecture, 6), 5), rng()).eval()
    assert layered.latent_dim == 6 + 16 * (layers - 1)
    z = torch.randn(2, layered.latent_dim, generator=rng())
    for part in range(layers):
        moved = z.clone()
        moved[:, 6 + 16 * (part - 1) if part else 0] += 5
        assert not torch.equal(layered(z), layered(moved))
    for stochastic in layered.stochastic:
        torch.nn.init.zeros_(stochastic.projection.weight)
    torch.testing.assert_close(layered(z), layered.base(z[:, :6]))
    plain = LayeredGenerator(layered.base, 1).eval()
    assert torch.equal(plain(z[:, :6]), layered.base(z[:, :6]))


@pytest.mark.parametrize("d", [5, 30, 78])
@pytest.mark.parametrize("budget", [200, 800, 3_000, 25_500, 300_000, 30_000_000])
def test_the_step_size_is_learned_wherever_the_budget_pays(make_request, d, budget):
    request = make_request(budget=budget)
    steps, adjustments = sri.plan_training(request, d)
    cost = sri.count_adjustment(d)
    spent = adjustments * cost
    assert steps >= 1
    assert spent + steps * sri.COST * request.batch_size <= max(budget, sri.COST * request.batch_size)
    if adjustments > sri.FEWEST_ADJUSTMENTS:
        assert spent <= budget / 4 and adjustments <= sri.N_ADJUSTMENTS
    elif adjustments < sri.FEWEST_ADJUSTMENTS:  # one more would leave no step of the weights
        assert spent + cost + sri.COST * request.batch_size > budget


def test_an_adjustment_costs_the_chains_and_a_fifth_of_their_columns():
    assert sri.count_adjustment(30) == 3 * 2 * (25 + 5 * 30 * 2)


def test_a_fit_says_how_often_its_step_size_was_chosen(make_request):
    start = 0.3 * 0.05 / 0.075
    for budget, expected in ((200, 0), (3_000, 3)):
        request = make_request(budget=budget)
        fitted = sri.fit_learned(request)
        assert fitted.diagnostics == {
            "step_size": fitted.step_size,
            "step_size_adjustments": sri.plan_training(request, 5)[1],
        }
        assert (fitted.diagnostics["step_size_adjustments"] >= 3) == (expected >= 3)
        steps_taken = math.log(fitted.step_size / start) / math.log(1.25)
        assert round(steps_taken) == pytest.approx(steps_taken, abs=1e-6)  # of .8, 1 and 1.25
        assert expected or fitted.step_size == start


def test_all_adjustments_are_made_where_there_are_fewer_steps_than_that(make_request, monkeypatch):
    """The factor with the largest bound is taken: here always the largest factor."""
    monkeypatch.setattr(sri, "measure_bound", lambda *chain: chain[5])
    request = make_request(budget=1_900)
    steps, adjustments = sri.plan_training(request, 5)
    assert steps < adjustments
    fitted = sri.fit_learned(request)
    assert fitted.step_size == pytest.approx(0.2 * 1.25**adjustments)


def test_without_learning_it_the_step_size_is_the_scripts_and_no_gradient_goes_into_it(
    make_request, monkeypatch
):
    monkeypatch.setattr(sri, "measure_bound", None)
    request, taken = make_request(budget=3_000), []
    monkeypatch.setattr(sri, "take_steps", lambda name, steps, take_step: taken.append(steps))
    fitted = sri.fit_one(request)
    assert fitted.diagnostics == {"step_size": pytest.approx(0.2), "step_size_adjustments": 0}
    assert taken == [request.count_steps(sri.COST)]
