"""Algorithm 2: minimise the dual energy of Eq. (14) over h, memory O(n d)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.transport.blockwise import best_targets
from models.transport.centring import CentredProblem, centre
from models.transport.problem import TransportMap, TransportProblem, build_map

EPSILON = 0.05  # L1 norm of the gradient at which Algorithm 2 stops
MAX_ITERATIONS = 1500
CLIP = 3.0  # a crowded target gives at most this many samples' worth of subgradient
RATE, RATE_DECAY, RATE_STEPS = 0.3, 0.01, 400  # the rate falls geometrically (conventions.md, 3)
PRINTED_ITERATIONS, PRINTED_RATE, PRINTED_BETAS, PRINTED_EPS = 300, 0.1, (0.9, 0.5), 1e-8  # Adam's

Step = Callable[[Tensor, Tensor, int], Tensor]  # h, counts #J_j, iteration -> new h


@dataclass(frozen=True)
class DualSolver:
    """Algorithm 2 with plain subgradient steps at a decaying rate, which pass ``epsilon`` where d >= 3.

    In one or two dimensions the iterations may end before; ``converged`` of the map says so.
    """

    epsilon: float = EPSILON

    def solve(
        self, problem: TransportProblem, generator: torch.Generator, warm_start: TransportMap | None
    ) -> TransportMap:
        """Minimise Eq. (14), from the potentials of ``warm_start`` if it has any."""
        centred = centre(problem)
        h = -centred.target.square().sum(1) / 2  # every target starts with its Voronoi cell
        skipped = 0
        if warm_start is not None and warm_start.potentials is not None:
            h = centred.localise(warm_start.potentials)
            skipped = RATE_STEPS // 2  # the first rates would wipe out what the earlier solution knows

        def step(h: Tensor, counts: Tensor, iteration: int) -> Tensor:
            decay = RATE_DECAY ** ((iteration + skipped) / RATE_STEPS)
            return h - RATE * decay * (counts - 1).clamp(max=CLIP)

        return _descend(problem, centred, h, step, self.epsilon, MAX_ITERATIONS, generator, "dual")


@dataclass(frozen=True)
class AdamDualSolver:
    """Algorithm 2 as printed: per-coordinate Adam, betas (.9, .5), from h = 0."""

    epsilon: float = EPSILON

    def solve(
        self, problem: TransportProblem, generator: torch.Generator, warm_start: TransportMap | None
    ) -> TransportMap:
        """Minimise Eq. (14) as the paper prints it; a warm start is not used."""
        centred = centre(problem)
        h = torch.zeros_like(centred.tilt)
        step = AdamStep(h)
        return _descend(problem, centred, h, step, self.epsilon, PRINTED_ITERATIONS, generator, "dual-adam")


class AdamStep:
    """Adam on the gradient #J_j / n - 1 / n of Eq. (14), centred to leave out the free constant."""

    def __init__(self, h: Tensor) -> None:
        self.mean, self.square = torch.zeros_like(h), torch.zeros_like(h)

    def __call__(self, h: Tensor, counts: Tensor, iteration: int) -> Tensor:
        gradient = (counts - 1) / len(h)
        gradient = gradient - gradient.mean()
        first, second = PRINTED_BETAS
        self.mean = first * self.mean + (1 - first) * gradient
        self.square = second * self.square + (1 - second) * gradient.square()
        unbiased = self.mean / (1 - first ** (iteration + 1))
        scale = (self.square / (1 - second ** (iteration + 1))).sqrt() + PRINTED_EPS
        return h - PRINTED_RATE * unbiased / scale


def _descend(
    problem: TransportProblem,
    centred: CentredProblem,
    h: Tensor,
    step: Step,
    epsilon: float,
    max_iterations: int,
    generator: torch.Generator,
    solver: str,
) -> TransportMap:
    """Step h until sum_j |#J_j / n - 1 / n| <= epsilon; the best h seen makes the map."""
    source, target = centred.source.float(), centred.target.float()
    best_norm, best_h = torch.inf, h
    best_cells: Tensor | None = None
    for iteration in range(max_iterations):
        _, cells = best_targets(source, target, h.float())  # i lies in J_j, j = cells[i]
        counts = torch.bincount(cells, minlength=problem.n).double()  # (n,)
        norm = ((counts - 1) / problem.n).abs().sum().item()
        if norm < best_norm:
            best_norm, best_cells, best_h = norm, cells, h
        if best_norm <= epsilon:
            break
        h = step(h, counts, iteration)
    assert best_cells is not None  # the first norm is finite
    assignment = pick_representatives(best_cells.cpu(), generator)
    return build_map(
        problem,
        assignment,
        solver,
        iterations=iteration + 1,
        potentials=centred.globalise(best_h),
        converged=best_norm <= epsilon,
    )


def pick_representatives(cells: Tensor, generator: torch.Generator) -> Tensor:
    """Keep one random sample per target; the others become -1 and keep their latents.

    ``cells`` (n,) int64 is the best target of every sample; section 5.2, rules (i) to (iii).
    """
    order = torch.randperm(len(cells), generator=generator)
    shuffled = cells[order].numpy()
    _, first = np.unique(shuffled, return_index=True)  # the first of each target in random order
    kept = order[torch.from_numpy(first)]
    assignment = torch.full_like(cells, -1)
    assignment[kept] = cells[kept]
    return assignment
