"""The nouns of the correction step: a transport problem and the map that solves it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LARGEST = 1e150  # of a coordinate: the squares of float64 and their sums stay finite


@dataclass(frozen=True)
class TransportProblem:
    """Two equally large populations, the inferred latents and the fixed sample of the prior.

    ``source`` and ``target`` are (n, d), floating, finite and at most 1e150; ``target`` is None only where
    the target is the Gaussian itself (solver ``sliced``). Raises ValueError otherwise.
    """

    source: Tensor  # (n, d)
    target: Tensor | None  # (n, d)

    def __post_init__(self) -> None:
        _check_points("source", self.source)
        if self.target is None:
            return
        _check_points("target", self.target)
        for axis, meaning in ((0, "samples n"), (1, "dimensions d")):
            of_target, of_source = self.target.shape[axis], self.source.shape[axis]
            if of_target != of_source:
                raise ValueError(
                    f"target has {of_target} {meaning}, source has {of_source}: both need the same number"
                )

    @property
    def target_sample(self) -> Tensor:
        """The target (n, d), which every solver but ``sliced`` is promised."""
        assert self.target is not None, "solve_transport gives a solver that needs a target one"
        return self.target

    @property
    def n(self) -> int:
        """Samples of either population."""
        return self.source.shape[0]

    @property
    def d(self) -> int:
        """Dimensions of the latent space."""
        return self.source.shape[1]


@dataclass(frozen=True)
class TransportMap:
    """A one-to-one map T from source to target (Algorithm 2's output) and how it was found.

    Unmatched samples keep their latents: their row of ``transported`` equals the source's.
    ``cost`` is the mean squared distance over the matched pairs. ``gap`` is the relative distance
    of ``cost`` from a lower bound proven by dual potentials, None where nothing was proven.
    ``converged`` says whether the solver reached its own stop: ``epsilon`` of Algorithm 2, or the sparse
    solver's tolerance; None where a solver has none. ``potentials`` are the h of Eq. (14), one per target: a
    warm start for the next solve.
    """

    transported: Tensor  # (n, d)
    matched: Tensor  # (n,) bool
    cost: float
    solver: str
    assignment: Tensor | None = None  # (n,) int64, index of the target, -1 where unmatched
    gap: float | None = None
    iterations: int = 0
    seconds: float = 0.0
    potentials: Tensor | None = None  # (n,) float64
    converged: bool | None = None

    @property
    def matched_share(self) -> float:
        """Share of the source samples that the map moves, in [0, 1]."""
        return self.matched.double().mean().item()

    def correct(self, latents: Tensor, alpha: float) -> Tensor:
        """Mix the map with the old latents: z <- alpha T(z) + (1 - alpha) z, Eq. (12).

        ``latents`` (n, d) are the source samples; alpha = 0 and unmatched rows return them exactly.
        """
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha = {alpha}: must lie in [0, 1]")
        if latents.shape != self.transported.shape:
            raise ValueError(
                f"latents have shape {tuple(latents.shape)}, the map {tuple(self.transported.shape)}: "
                "correct the population that the map was solved for"
            )
        mixed = alpha * self.transported + (1 - alpha) * latents
        return torch.where(self.matched[:, None], mixed, latents)


def build_map(
    problem: TransportProblem,
    assignment: Tensor,
    solver: str,
    *,
    gap: float | None = None,
    iterations: int = 0,
    potentials: Tensor | None = None,
    converged: bool | None = None,
) -> TransportMap:
    """Build the map of an assignment (n,) int64 with -1 for the samples that keep their latents."""
    source, target = problem.source, problem.target_sample
    assignment = assignment.to(source.device)
    matched = assignment >= 0
    moved = target.to(source)[assignment.clamp(min=0)]  # (n, d)
    transported = torch.where(matched[:, None], moved, source)
    distances = (transported.double() - source.double()).square().sum(1)[matched]
    cost = distances.mean().item() if len(distances) else 0.0
    return TransportMap(
        transported,
        matched,
        cost,
        solver,
        assignment,
        gap,
        iterations,
        potentials=potentials,
        converged=converged,
    )


def _check_points(name: str, points: Tensor) -> None:
    if points.ndim != 2 or points.shape[0] < 1 or points.shape[1] < 1:
        raise ValueError(f"{name} has shape {tuple(points.shape)}: must be (n, d) with n, d >= 1")
    if not points.is_floating_point():
        raise ValueError(f"{name} has dtype {points.dtype}: must be floating")
    finite = torch.isfinite(points).all(1)
    if not finite.all():
        bad = int((~finite).sum())
        raise ValueError(f"{name} has {bad} non-finite rows of {len(points)}: all latents must be finite")
    if (largest := points.abs().max().item()) > LARGEST:
        raise ValueError(f"{name} reaches {largest:.3g}: must be at most {LARGEST:g}, for finite squares")
