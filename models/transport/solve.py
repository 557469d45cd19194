"""One door to every solver of the correction step: problem in, map out."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from models.transport.bsp import BspSolver
from models.transport.dual import EPSILON, AdamDualSolver, DualSolver
from models.transport.exact import ExactSolver
from models.transport.problem import TransportMap, TransportProblem
from models.transport.sliced import SlicedSolver
from models.transport.sparse import SparseSolver


class Solver(Protocol):
    """What every solver is: a frozen dataclass whose fields are its settings."""

    def solve(
        self, problem: TransportProblem, generator: torch.Generator, warm_start: TransportMap | None
    ) -> TransportMap:
        """Find the map of ``problem``.

        All that is random comes from ``generator``; a solver that starts anew each time leaves
        ``warm_start`` unread.
        """


SOLVERS: dict[str, Solver] = {
    "exact": ExactSolver(),
    "sparse": SparseSolver(),
    "dual": DualSolver(),
    "dual-adam": AdamDualSolver(),
    "sliced": SlicedSolver(),
    "bsp": BspSolver(),
}
EXACT_LIMIT = 1000  # samples; above it the sparse solver is faster
SPARSE_BYTES = 20_000  # memory per sample of the sparse solver, the most measured: on tight clusters
GAP_LIMIT = 1e-3  # above it the log has a warning
MEMORY_SHARE = 0.5  # of the machine's memory; free memory would make the choice change between runs

log = logging.getLogger(__name__)


def solve_transport(
    source: Tensor,
    target: Tensor | None,
    solver: str = "auto",
    epsilon: float = EPSILON,
    *,
    generator: torch.Generator,
    warm_start: TransportMap | None = None,
) -> TransportMap:
    """Compute the one-to-one map from source (n, d) to target (n, d), Eq. (13).

    ``solver`` is a name in SOLVERS or ``auto``; only ``sliced`` accepts target = None. ``epsilon`` is the
    L1 stop of Algorithm 2 (``dual``, ``dual-adam``). ``generator`` lives on the CPU. ``warm_start`` is a
    map between populations of the same size, usually the previous round's. No gradient flows through the
    map. A proven gap above GAP_LIMIT is a warning in the log. Raises ValueError.
    """
    problem = TransportProblem(source.detach(), None if target is None else target.detach())
    if solver != "auto" and solver not in SOLVERS:
        raise ValueError(f"solver = {solver!r}: must be auto or one of {', '.join(SOLVERS)}")
    if not epsilon > 0:
        raise ValueError(f"epsilon = {epsilon}: must be > 0")
    if warm_start is not None and warm_start.transported.shape != source.shape:
        raise ValueError(
            f"warm_start maps shape {tuple(warm_start.transported.shape)}, source has "
            f"{tuple(source.shape)}: both need the same shape"
        )
    if solver == "auto":
        solver, reason = choose_solver(problem.n, problem.d, _total_memory())
        log.info("transport solver %s chosen for n = %d, d = %d: %s", solver, problem.n, problem.d, reason)
    if target is None and solver != "sliced":
        raise ValueError(f"target is None: solver {solver} needs a target per sample, sliced alone none")
    started = time.perf_counter()
    transport = build_solver(solver, epsilon).solve(problem, generator, warm_start)
    if transport.gap is not None and transport.gap > GAP_LIMIT:
        log.warning(
            "transport by %s of n = %d, d = %d may cost up to %.2g %% more than the optimum, after %d rounds",
            *(solver, problem.n, problem.d, 100 * transport.gap, transport.iterations),
        )
    return replace(transport, seconds=time.perf_counter() - started)


def build_solver(name: str, epsilon: float) -> Solver:
    """The solver of a name in SOLVERS; ``epsilon`` is a setting of Algorithm 2 alone."""
    solver = SOLVERS[name]
    return replace(solver, epsilon=epsilon) if isinstance(solver, DualSolver | AdamDualSolver) else solver


def choose_solver(n: int, d: int, memory: int) -> tuple[str, str]:
    """Return the solver ``auto`` takes for n samples of d dimensions and ``memory`` bytes, and why."""
    if n <= EXACT_LIMIT:
        return "exact", f"n <= {EXACT_LIMIT}, where the full matrix is fastest"
    needed = n * (SPARSE_BYTES + 64 * d)
    if needed <= MEMORY_SHARE * memory:
        return "sparse", f"proves its optimality gap in about {needed / 1e9:.1f} GB"
    return "bsp", f"sparse would need about {needed / 1e9:.1f} of {memory / 1e9:.1f} GB"


def _total_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
