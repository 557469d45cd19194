"""Rivals that infer by Langevin dynamics: chains on a tilted posterior, and what they all offer.

The prior of the latent vectors is exp(f(z)) N(z; 0, I) up to a constant, f = 0 where there is no tilt. A step
is Eq. (8) with dU/dz less df/dz. Noise is addressed by the sample's index, as the main method's.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.generator import Generator
from models.interface import CHUNK, FitRequest, FittedMethod, apply_split, count_weights, split
from models.langevin import Network, compute_energy, langevin_step
from models.likelihood import measure_residual
from models.lowering import LoweredNetwork
from models.noise import Stream, draw_normal
from models.optimisation import descend

Tilt = Callable[[Tensor], Tensor]  # f: (B, d) -> (B,)
MOMENTUM = 0.1  # of BatchNorm's running statistics, as everywhere


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


def lower(network: nn.Module, precision: torch.dtype) -> tuple[Network, torch.dtype]:
    """The network as chains run it fastest, and the precision that it takes: a generator is lowered."""
    if isinstance(network, Generator):
        return LoweredNetwork(network.layers, precision), precision
    return network, torch.float32


def hasten_statistics(network: nn.Module, step: int) -> None:
    """Let BatchNorm's running statistics be the plain mean of the first ten steps', then forget as usual.

    Chains run on them. From (0, 1), where they start, momentum .1 takes some forty steps to their scale; all
    that while g(z) hardly depends on z, and with a small budget that is the whole training.
    """
    for layer in network.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layer.momentum = max(MOMENTUM, 1 / step)


def learn_generator(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    z: Tensor,
    images: Tensor,
    visible: Tensor | None,
    request: FitRequest,
    step: int,
) -> Tensor:
    """Step 1, 2, ... on |M (I - g(z))|^2 / (2 sigma^2) at the chains' ends; returns the mean loss."""
    hasten_statistics(network, step)
    with request.autocast():
        generated = network(z)
    loss = measure_residual(generated, images, visible).mean() / (2 * request.sigma**2)
    descend(optimiser, loss)
    return loss


class ChainInference(FittedMethod):
    """A generator with posterior chains that start from the prior, or from what training left.

    ``latents``: the training images' persistent chains (N, d), None where each inference starts anew; then
    ``steps``, the method's own number, brings training images from the prior to their latent vectors.
    """

    def __init__(
        self,
        network: nn.Module,
        latent_dim: int,
        request: FitRequest,
        step_size: float,
        latents: Tensor | None = None,
        steps: int = 0,
        tilt: Tilt | None = None,
    ):
        self.network, self.step_size = network.eval().requires_grad_(False), step_size
        self.latents, self.tilt, self._steps = latents, tilt, steps
        self._score_noise = float(request.noisy_scores)
        self._fast, self._dtype = lower(network, request.precision)
        self.sigma, self.seed, self._dim, self._device = (
            request.sigma,
            request.seed,
            latent_dim,
            request.device,
        )

    def draw_start(self, images: Tensor, visible: Tensor | None, indices: Tensor, draw: int) -> Tensor:
        """Where the chains of new images begin: (B, d)."""
        return draw_normal(self.seed, Stream.TEST_INIT, indices, draw, 1, self._dim)[0]

    def draw_prior(self, n: int) -> Tensor:
        """Latent vectors to sample images from: (n, d)."""
        indices = torch.arange(n, device=self._device)
        return draw_normal(self.seed, Stream.GENERATION, indices, 0, 1, self._dim)[0]

    def sample(self, n: int) -> Tensor:
        return self.generate(self.draw_prior(n))

    def infer(self, images: Tensor, visible: Tensor | None, steps: int, draw: int) -> Tensor:
        return self._run(images, visible, steps, draw, None)

    def infer_training(self, images: Tensor, visible: Tensor | None, steps: int) -> Tensor:
        return self._run(images, visible, max(steps, self._steps), 0, self.latents)

    def draw_posterior(self, images: Tensor, steps: int) -> Tensor:
        return self.infer_training(images, None, steps)

    @torch.no_grad()
    def generate(self, z: Tensor) -> Tensor:
        return apply_split(self.network, z)

    @torch.no_grad()
    def score(self, images: Tensor, steps: int, draw: int) -> Tensor:
        """-log p(I, z) at the end of a chain, as the main method's; the request says whether with noise."""
        z = self._run(images, None, steps, draw, None, self._score_noise)
        parts = [
            compute_energy(self.network(z[rows]), images[rows].float() / 255, z[rows], self.sigma)
            for rows in split(len(z))
        ]
        energy = torch.cat(parts)
        return energy if self.tilt is None else energy - self.tilt(z)

    def count_parameters(self) -> int:
        return count_weights(self.network)

    @torch.no_grad()
    def _run(
        self,
        images: Tensor,
        visible: Tensor | None,
        steps: int,
        draw: int,
        start: Tensor | None,
        noise_scale: float = 1.0,
    ) -> Tensor:
        parts = []
        for rows in torch.arange(len(images), device=images.device).split(CHUNK):
            batch = images[rows].float() / 255
            batch_visible = None if visible is None else visible[rows]
            z = self.draw_start(batch, batch_visible, rows, draw) if start is None else start[rows]
            noise = noise_scale * draw_normal(self.seed, Stream.TEST_CHAIN, rows, draw, steps, self._dim)
            parts.append(
                run_chains(
                    self._fast,
                    z,
                    batch,
                    batch_visible,
                    noise,
                    self.step_size,
                    self.sigma,
                    self.tilt,
                    self._dtype,
                )
            )
        return torch.cat(parts)
