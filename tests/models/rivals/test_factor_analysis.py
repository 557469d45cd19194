"""Linear Gaussian models against scikit-learn, torch and each other."""

import itertools

import pytest
import torch
from sklearn.decomposition import PCA, FactorAnalysis

from models.rivals.factor_analysis import LinearGaussian, draw_gaussian, fit_closed_form, take_em_step

N, P, D = 600, 8, 2


def draw_data():
    rng = torch.Generator().manual_seed(0)
    loadings = torch.randn(P, D, generator=rng, dtype=torch.float64)
    z = torch.randn(N, D, generator=rng, dtype=torch.float64)
    noise = torch.randn(N, P, generator=rng, dtype=torch.float64)
    return z @ loadings.mT + torch.linspace(0, 1, P, dtype=torch.float64) + 0.4 * noise


X = draw_data()


def test_the_closed_form_has_scikit_learns_likelihood():
    model = fit_closed_form(X, D)
    expected = PCA(D).fit(X.numpy()).score(X.numpy())
    assert model.evaluate_log_likelihood(X).mean().item() == pytest.approx(expected, abs=1e-3)
    assert float(model.variances[0]) == pytest.approx(0.16, rel=0.1)


def test_the_likelihood_is_that_of_the_multivariate_normal():
    model = fit_closed_form(X, D)
    covariance = model.loadings @ model.loadings.mT + torch.diag(model.variances)
    normal = torch.distributions.MultivariateNormal(model.mean, covariance)
    torch.testing.assert_close(model.evaluate_log_likelihood(X), normal.log_prob(X))


def test_em_never_lowers_the_likelihood_and_ends_at_the_closed_form():
    best = fit_closed_form(X, D)
    rng = torch.Generator().manual_seed(1)
    start = torch.randn(P, D, generator=rng, dtype=torch.float64)
    model = LinearGaussian(start, X.mean(0), torch.ones(P, dtype=torch.float64))
    values = []
    for _ in range(300):
        model = take_em_step(model, X, None, is_isotropic=True)
        values.append(model.evaluate_log_likelihood(X).mean().item())
    assert all(later >= earlier - 1e-9 for earlier, later in itertools.pairwise(values))
    assert values[-1] == pytest.approx(best.evaluate_log_likelihood(X).mean().item(), abs=1e-4)


def test_factor_analysis_has_scikit_learns_likelihood():
    model = fit_closed_form(X, D)
    for _ in range(500):
        model = take_em_step(model, X, None, is_isotropic=False)
    expected = FactorAnalysis(D, tol=1e-8, max_iter=5000).fit(X.numpy()).score(X.numpy())
    assert model.evaluate_log_likelihood(X).mean().item() == pytest.approx(expected, abs=2e-3)


def test_hidden_values_are_inferred_as_the_normals_conditional():
    model = fit_closed_form(X, D)
    seen = torch.ones(P, dtype=torch.float64)
    seen[[1, 4, 5]] = 0
    z, covariance = model.infer(X[:3], seen.expand(3, -1))
    visible, hidden = seen == 1, seen == 0
    whole = model.loadings @ model.loadings.mT + torch.diag(model.variances)
    across, within = whole[hidden][:, visible], whole[visible][:, visible]
    centred = (X[:3] - model.mean)[:, visible]
    expected = model.mean[hidden] + centred @ torch.linalg.solve(within, across.mT)
    torch.testing.assert_close((z @ model.loadings.mT + model.mean)[:, hidden], expected)
    complete, one = model.infer(X[:3])
    assert one.shape == (1, D, D) and covariance.shape == (3, D, D)
    assert (torch.linalg.det(covariance) > torch.linalg.det(one)).all()  # less seen, less known
    assert complete.shape == (3, D)


def test_em_on_what_is_seen_finds_the_model_behind_it():
    rng = torch.Generator().manual_seed(2)
    seen = (torch.rand(N, P, generator=rng) < 0.7).double()
    spoiled = torch.where(seen == 1, X, torch.full_like(X, 100.0))
    start = fit_closed_form(X * seen, D)
    model = start
    for _ in range(200):
        model = take_em_step(model, spoiled, seen, is_isotropic=True)
    best = fit_closed_form(X, D).evaluate_log_likelihood(X).mean()
    assert best - model.evaluate_log_likelihood(X).mean() < 0.05
    assert best - start.evaluate_log_likelihood(X).mean() > 0.5


def test_draws_of_the_posterior_have_its_mean_and_covariance():
    model = fit_closed_form(X, D)
    seen = torch.ones(2, P, dtype=torch.float64)
    seen[1, :5] = 0  # whose posterior is wider
    mean, covariance = model.infer(X[:2], seen)
    rng = torch.Generator().manual_seed(0)
    n = 40_000
    wide = mean.repeat_interleave(n, 0), covariance.repeat_interleave(n, 0)
    draws = draw_gaussian(*wide, rng).view(2, n, D)
    torch.testing.assert_close(draws.mean(1), mean, atol=0.02, rtol=0)
    for one, expected in zip(draws, covariance, strict=True):
        torch.testing.assert_close(torch.cov(one.mT), expected, atol=0.02, rtol=0.03)
    shared = draw_gaussian(mean, covariance[:1], rng)  # of images seen whole, which share a covariance
    assert shared.shape == (2, D)
