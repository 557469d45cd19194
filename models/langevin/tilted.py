"""Chains on a tilted posterior, as rivals that infer by Langevin dynamics run them.

The prior of the latent vectors is exp(f(z)) N(z; 0, I) up to a constant, f = 0 where there is no tilt. A step
is Eq. (8) with dU/dz less df/dz.

The loop over K is the main method's, ``dynamics.run_chain``. ``InferenceEngine.infer`` around it, with its
chunks and its addressed noise, is not: DAMC draws its training noise from a torch.Generator, SRI
differentiates through its chain, a minibatch is one chunk, and new images come in chunks of
``interface.ROWS_AT_ONCE``. Another chunk is another batch of matrix products, hence other roundings: numbers
would change in their last digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import overload

import torch
from torch import Tensor, nn

from models.langevin.dynamics import Network, langevin_step, run_chain
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

    def step(z: Tensor, step_noise: Tensor) -> Tensor:
        pull = 0.0 if tilt is None else drift * differentiate(tilt, z)
        return langevin_step(network, z, images, visible, step_noise, drift, sigma, dtype) + pull

    return run_chain(step, z, noise * step_size)


def run_prior_chains(z: Tensor, noise: Tensor, step_size: float, tilt: Tilt) -> Tensor:
    """Langevin steps on exp(f(z)) N(z; 0, I): z (n, d), noise (K, n, d) -> (n, d)."""
    drift = step_size**2 / 2

    def step(z: Tensor, step_noise: Tensor) -> Tensor:
        return z + drift * (differentiate(tilt, z) - z) + step_noise

    return run_chain(step, z, noise * step_size)


@overload
def lower(network: Generator, precision: torch.dtype) -> tuple[LoweredNetwork, torch.dtype]: ...


@overload
def lower(network: nn.Module, precision: torch.dtype) -> tuple[Network, torch.dtype]: ...


def lower(network: nn.Module, precision: torch.dtype) -> tuple[Network, torch.dtype]:
    """The network as chains run it fastest, and the precision that it takes: a generator is lowered."""
    if isinstance(network, Generator):
        return LoweredNetwork(network.layers, precision), precision
    return network, torch.float32
