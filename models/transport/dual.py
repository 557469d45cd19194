"""Algorithm 2: minimise the dual energy of Eq. (14) over h, memory O(n d)."""

from __future__ import annotations

import math
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
ADAM_BETAS, ADAM_EPS = (0.9, 0.5), 1e-8
ADAM_ITERATIONS, ADAM_RATE_DECAY, ADAM_RATE_STEPS = 5000, 0.1, 1000

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
    """Algorithm 2 with the Adam of the authors' scripts: one second moment for the whole vector h.

    Per-coordinate Adam stalls at three quarters of the targets, at whatever rate (conventions, section 3).
    The first rate, sqrt(n d) / 100, is the scripts'; that it falls tenfold in 1,000 iterations is ours.
    """

    epsilon: float = EPSILON

    def solve(
        self, problem: TransportProblem, generator: torch.Generator, warm_start: TransportMap | None
    ) -> TransportMap:
        """Minimise Eq. (14) from h = 0, or from the potentials of ``warm_start`` if it has any."""
        centred = centre(problem)
        h = torch.zeros_like(centred.tilt)
        if warm_start is not None and warm_start.potentials is not None:
            h = centred.localise(warm_start.potentials)
        step = AdamStep(h, math.sqrt(centred.source.numel()) / 100)
        return _descend(problem, centred, h, step, self.epsilon, ADAM_ITERATIONS, generator, "dual-adam")


class AdamStep:
    """Adam with a scalar second moment on the gradient #J_j / n - 1 / n of Eq. (14)."""

    def __init__(self, h: Tensor, rate: float) -> None:
        self.mean, self.square, self.rate = torch.zeros_like(h), 0.0, rate

    def __call__(self, h: Tensor, counts: Tensor, iteration: int) -> Tensor:
        gradient = (counts - 1) / len(h)  # its sum is 0, so that h keeps its mean
        first, second = ADAM_BETAS
        self.mean = first * self.mean + (1 - first) * gradient
        self.square = second * self.square + (1 - second) * float(gradient.square().sum())
        unbiased = self.mean / (1 - first ** (iteration + 1))
        scale = math.sqrt(self.square / (1 - second ** (iteration + 1))) + ADAM_EPS
        return h - self.rate * ADAM_RATE_DECAY ** (iteration / ADAM_RATE_STEPS) * unbiased / scale


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
