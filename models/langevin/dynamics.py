"""Short-run Langevin dynamics on the posterior of the latent vector (Eq. 7-9, 16-19)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Network = Callable[[Tensor], Tensor]  # (B, d) -> (B, C, H, W)
Step = Callable[[Tensor, Tensor], Tensor]  # z and its noise, already scaled, (B, d) each -> the next z


@dataclass(frozen=True)
class ChainSettings:
    """One short run: K steps of Eq. (8) with separate drift and noise (conventions, section 1).

    ``step_size`` s; ``steps`` K; ``drift_coefficient`` half_square is s^2/2, linear is s;
    ``drift_reduction`` sum is the energy of each sample, mean divides its gradient by the batch size;
    ``noise_scale`` multiplies s, less ``noise_decay`` every ``noise_every`` passes, never below 0.
    """

    step_size: float
    steps: int
    drift_coefficient: Literal["half_square", "linear"] = "half_square"
    drift_reduction: Literal["sum", "mean"] = "sum"
    noise_scale: float = 1.0
    noise_decay: float = 0.0
    noise_every: int = 1

    def drift(self, batch_size: int) -> float:
        """Factor of dU/dz in a step; depends on the batch size only under the ``mean`` reduction."""
        coefficient = self.step_size**2 / 2 if self.drift_coefficient == "half_square" else self.step_size
        return coefficient / batch_size if self.drift_reduction == "mean" else coefficient

    def noise_std(self, passes_done: int) -> float:
        """Standard deviation of a step's noise after ``passes_done`` whole passes over the data."""
        scale = self.noise_scale - self.noise_decay * (passes_done // self.noise_every)
        return max(scale, 0.0) * self.step_size


def langevin_step(
    network: Network,
    z: Tensor,
    images: Tensor,
    visible: Tensor | None,
    noise: Tensor,
    drift: Tensor | float,
    sigma: float,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """One step of Eq. (8), or of Eq. (19) with ``visible``: z - drift dU/dz + noise.

    ``z``, ``noise``: (B, d) float32, the noise already scaled; ``images``: (B, C, H, W); ``visible``:
    (B, 1, H, W) or None. The network runs in ``dtype``, the state and the energy stay in float32.
    """
    generated, pull_back = torch.func.vjp(network, z.to(dtype))  # type: ignore[misc]  # three with has_aux
    residual = (generated.float() - images) / sigma**2
    if visible is not None:
        residual = residual * visible
    (likelihood_gradient,) = pull_back(residual.to(generated.dtype))
    return z - drift * (likelihood_gradient.float() + z) + noise


def run_chain(step: Step, z: Tensor, noise: Tensor) -> Tensor:
    """The short run of Eq. (9): a ``step`` for each of the scaled ``noise`` (K, B, d); returns z^K (B, d).

    The only loop over K: posterior and tilted chains, chains on a prior, compiled and differentiated steps.
    """
    for step_noise in noise:
        z = step(z, step_noise)
    return z
