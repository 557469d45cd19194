"""The reference solver that holds the whole cost matrix: Jonker-Volgenant."""

from __future__ import annotations

from dataclasses import dataclass

import lap
import torch
from torch import Tensor

from models.transport.centring import centre
from models.transport.problem import TransportMap, TransportProblem, build_map


@dataclass(frozen=True)
class ExactSolver:
    """Solves the assignment with lap.lapjvr, in float64 and O(n^2) memory."""

    def solve(
        self, problem: TransportProblem, generator: torch.Generator, warm_start: TransportMap | None
    ) -> TransportMap:
        """Solve the assignment of Eq. (13) exactly; nothing is random, and a warm start changes nothing."""
        centred = centre(problem)
        costs = measure_costs(centred.source.cpu(), centred.target.cpu())
        _, columns = lap.lapjvr(costs.numpy(), return_cost=False)
        assignment = torch.from_numpy(columns).long()
        return build_map(problem, assignment, "exact", gap=0.0, iterations=1, converged=True)


def measure_costs(source: Tensor, target: Tensor) -> Tensor:
    """Return |x_i - z_j|^2 (n, n) float64, divided by the largest of them.

    Differences are squared, not expanded: an expansion loses what is small beside |x|^2 and |z|^2.
    """
    costs = torch.cdist(source, target, compute_mode="donot_use_mm_for_euclid_dist").square_()
    return costs.div_(costs.max().clamp(min=torch.finfo(torch.float64).tiny))
