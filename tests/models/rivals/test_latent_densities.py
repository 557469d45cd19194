"""The mathematics of the auto-encoders and of what is fitted to their latent vectors."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal, kl_divergence

from models.latent_density import LatentMixture
from models.rivals import two_stage_vae, wae
from models.rivals.bases.autoencoder import build_autoencoder
from models.rivals.ladder_vae import compute_mutual_divergence, unite
from models.rivals.rae import penalise_gradient, penalise_weights
from models.rivals.two_stage_vae import (
    LatentVae,
    SkipPerceptron,
    compute_bound,
    infer_posteriors,
    measure_second_cost,
)
from models.rivals.wae import SCALES, build_discriminator, fit_gan, measure_discrepancy


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


def test_the_mixture_scores_and_draws_what_it_fitted():
    spread = torch.tensor([[1.0, 0.0], [0.8, 0.3]], dtype=torch.float64)
    latents = torch.cat([normal(4000, 2) @ spread.mT + 3, 0.5 * normal(2000, 2, seed=1) - 4])
    mixture = LatentMixture(latents, 2, seed=0)
    drawn = mixture.draw(20_000, rng(2))
    assert (drawn.mean(0) - latents.mean(0)).abs().max() < 0.1
    right = drawn[drawn[:, 0] > 0].double()
    torch.testing.assert_close(right.T.cov(), spread @ spread.mT, atol=0.06, rtol=0)
    assert (drawn[:, 0] > 0).float().mean() == pytest.approx(2 / 3, abs=0.02)
    near, far = mixture.score(torch.tensor([[3.0, 3.0], [30.0, 3.0]]))
    assert near < 5 and far > 100


def test_the_mixtures_score_of_one_gaussian_is_its_log_density():
    latents = normal(3000, 3)
    mixture = LatentMixture(latents, 1, seed=0)
    fitted = torch.distributions.MultivariateNormal(latents.mean(0), latents.T.cov(correction=0))
    z = normal(5, 3, seed=1)
    expected = -fitted.log_prob(z) - 1.5 * math.log(2 * math.pi)
    torch.testing.assert_close(mixture.score(z).double(), expected, atol=1e-3, rtol=0)


def test_two_gaussians_unite_by_their_precisions():
    mean, log_variance, other_mean, other_log_variance = (normal(4, 3, seed=seed) for seed in range(4))
    united, united_log_variance = unite(mean, log_variance, other_mean, other_log_variance)
    x = normal(4, 3, seed=9)

    def log_density(mean, log_variance):
        return Normal(mean, (log_variance / 2).exp()).log_prob(x)

    # The product's logarithm differs from the united Gaussian's by a constant, whatever x is.
    for offset in (0.0, 1.7):
        x = normal(4, 3, seed=9) + offset
        difference = log_density(mean, log_variance) + log_density(other_mean, other_log_variance)
        difference = difference - log_density(united, united_log_variance)
        if offset == 0:
            constant = difference
    torch.testing.assert_close(difference, constant)


def test_the_divergence_between_layers_is_torchs():
    parameters = [normal(4, 3, seed=seed) for seed in range(4)]
    one, other = (
        Independent(Normal(mean, (log_variance / 2).exp()), 1)
        for mean, log_variance in (parameters[:2], parameters[2:])
    )
    torch.testing.assert_close(compute_mutual_divergence(*parameters), kl_divergence(one, other))


def test_the_learned_deviation_settles_at_the_root_mean_square_residual():
    residual, n_values = torch.tensor([3.0, 5.0]), 16
    log_gamma = torch.tensor(0.0, requires_grad=True)
    optimiser = torch.optim.Adam([log_gamma], lr=0.05)
    for _ in range(500):
        loss = compute_bound(residual, n_values, log_gamma, torch.zeros(2)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert log_gamma.exp().item() == pytest.approx(math.sqrt(4 / 16), rel=1e-3)


def test_the_second_stage_costs_what_its_matrices_are_of_the_generators(make_request):
    """Both of its networks have products d x 1024, 1024 x 1024 twice, and (1024 + d) x their outputs."""
    d = 5
    request = make_request(latent_dim=d, architecture="mnist")
    second = LatentVae(d)
    theirs = 2 * (d * 1024 + 2 * 1024**2) + (1024 + d) * 3 * d
    generator = d * 1024 + 1024 * 6272 + 49 * 128 * 64 * 4 + 196 * 64 * 4
    assert measure_second_cost(request, second) == pytest.approx(theirs / generator, rel=1e-6)


def test_both_stages_together_stay_within_the_budget_and_the_second_takes_twice_as_many_steps(
    make_request, monkeypatch
):
    steps, original = {}, two_stage_vae.minimise

    def record(name, optimiser, compute_loss, batches, number):
        steps[name] = number
        original(name, optimiser, compute_loss, batches, number)

    monkeypatch.setattr(two_stage_vae, "minimise", record)
    request = make_request(budget=400, architecture="mnist")  # whose second stage costs less than half
    two_stage_vae.fit(request)
    first, second = steps["2sVAE"], steps["2sVAE, second stage"]
    cost = measure_second_cost(request, LatentVae(5))
    assert second == 2 * first and first > request.count_steps(4)  # which a quarter of the budget pays
    assert (2 * first + cost * second) * 20 <= 400 < (2 * (first + 1) + cost * (second + 2)) * 20


def test_the_second_stage_learns_from_the_posteriors_of_the_encoder(make_request, smooth_images):
    request = make_request()
    encoder, _ = build_autoencoder(request, rng())
    found = infer_posteriors(encoder.eval(), request)
    with torch.no_grad():
        expected = encoder(smooth_images.float() / 255, None)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_the_second_stage_sees_its_input_again_at_its_last_layer():
    network = SkipPerceptron(3, 2)
    nn.init.zeros_(network.hidden[-2].weight)
    nn.init.zeros_(network.hidden[-2].bias)
    z = torch.randn(4, 3, generator=rng())
    expected = z @ network.last.weight[:, -3:].T + network.last.bias
    torch.testing.assert_close(network(z), expected)


def test_the_decoders_penalties_are_those_of_the_equations():
    linear, conv = nn.Linear(3, 5, dtype=torch.float64), nn.ConvTranspose2d(5, 2, 2, dtype=torch.float64)
    decoder = nn.Sequential(linear, nn.BatchNorm1d(5, dtype=torch.float64), conv)
    assert penalise_weights(decoder).item() == pytest.approx(conv.weight.square().sum().item())
    z = normal(4, 3).requires_grad_(True)
    expected = 2 * linear(z) @ linear.weight  # d |W z + b|^2 / dz
    penalty = penalise_gradient(linear(z), z)
    torch.testing.assert_close(penalty, expected.square().mean())
    penalty.backward()
    assert linear.weight.grad is not None and linear.weight.grad.abs().sum() > 0


def test_the_discrepancy_is_the_estimate_written_out():
    z, other = normal(5, 3), normal(5, 3, seed=1)

    def kernel(x, y):
        square = (x - y).square().sum()
        return sum(scale * 6 / (scale * 6 + square) for scale in SCALES)

    n = 5
    within = sum(
        kernel(part[i], part[j]) for part in (z, other) for i in range(n) for j in range(n) if i != j
    )
    across = sum(kernel(z[i], other[j]) for i in range(n) for j in range(n))
    expected = within / (n * (n - 1)) - 2 * across / n**2
    torch.testing.assert_close(measure_discrepancy(z, other), expected)


def test_the_discrepancy_tells_a_shift_and_a_shrinkage_from_the_prior():
    prior, other = normal(500, 4), normal(500, 4, seed=1)
    same = measure_discrepancy(prior, other).abs()
    assert measure_discrepancy(prior, other + 1) > 20 * same
    assert measure_discrepancy(prior, 0.3 * other) > 20 * same


def test_the_adversary_of_latent_vectors_starts_undecided_with_the_authors_deviation():
    adversary = build_discriminator(30, rng())
    weights = torch.cat([layer.weight.flatten() for layer in adversary if isinstance(layer, nn.Linear)])
    assert weights.std().item() == pytest.approx(0.01, rel=0.01)
    assert adversary(normal(100, 30).float()).abs().max() < 1e-3


@pytest.mark.parametrize("rate_factor", [0.3, 30.0])
def test_the_tuning_leaves_the_rate_of_the_adversary_of_latent_vectors_alone(
    make_request, monkeypatch, rate_factor
):
    rates = []

    def keep(optimiser, loss):
        rates.append(optimiser.param_groups[0]["lr"])

    monkeypatch.setattr(wae, "descend", keep)
    request = make_request(rate_factor=rate_factor)
    fit_gan(request)
    assert rates[:2] == pytest.approx([request.learning_rate * rate_factor, 5e-4])
