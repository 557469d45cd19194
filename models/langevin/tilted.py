"""Chains on a tilted posterior, as rivals that infer by Langevin dynamics run them.

The prior of the latent vectors is exp(f(z)) N(z; 0, I) up to a constant, f = 0 where there is no tilt. A step
is Eq. (8) with dU/dz less df/dz. Noise is addressed by the sample's index, as the main method's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import overload

import torch
from torch import Tensor, nn

from models.langevin.dynamics import Network, langevin_step
from models.networks.generator import Generator
from models.networks.lowering import LoweredNetwork

Tilt = Callable[[Tensor], Tensor]  # f: (B, d) -> (B,)


def differentiate(tilt: Tilt, z: Tensor) -> Tensor:
    """df/dz for each sample: (B, d)."""
    with torch.enable_grad():
        z = z.detach().requires_grad_(True)
        return torch.autograd.grad(tilt(z).sum(), z)[0]


def run_chains(
    network: Network,
    z: Tensor,
    images: Tensor,
    visible: Tensor | None,
    noise: Tensor,
    step_size: float,
    sigma: float,
    tilt: Tilt | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Take a step of Eq. (8) for each of the standard normal ``noise`` (K, B, d); returns z^K (B, d).

    ``images``: (B, C, H, W) in [0, 1]; ``visible``: (B, 1, H, W) or None.
    """
    drift = step_size**2 / 2
    for step_noise in noise:
        pull = 0.0 if tilt is None else drift * differentiate(tilt, z)
        z = langevin_step(network, z, images, visible, step_noise * step_size, drift, sigma, dtype) + pull
    return z


def run_prior_chains(z: Tensor, noise: Tensor, step_size: float, tilt: Tilt) -> Tensor:
    """Langevin steps on exp(f(z)) N(z; 0, I): z (n, d), noise (K, n, d) -> (n, d)."""
    drift = step_size**2 / 2
    for step_noise in noise:
        z = z + drift * (differentiate(tilt, z) - z) + step_size * step_noise
    return z


@overload
def lower(network: Generator, precision: torch.dtype) -> tuple[LoweredNetwork, torch.dtype]: ...


@overload
def lower(network: nn.Module, precision: torch.dtype) -> tuple[Network, torch.dtype]: ...


def lower(network: nn.Module, precision: torch.dtype) -> tuple[Network, torch.dtype]:
    """The network as chains run it fastest, and the precision that it takes: a generator is lowered."""
    if isinstance(network, Generator):
        return LoweredNetwork(network.layers, precision), precision
    return network, torch.float32
