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
from models.transport.centring import centre
from models.transport.potentials import gaussian_potentials, recover_potentials, relative_gap
from models.transport.pricing import price, score_pairs
from models.transport.problem import TransportMap, TransportProblem, build_map

CANDIDATES = 32  # per point and direction
PRICED = 8  # arcs that a row may add in one round
START_PLANS = 1  # partition matchings that make a perfect matching exist; more of them save no round
TOLERANCE = 1e-5  # relative gap at which rounds end
MAX_ROUNDS = 20
STALL = 0.1  # a round that leaves more of the gap than this is followed by arcs drawn at random
NOISE_DIM = 16  # dimensions of the noise that tells equal points apart
NOISE = 3.0  # its standard deviation, in mean excesses of a row
GRID = 2.0**40  # steps into which the largest cost is divided

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
        blocks and adds the arcs that h shows to be missing. ``gap`` is what the prices prove, ``converged``
        whether it passed ``tolerance``.
        """
        n = problem.n
        centred = centre(problem)
        source, target = centred.source, centred.target
        if warm_start is not None and warm_start.potentials is not None:
            h = centred.localise(warm_start.potentials)
        else:
            h = gaussian_potentials(source, target)
        base = _feasible_assignment(source, target, warm_start, generator).to(source.device)
        points = torch.arange(n, device=source.device)
        arcs = _candidate_arcs(source, target, h, self.candidates, self.block_rows)
        arcs = torch.cat([arcs, points * n + base]).unique()
        best_h, bound, slack, dtype = h, -torch.inf, torch.inf, torch.float32
        for rounds in range(1, MAX_ROUNDS + 1):
            assignment, h = _solve_graph(source, target, h, arcs)
            cost = (source - target[assignment]).square().sum(1).mean().item()
            prices = price(source, target, h, assignment, PRICED, dtype, self.block_rows)
            last, slack = slack, prices.slack
            if cost - slack > bound:
                bound, best_h = cost - slack, h
            log.debug("round %d: %d arcs, cost %.6g, slack %.1e", rounds, len(arcs), cost, slack)
            if cost - bound <= self.tolerance * cost:
                break
            grown = torch.cat([arcs, prices.missing])
            if slack > STALL * last:
                noise = NOISE * slack / 2
                drawn = _random_arcs(source, target, h, prices.u, noise, generator, self.block_rows)
                grown = torch.cat([grown, drawn])
            grown = grown.unique()
            if prices.rounding > self.tolerance * cost / 2 and dtype is torch.float32:
                dtype = torch.float64  # float32 cannot tell this population's pairs apart
            elif len(grown) == len(arcs):
                break
            arcs = grown
        unproven = build_map(
            problem, assignment, "sparse", iterations=rounds, potentials=centred.globalise(best_h)
        )
        excess = (cost - bound) * centred.scale**2
        gap = relative_gap(unproven.cost, unproven.cost - excess)
        return replace(unproven, gap=gap, converged=gap <= self.tolerance)


def _candidate_arcs(source: Tensor, target: Tensor, h: Tensor, k: int, block_rows: int) -> Tensor:
    """Return the arcs i * n + j of the k least reduced costs of every row and of every column."""
    n = len(source)
    points = torch.arange(n, device=source.device)[:, None]
    scores, columns = top_targets(source.float(), target.float(), h.float(), k, block_rows)
    _, rows = top_targets(target.float(), source.float(), -scores[:, 0], k, block_rows)
    return torch.cat([(points * n + columns).flatten(), (rows * n + points).flatten()])


def _random_arcs(
    source: Tensor,
    target: Tensor,
    h: Tensor,
    u: Tensor,
    noise: float,
    generator: torch.Generator,
    block_rows: int,
) -> Tensor:
    """Return arcs of nearly least reduced costs, in both directions, under a noise drawn for each pair.

    Equal points have equal scores: without noise all of them ask for the same few partners, and the graph
    never gets the arcs by which they would share. A pair's noise is <a_i, b_j> with Gaussian a, b.
    """
    n, device = len(source), source.device
    a = torch.randn(n, NOISE_DIM, generator=generator).to(device) * (noise / NOISE_DIM**0.5)
    b = torch.randn(n, NOISE_DIM, generator=generator).to(device)
    noisy_source, noisy_target = torch.cat([source.float(), a], 1), torch.cat([target.float(), b], 1)
    points = torch.arange(n, device=device)[:, None]
    _, columns = top_targets(noisy_source, noisy_target, h.float(), PRICED, block_rows)
    _, rows = top_targets(noisy_target, noisy_source, -u.float(), PRICED, block_rows)
    return torch.cat([(points * n + columns).flatten(), (rows * n + points).flatten()])


def _feasible_assignment(
    source: Tensor, target: Tensor, warm_start: TransportMap | None, generator: torch.Generator
) -> Tensor:
    """Return a bijection (n,) whose arcs make a perfect matching exist: the last map or BSP plans."""
    if warm_start is not None and warm_start.assignment is not None and warm_start.matched.all():
        return warm_start.assignment
    return match_bsp(source, target, START_PLANS, generator)


def _solve_graph(source: Tensor, target: Tensor, h: Tensor, arcs: Tensor) -> tuple[Tensor, Tensor]:
    """Solve the assignment over sorted arcs; return it (n,) and the improved potentials h (n,)."""
    n = len(source)
    rows, columns = arcs // n, arcs % n
    scores = score_pairs(source, target, h, rows, columns)
    starts = torch.searchsorted(rows, torch.arange(n + 1, device=rows.device)).cpu().numpy()
    best = torch.full((n,), -torch.inf, dtype=scores.dtype, device=rows.device)
    reduced = best.scatter_reduce(0, rows, scores, "amax")[rows] - scores  # >= 0, small where h is good
    # Costs in [0, 1] (lapmod's limit is 1e6) on a binary grid make every sum exact: ties stay ties and
    # neither solver can creep for ever.
    unit = max(reduced.max().item(), torch.finfo(torch.float64).tiny)
    costs = np.rint(reduced.cpu().numpy() / unit * GRID) / GRID
    ends = columns.cpu().numpy()
    assignment, _ = lap.lapmod(n, costs, starts.astype(np.int32), ends.astype(np.int32), return_cost=False)
    v = recover_potentials(starts, ends, costs, assignment)
    improved = h + torch.from_numpy(v * unit).to(h)
    return torch.from_numpy(assignment).long().to(h.device), improved - improved.mean()
