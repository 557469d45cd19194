"""Near-exact assignment in O(n k) memory: candidate arcs, lap.lapmod, proof by dual potentials."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import lap
import numpy as np
import torch
from torch import Tensor

from models.transport.blockwise import BLOCK_ROWS, top_targets
from models.transport.bsp import match_bsp
from models.transport.potentials import gaussian_potentials, lower_bound, recover_potentials, relative_gap
from models.transport.problem import TransportMap, TransportProblem, build_map

CANDIDATES = 32  # per point and direction
PRICED = 8  # arcs that a row may add in one round
START_PLANS = 16  # partition matchings merged into the bijection that the graph starts with
TOLERANCE = 1e-5  # relative gap at which rounds end
MAX_ROUNDS = 20
GRID = 2.0**40  # steps into which the largest cost is divided
PAIRS = 1 << 20  # pairs scored at once

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SparseSolver:
    """Solves the assignment on a growing graph of candidate arcs until the duals prove it optimal.

    ``candidates``: arcs that the first graph has for each point and direction; ``tolerance``: relative gap at
    which rounds end; ``block_rows``: rows of the n x n scores that are held at once.
    """

    candidates: int = CANDIDATES
    tolerance: float = TOLERANCE
    block_rows: int = BLOCK_ROWS

    def solve(
        self, problem: TransportProblem, generator: torch.Generator, warm_start: TransportMap | None
    ) -> TransportMap:
        """Grow and solve the graph, from the potentials and the assignment of ``warm_start`` if it has any.

        Each round solves the graph with lap.lapmod, recovers potentials h, prices all n^2 pairs in
        blocks and adds the arcs that h shows to be missing. ``gap`` is proven in float64.
        """
        n = problem.n
        shift_source, shift_target = problem.source.mean(0), problem.target_sample.mean(0)
        # Centring changes every map's cost by the same constant and keeps float32 scores sharp.
        source, target = problem.source - shift_source, problem.target_sample - shift_target
        tilt = target.double() @ shift_source.double()  # h in the caller's coordinates is h - tilt
        if warm_start is not None and warm_start.potentials is not None:
            h = warm_start.potentials.to(tilt) + tilt
        else:
            h = gaussian_potentials(source, target)
        base = _feasible_assignment(problem, warm_start, generator).to(source.device)
        arcs = _candidate_arcs(source, target, h, self.candidates, self.block_rows)
        points = torch.arange(n, device=source.device)
        arcs = torch.cat([arcs, points * n + base]).unique()
        for rounds in range(1, MAX_ROUNDS + 1):
            assignment, h = _solve_graph(source, target, h, arcs)
            scores, best = top_targets(source.float(), target.float(), h.float(), PRICED, self.block_rows)
            own = _pair_scores(source, target, h, points, assignment)
            excess = (scores[:, 0].double() - own).clamp(min=0).mean().item()  # half the duality gap
            cost = (source.double() - target.double()[assignment]).square().sum(1).mean().item()
            gap = relative_gap(cost, cost - 2 * excess)
            log.debug("round %d: %d arcs, cost %.6f, gap %.1e", rounds, len(arcs), cost, gap)
            if 2 * excess <= self.tolerance * cost:
                break
            violated = scores.double() > own[:, None]
            rows = points[:, None].expand_as(best)
            grown = torch.cat([arcs, rows[violated] * n + best[violated]]).unique()
            if len(grown) == len(arcs):
                break
            arcs = grown
        h = h - tilt
        unproven = build_map(problem, assignment, "sparse", iterations=rounds, potentials=h)
        gap = relative_gap(
            unproven.cost, lower_bound(problem.source, problem.target_sample, h, self.block_rows)
        )
        return replace(unproven, gap=gap)


def _candidate_arcs(source: Tensor, target: Tensor, h: Tensor, k: int, block_rows: int) -> Tensor:
    """Return the arcs i * n + j of the k least reduced costs of every row and of every column."""
    n = len(source)
    points = torch.arange(n, device=source.device)[:, None]
    scores, columns = top_targets(source.float(), target.float(), h.float(), k, block_rows)
    _, rows = top_targets(target.float(), source.float(), -scores[:, 0], k, block_rows)
    return torch.cat([(points * n + columns).flatten(), (rows * n + points).flatten()])


def _feasible_assignment(
    problem: TransportProblem, warm_start: TransportMap | None, generator: torch.Generator
) -> Tensor:
    """Return a bijection (n,) whose arcs make a perfect matching exist: the last map or BSP plans."""
    if warm_start is not None and warm_start.assignment is not None and warm_start.matched.all():
        return warm_start.assignment
    return match_bsp(problem.source, problem.target_sample, START_PLANS, generator)


def _solve_graph(source: Tensor, target: Tensor, h: Tensor, arcs: Tensor) -> tuple[Tensor, Tensor]:
    """Solve the assignment over sorted arcs; return it (n,) and the improved potentials h (n,)."""
    n = len(source)
    rows, columns = arcs // n, arcs % n
    scores = _pair_scores(source, target, h, rows, columns)
    starts = torch.searchsorted(rows, torch.arange(n + 1, device=rows.device)).cpu().numpy()
    best = torch.full((n,), -torch.inf, dtype=scores.dtype, device=rows.device)
    reduced = best.scatter_reduce(0, rows, scores, "amax")[rows] - scores  # >= 0, small where h is good
    # Costs in [0, 1] (lapmod's limit is 1e6) on a binary grid make every sum exact: ties stay ties and
    # neither solver can creep for ever.
    unit = max(reduced.max().item(), 1e-30)
    costs = np.rint(reduced.cpu().numpy() / unit * GRID) / GRID
    ends = columns.cpu().numpy()
    assignment, _ = lap.lapmod(n, costs, starts.astype(np.int32), ends.astype(np.int32), return_cost=False)
    v = recover_potentials(starts, ends, costs, assignment)
    improved = h + torch.from_numpy(v * unit).to(h)
    return torch.from_numpy(assignment).long().to(h.device), improved - improved.mean()


def _pair_scores(source: Tensor, target: Tensor, h: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return <x_i, z_j> + h_j in float64 for pairs (m,), a million at a time."""
    scores = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
    for start in range(0, len(rows), PAIRS):
        i, j = rows[start : start + PAIRS], columns[start : start + PAIRS]
        scores[start : start + PAIRS] = (source[i].double() * target[j].double()).sum(1) + h[j]
    return scores
