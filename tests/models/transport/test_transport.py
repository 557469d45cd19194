import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ot.bsp import compute_bspot_bijection
from scipy.optimize import linear_sum_assignment

from models.transport.blockwise import best_targets, top_targets
from models.transport.bsp import draw_plan, take_swaps
from models.transport.dual import AdamStep, pick_representatives
from models.transport.potentials import gaussian_potentials, lower_bound
from models.transport.problem import TransportMap
from models.transport.solve import SOLVERS, choose_solver, solve_transport

BIJECTIONS = ("exact", "sparse", "bsp")


def populations(n=400, d=8, seed=0):
    """An anisotropic source of two clusters and a Gaussian target (conventions, section 3)."""
    rng = torch.Generator().manual_seed(seed)
    shift = torch.where(torch.rand(n, 1, generator=rng) > 0.5, 1.0, -1.0) * torch.eye(d)[0]
    source = torch.randn(n, d, generator=rng) * torch.linspace(0.5, 1.5, d) + shift
    return source, torch.randn(n, d, generator=rng)


def solve(source, target, solver, seed=0, **options):
    rng = torch.Generator().manual_seed(seed)
    return solve_transport(source, target, solver, generator=rng, **options)


def optimum(source, target):
    costs = torch.cdist(source.double(), target.double()).square().numpy()
    rows, columns = linear_sum_assignment(costs)
    return costs[rows, columns].mean()


@pytest.mark.parametrize("solver", BIJECTIONS)
def test_bijections_use_every_target_once(solver):
    source, target = populations()
    found = solve(source, target, solver)
    assert found.matched_share == 1
    assert torch.equal(found.assignment.sort().values, torch.arange(400))
    assert torch.equal(found.transported, target[found.assignment])
    assert found.cost == pytest.approx((source - found.transported).square().sum(1).mean().item(), rel=1e-6)


@pytest.mark.parametrize("d", [1, 8, 30])
@pytest.mark.parametrize("solver", ["exact", "sparse"])
def test_exact_and_sparse_reach_the_optimum_of_an_independent_solver(solver, d):
    source, target = populations(d=d)
    found = solve(source, target, solver)
    assert found.cost == pytest.approx(optimum(source, target), rel=2e-5)
    assert found.gap is not None and found.gap < 2e-5


def test_any_potentials_prove_a_lower_bound():
    source, target = populations(150)
    best = optimum(source, target)
    rng = torch.Generator().manual_seed(1)
    for h in (
        torch.zeros(150),
        -target.square().sum(1) / 2,
        gaussian_potentials(source, target),
        torch.randn(150, generator=rng),
    ):
        assert lower_bound(source, target, h) <= best + 1e-9
    proven = solve(source, target, "sparse").potentials
    assert lower_bound(source, target, proven) == pytest.approx(best, rel=1e-5)


def test_gaussian_potentials_are_those_of_the_linear_map_between_gaussians():
    source, target = torch.randn(2, 5000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    source = source * torch.tensor([2.0, 1.0, 0.5])
    bound = lower_bound(source - source.mean(0), target - target.mean(0), gaussian_potentials(source, target))
    # Squared Wasserstein distance of the two Gaussians: sum (s_i - 1)^2 = 1 + 0 + 0.25.
    assert bound == pytest.approx(1.25, abs=0.1)


@pytest.mark.parametrize("d", [10, 30])
def test_the_dual_passes_its_stop_by_either_step(d):
    source, target = populations(1000, d)
    for found in (solve(source, target, "dual"), solve(source, target, "dual-adam")):
        used = found.assignment[found.matched]
        assert len(used.unique()) == len(used)
        assert torch.equal(found.transported[~found.matched], source[~found.matched])
        # The L1 norm of the gradient counts every empty and every surplus cell: 2 (1 - matched) <= epsilon.
        assert found.converged and 1 - found.matched_share <= 0.05 / 2 + 1e-9


def test_a_warm_start_saves_iterations_and_keeps_the_optimum():
    source, target = populations(1000, 10)
    cold = solve(source, target, "dual")
    moved = source + 0.01 * torch.randn(source.shape, generator=torch.Generator().manual_seed(3))
    assert solve(moved, target, "dual", warm_start=cold).iterations < cold.iterations
    sparse = solve(source, target, "sparse")
    again = solve(moved, target, "sparse", warm_start=sparse)
    assert again.cost == pytest.approx(optimum(moved, target), rel=2e-5)


def test_adam_with_one_second_moment_is_torchs_adam_where_all_gradients_are_equally_large():
    """Per coordinate the second moment is then the n-th part of the whole vector's, and the rate says so."""
    n = 4
    parameter = torch.nn.Parameter(torch.zeros(n, dtype=torch.float64))
    optimiser = torch.optim.Adam([parameter], lr=0.1, betas=(0.9, 0.5), eps=0)
    h, step = torch.zeros(n, dtype=torch.float64), AdamStep(torch.zeros(n), 0.1 * math.sqrt(n))
    for iteration in range(3):
        counts = torch.tensor([0, 2, 2, 0], dtype=torch.float64).roll(iteration)
        parameter.grad = (counts - 1) / n
        optimiser.step()
        h = step(h, counts, iteration)
        rate = 0.1 ** (iteration / 1000)  # the rate's fall, by which this step is shorter than torch's
        assert 0.99 < rate <= 1
        torch.testing.assert_close(h, parameter.detach(), rtol=0.01, atol=1e-6)


def test_a_crowded_cell_keeps_one_random_sample():
    cells = torch.tensor([2, 2, 2, 0, 1, 1])
    winners = set()
    for seed in range(40):
        assignment = pick_representatives(cells, torch.Generator().manual_seed(seed))
        kept = (assignment >= 0).nonzero()[:, 0].tolist()
        assert sorted(assignment[kept].tolist()) == [0, 1, 2]
        winners.add(tuple(kept))
    assert len(winners) == 6  # 3 x 1 x 2 ways, none preferred for standing first


def test_sliced_matching_gives_the_priors_moments_and_follows_the_samples():
    source, _ = populations(3000, 6)
    found = solve(source, None, "sliced")
    mean, covariance = found.transported.mean(0), torch.cov(found.transported.T)
    assert mean.abs().max() < 1e-6
    before = (torch.cov(source.T) - torch.eye(6)).abs().max()
    assert (covariance - torch.eye(6)).abs().max() < 0.15 * before
    order = torch.randperm(3000, generator=torch.Generator().manual_seed(5))
    shuffled = solve(source[order], None, "sliced")
    torch.testing.assert_close(shuffled.transported, found.transported[order], atol=1e-5, rtol=0)


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_the_generator_decides_everything_random(solver):
    source, target = populations(200)
    first, again = solve(source, target, solver, seed=4), solve(source, target, solver, seed=4)
    assert torch.equal(first.transported, again.transported)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_the_correction_is_equation_12_and_leaves_the_unmatched_alone(alpha):
    source, target = populations(300)
    found = solve(source, target, "dual-adam")
    corrected = found.correct(source, alpha)
    assert not found.matched.all()
    assert torch.equal(corrected[~found.matched], source[~found.matched])
    expected = alpha * target[found.assignment] + (1 - alpha) * source
    torch.testing.assert_close(corrected[found.matched], expected[found.matched])
    if alpha == 0:
        assert torch.equal(corrected, source)


@pytest.mark.parametrize("block_rows", [1, 7, 300, 10_000])
def test_blocks_change_nothing_in_the_search(block_rows):
    source, target = populations(300)
    h = torch.randn(300, generator=torch.Generator().manual_seed(1))
    scores = source @ target.T + h
    best, index = best_targets(source, target, h, block_rows)
    torch.testing.assert_close(best, scores.max(1).values)
    assert torch.equal(index, scores.argmax(1))
    top, columns = top_targets(source, target, h, 9, block_rows)
    torch.testing.assert_close(top, scores.topk(9).values)
    torch.testing.assert_close(scores.gather(1, columns), top)


@pytest.mark.parametrize("solver", sorted(SOLVERS))
@pytest.mark.parametrize("n", [1, 2, 5])
def test_tiny_populations_are_solved(solver, n):
    source, target = populations(n, 3)
    found = solve(source, target, solver)
    assert 0 < found.matched_share <= 1 and math.isfinite(found.cost)
    if solver in ("exact", "sparse"):
        assert found.cost == pytest.approx(optimum(source, target), rel=1e-5)


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_identical_and_duplicate_points_end_with_an_answer(solver):
    target = populations(60, 4)[1]
    for source in (torch.zeros(60, 4), target[:3].repeat(20, 1)):
        found = solve(source, target, solver)
        assert math.isfinite(found.cost) and found.matched.any()
        if solver in BIJECTIONS:
            assert len(found.assignment.unique()) == 60
    same = solve(target.clone(), target, "sparse")
    assert same.cost == pytest.approx(0, abs=1e-9)
    solve(torch.zeros(60, 4), torch.zeros(60, 4), solver)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 40), d=st.integers(1, 5), grid=st.integers(1, 4), seed=st.integers(0, 1000))
def test_sparse_is_optimal_on_grids_full_of_ties(n, d, grid, seed):
    rng = np.random.default_rng(seed)
    source, target = (torch.from_numpy(rng.integers(0, grid + 1, (n, d))).float() for _ in range(2))
    assert solve(source, target, "sparse").cost == pytest.approx(optimum(source, target), rel=1e-5, abs=1e-9)


def test_wrong_input_is_named_in_one_line():
    source, target = populations(10)
    broken = source.clone()
    broken[3, 1] = math.nan
    for bad, other, solver, message in (
        (source[:9], target, "exact", "target has 10 samples n, source has 9"),
        (source, target[:, :7], "exact", "target has 7 dimensions d, source has 8"),
        (broken, target, "exact", "source has 1 non-finite rows of 10"),
        (source.long(), target, "exact", "source has dtype torch.int64: must be floating"),
        (source, target, "sinkhorn", "solver = 'sinkhorn': must be auto or one of exact, sparse"),
        (source, None, "exact", "target is None"),
    ):
        with pytest.raises(ValueError) as error:
            solve(bad, other, solver)
        assert str(error.value).startswith(message) and "\n" not in str(error.value)
    with pytest.raises(ValueError, match=r"epsilon = 0: must be > 0"):
        solve(source, target, "dual", epsilon=0)
    with pytest.raises(ValueError, match=r"alpha = 2: must lie in \[0, 1\]"):
        solve(source, target, "exact").correct(source, 2)


def test_auto_chooses_by_size_and_memory():
    assert choose_solver(500, 30, 10**10)[0] == "exact"
    assert choose_solver(60_000, 30, 24 * 10**9)[0] == "sparse"
    assert choose_solver(10**7, 30, 24 * 10**9)[0] == "bsp"


def test_a_map_of_another_population_is_refused():
    source, target = populations(10)
    found = solve(source, target, "exact")
    assert isinstance(found, TransportMap)
    with pytest.raises(ValueError, match="latents have shape"):
        found.correct(source[:5], 0.5)
    with pytest.raises(ValueError, match="warm_start maps shape"):
        solve(source[:5], target[:5], "sparse", warm_start=found)


@pytest.mark.parametrize("n", [1, 2, 7, 64, 100])
def test_a_partition_plan_is_a_bijection_and_swaps_never_make_it_worse(n):
    points, goals = (part.numpy() for part in populations(n))
    rng = np.random.default_rng(0)

    def cost(plan):
        return np.square(points - goals[plan]).sum(dtype=np.float64)

    first, second = draw_plan(points, goals, rng), draw_plan(points, goals, rng)
    merged = take_swaps(points, goals, first, second)
    for plan in (first, second, merged):
        assert np.array_equal(np.sort(plan), np.arange(n))
    assert cost(merged) <= cost(first) + 1e-6
    if n >= 64:
        assert cost(merged) < cost(first)


@pytest.mark.parametrize("d", [8, 30])
def test_merged_partition_plans_cost_no_more_than_pots(d):
    source, target = populations(500, d)
    theirs = torch.from_numpy(compute_bspot_bijection(source.numpy(), target.numpy(), n_plans=64)[1]).long()
    their_cost = (source - target[theirs]).square().sum(1).mean().item()
    assert optimum(source, target) < solve(source, target, "bsp").cost < 1.05 * their_cost


def test_a_partition_plan_in_one_dimension_is_the_sorted_matching():
    rng = np.random.default_rng(1)
    points, goals = rng.normal(size=(33, 1)).astype(np.float32), rng.normal(size=(33, 1)).astype(np.float32)

    class Upwards:
        def standard_normal(self, shape, dtype):
            return np.ones(shape, dtype)

    plan = draw_plan(points, goals, Upwards())
    assert np.array_equal(goals[plan].argsort(0), points.argsort(0))
