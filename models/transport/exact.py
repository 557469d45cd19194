"""The reference solver that holds the whole cost matrix: Jonker-Volgenant."""

from __future__ import annotations

from dataclasses import dataclass

import lap
import torch

from models.transport.problem import TransportMap, TransportProblem, build_map


@dataclass(frozen=True)
class ExactSolver:
    """Solves the assignment with lap.lapjv, in float64 and O(n^2) memory."""

    def solve(
        self, problem: TransportProblem, generator: torch.Generator, warm_start: TransportMap | None
    ) -> TransportMap:
        """Solve the assignment of Eq. (13) exactly; nothing is random, and a warm start changes nothing."""
        source, target = problem.source.double().cpu(), problem.target_sample.double().cpu()
        costs = torch.cdist(source, target).square_()  # (n, n)
        _, columns, _ = lap.lapjv(costs.numpy())
        return build_map(problem, torch.from_numpy(columns).long(), "exact", gap=0.0, iterations=1)
