"""Populations on which an assignment went wrong without a word: far away, full of ties, of extreme size."""

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from models.transport.centring import centre
from models.transport.potentials import lower_bound
from models.transport.pricing import price
from models.transport.problem import TransportProblem
from models.transport.solve import SOLVERS, solve_transport

PROVEN = 1e-5  # the sparse solver's tolerance


def solve(source, target, solver, **options):
    source, target = torch.as_tensor(source), torch.as_tensor(target)
    return solve_transport(source, target, solver, generator=torch.Generator().manual_seed(0), **options)


def optimum(source, target):
    costs = cdist(np.asarray(source, dtype=float), np.asarray(target, dtype=float), "sqeuclidean")
    rows, columns = linear_sum_assignment(costs / costs.max())
    return costs[rows, columns].mean()


def optimum_of_atoms(source, target):
    """The optimum where few points are distinct: transport between them by POT's network simplex."""
    atoms, weights = zip(
        *(np.unique(part, axis=0, return_counts=True) for part in (source, target)), strict=True
    )
    return ot.emd2(*(part.astype(float) for part in weights), cdist(*atoms, "sqeuclidean")) / len(source)


def test_exact_is_right_where_squared_distances_pass_a_million():
    found = solve([[0.0], [1000.0]], [[0.0], [3000.0]], "exact")
    assert found.assignment.tolist() == [0, 1] and found.cost == pytest.approx(2e6)
    rng = np.random.default_rng(0)
    for number in range(100):
        n = 2 + number % 28
        source, target = 1000 * rng.standard_normal((2, n, 2))
        assert solve(source, target, "exact").cost == pytest.approx(optimum(source, target), rel=1e-9)
    stragglers = np.concatenate([1200 * rng.standard_normal((3, 30)), rng.standard_normal((297, 30))])
    target = rng.standard_normal((300, 30))
    assert solve(stragglers, target, "exact").cost == pytest.approx(optimum(stragglers, target), rel=1e-9)


@pytest.mark.parametrize("solver", ["exact", "sparse"])
def test_neither_offset_nor_unit_nor_anisotropy_moves_the_optimum(solver):
    rng = np.random.default_rng(1)
    source, target = rng.standard_normal((2, 200, 3))
    best = optimum(source, target)
    for change in (lambda x: x + 1e7, lambda x: 1e8 - x, lambda x: 1e-25 * x, lambda x: 1e100 * x):
        found = solve(change(source), change(target), solver)
        reached = np.square(source - target[found.assignment]).sum(1).mean()
        assert reached == pytest.approx(best, rel=1e-6), change(0.0)
    axes = np.logspace(-6, 6, 3)
    assert solve(source * axes, target * axes, solver).cost == pytest.approx(
        optimum(source * axes, target * axes), rel=PROVEN
    )


def draw_hard(name, rng):
    if name == "lattice":
        return rng.integers(0, 3, (2, 3000, 2)).astype(float)
    d = int(name.split()[-1])
    if name.startswith("five"):
        return [rng.standard_normal((5, d))[rng.integers(0, 5, 3000)] for _ in range(2)]
    return [rng.standard_normal((9, d))[rng.integers(0, 9, 2000)], rng.standard_normal((5, d)).repeat(400, 0)]


@pytest.mark.parametrize("name", ["lattice", "five 2", "five 30", "five 128", "nine to five 3"])
def test_sparse_is_optimal_where_few_points_are_distinct(name):
    source, target = draw_hard(name, np.random.default_rng(0))
    found, best = solve(source, target, "sparse"), optimum_of_atoms(source, target)
    assert best * (1 - 1e-12) <= found.cost <= best * (1 + PROVEN)
    assert found.gap <= PROVEN and found.converged


@pytest.mark.parametrize(
    ("width", "d"), [(0, 30), (1e-4, 30), (0.01, 2)], ids=["collapsed", "tight", "tight in the plane"]
)
def test_sparse_is_optimal_on_clusters(width, d):
    rng = np.random.default_rng(2)
    centres = rng.standard_normal((10, d))
    source = centres[rng.integers(0, 10, 800)] + width * rng.standard_normal((800, d))
    target = rng.standard_normal((800, d))
    found, best = solve(source, target, "sparse"), optimum(source, target)
    assert best * (1 - 1e-9) <= found.cost <= best * (1 + PROVEN)
    assert found.gap <= PROVEN


@pytest.mark.parametrize("d", [2, 30, 128])
def test_sparse_is_optimal_where_half_the_points_are_one(d):
    rng = np.random.default_rng(3)
    source, target = rng.standard_normal((2, 800, d))
    source[:400] = source[0]
    found = solve(source, target, "sparse")
    assert found.cost == pytest.approx(optimum(source, target), rel=PROVEN) and found.gap <= PROVEN


@pytest.mark.parametrize("freedom", [1, 2, 30])
def test_a_gap_is_a_share_and_never_less_than_the_true_one(freedom, monkeypatch):
    source, target = np.random.default_rng(4).standard_t(freedom, (2, 1000, 1))
    best = np.square(np.sort(source, 0) - np.sort(target, 0)).mean()
    monkeypatch.setattr("models.transport.sparse.MAX_ROUNDS", 1)
    stopped = solve(source, target, "sparse")
    monkeypatch.undo()
    for found in (stopped, solve(source, target, "sparse")):
        assert 0 <= found.gap <= 1
        assert found.cost * (1 - found.gap) <= best * (1 + 1e-9)
        assert found.converged == (found.gap <= PROVEN)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("k", [1, 8, 200])
def test_prices_of_a_rounded_search_bound_every_score(dtype, k):
    rng = torch.Generator().manual_seed(0)
    source, target = 1e3 + torch.randn(2, 200, 6, generator=rng, dtype=torch.float64)
    h = 1e6 * torch.randn(200, generator=rng, dtype=torch.float64)
    assignment = torch.randperm(200, generator=rng)
    prices = price(source, target, h, assignment, k, dtype)
    scores = source @ target.T + h
    assert (prices.u >= scores.amax(1) - 1e-9).all()
    own = scores[torch.arange(200), assignment]
    assert prices.slack >= 2 * (scores.amax(1) - own).mean() - 1e-9
    cost = (source - target[assignment]).square().sum(1).mean()
    assert cost - prices.slack <= lower_bound(source, target, h) + 1e-6


def test_dual_asks_neither_where_the_latents_lie_nor_in_which_unit():
    rng = torch.Generator().manual_seed(0)
    source, target = 1.3 * torch.randn(500, 5, generator=rng), torch.randn(500, 5, generator=rng)
    for shift, scale in ((0, 1), (1e3, 1), (0, 1e6), (0, 1e-6)):
        found = solve(shift + scale * source, shift + scale * target, "dual")
        assert found.matched_share >= 0.975 and found.converged
    far = 100 * torch.arange(500)[:, None].remainder(2)  # two clusters, a hundred standard deviations apart
    source, target = torch.randn(2, 500, 30, generator=rng)
    assert solve(source + far, target + far, "dual").matched_share >= 0.975


def test_dual_says_when_it_has_not_passed_epsilon(monkeypatch):
    source, target = torch.randn(2, 300, 2, generator=torch.Generator().manual_seed(0))
    assert solve(source, target, "dual", epsilon=0.9).converged
    monkeypatch.setattr("models.transport.dual.MAX_ITERATIONS", 20)
    stopped = solve(source, target, "dual")
    assert stopped.converged is False and stopped.matched_share < 0.975


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_a_source_that_requires_grad_is_corrected_and_passes_its_gradient_on(solver):
    rng = torch.Generator().manual_seed(0)
    source, target = torch.randn(60, 3, generator=rng), torch.randn(60, 3, generator=rng)
    source.requires_grad_()
    found = solve(source, target, solver)
    assert not found.transported.requires_grad
    found.correct(source, 0.25).sum().backward()
    assert torch.allclose(source.grad[found.matched], torch.tensor(0.75))


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_points_at_the_end_of_float32_are_solved_and_those_beyond_are_refused(solver):
    rng = torch.Generator().manual_seed(0)
    source, target = (torch.rand(2, 50, 3, generator=rng) * 2 - 1) * 3e38
    assert solve(source, target, solver).transported.isfinite().all()
    with pytest.raises(ValueError, match=r"source reaches .*: must be at most 1e\+150"):
        solve(source.double() * 1e150, target.double(), solver)


def test_centring_keeps_potentials_there_and_back():
    rng = torch.Generator().manual_seed(0)
    source, target = 7 + 3 * torch.randn(2, 90, 4, generator=rng, dtype=torch.float64)
    centred = centre(TransportProblem(source, target))
    both = torch.cat([centred.source, centred.target])
    assert both.mean(0).abs().max() < 1e-12 and both.square().mean().item() == pytest.approx(1)
    h = torch.randn(90, generator=rng, dtype=torch.float64)
    torch.testing.assert_close(centred.localise(centred.globalise(h)), h)
    # Both coordinates prove the same bound, up to the constant by which centring changes every cost.
    constant = (source.mean(0) - target.mean(0)).square().sum().item()
    local = lower_bound(centred.source, centred.target, h) * centred.scale**2
    assert lower_bound(source, target, centred.globalise(h)) == pytest.approx(local + constant, rel=1e-9)


def test_a_gap_above_a_thousandth_is_a_warning(monkeypatch, caplog):
    source, target = np.random.default_rng(0).integers(0, 3, (2, 400, 2)).astype(float)
    solve(source, target, "sparse")
    assert not caplog.records
    monkeypatch.setattr("models.transport.sparse.MAX_ROUNDS", 1)
    solve(source, target, "sparse")
    assert "transport by sparse of n = 400, d = 2 may cost up to" in caplog.text
