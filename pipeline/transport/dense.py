"""Reference solvers that hold the whole problem: exact by Jonker-Volgenant, bijection by BSP plans."""

from __future__ import annotations

import lap
import torch
from ot.bsp import compute_bspot_bijection
from torch import Tensor

from pipeline.transport.problem import TransportMap, TransportProblem, build_map

BSP_PLANS = 64


def solve_exact(
    problem: TransportProblem, epsilon: float, generator: torch.Generator, warm_start: TransportMap | None
) -> TransportMap:
    """Solve the assignment of Eq. (13) exactly with lap.lapjv: float64 and O(n^2) memory."""
    source, target = problem.source.double().cpu(), problem.target.double().cpu()
    costs = torch.cdist(source, target).square_()  # (n, n)
    _, columns, _ = lap.lapjv(costs.numpy())
    return build_map(problem, torch.from_numpy(columns).long(), "exact", gap=0.0, iterations=1)


def solve_bsp(
    problem: TransportProblem, epsilon: float, generator: torch.Generator, warm_start: TransportMap | None
) -> TransportMap:
    """Merge 64 random BSP matchings into one bijection (POT's ot.bsp), O(n log n), no bound proven."""
    assignment = match_bsp(problem.source, problem.target, BSP_PLANS, generator)
    return build_map(problem, assignment, "bsp", iterations=BSP_PLANS)


def match_bsp(source: Tensor, target: Tensor, plans: int, generator: torch.Generator) -> Tensor:
    """Return a bijection (n,) int64 of low cost from `plans` random BSP matchings."""
    if len(source) == 1:
        return torch.zeros(1, dtype=torch.int64)
    seed = int(torch.randint(2**31 - 1, (1,), generator=generator))
    source, target = source.double().cpu().numpy(), target.double().cpu().numpy()
    _, assignment, _ = compute_bspot_bijection(source, target, n_plans=plans, seed=seed)
    return torch.as_tensor(assignment).long()
