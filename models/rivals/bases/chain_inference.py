"""What rivals that infer by Langevin dynamics share: learning at the chains' ends, and what they offer."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from models.descent import descend
from models.images import to_unit
from models.interface import ROWS_AT_ONCE, FitRequest, FittedMethod, apply_split, count_weights, split
from models.langevin.energy import compute_energy, compute_learning_loss
from models.langevin.noise import Stream, draw_normal
from models.langevin.tilted import Tilt, lower, run_chains

MOMENTUM = 0.1  # of BatchNorm's running statistics, as everywhere


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
    max_norm: float = math.inf,
) -> Tensor:
    """Step 1, 2, ... on |M (I - g(z))|^2 / (2 sigma^2) at the chains' ends; returns the mean loss.

    ``max_norm`` as in ``descend``.
    """
    hasten_statistics(network, step)
    with request.autocast():
        generated = network(z)
    loss = compute_learning_loss(generated, images, visible, request.sigma)
    descend(optimiser, loss, max_norm)
    return loss


class ChainInference(FittedMethod):
    """A generator with posterior chains that start from the prior, or from what training left.

    ``network``: (B, d) -> images (B, C, H, W), d the ``latent_dim``; ``step_size``: s of Eq. (8);
    ``latents``: the training images' persistent chains (N, d), None where each inference starts anew;
    ``fewest_steps``: that bring a training image to its latent vector. A method without persistent chains
    names the number that it learned with, for its generator knows no z from elsewhere. ``tilt``: f of the
    prior exp(f(z)) N(z; 0, I).
    """

    def __init__(
        self,
        network: nn.Module,
        latent_dim: int,
        request: FitRequest,
        step_size: float,
        latents: Tensor | None = None,
        fewest_steps: int = 0,
        tilt: Tilt | None = None,
    ):
        self.network = network.eval().requires_grad_(False)
        self.latents, self.tilt = latents, tilt
        self.sigma, self.seed, self.step_size = request.sigma, request.seed, step_size
        self._dim, self._device = latent_dim, request.device
        self._fewest_steps = fewest_steps
        self._noise = 1.0
        self._score_noise = float(request.noisy_scores)
        self._lowered, self._dtype = lower(network, request.precision)

    def draw_start(self, images: Tensor, visible: Tensor | None, indices: Tensor, draw: int) -> Tensor:
        """Where the chains of new images begin: (B, d)."""
        return draw_normal(self.seed, Stream.TEST_INIT, indices, draw, 1, self._dim)[0]

    def draw_prior(self, n: int, draw: int) -> Tensor:
        indices = torch.arange(n, device=self._device)
        return draw_normal(self.seed, Stream.GENERATION, indices, 2 * draw, 1, self._dim)[0]

    def sample(self, n: int) -> Tensor:
        return self.generate(self.draw_prior(n, 0))

    def infer(self, images: Tensor, visible: Tensor | None, steps: int, draw: int) -> Tensor:
        """Run chains of ``steps`` steps; each ``draw`` has a start and noise of its own."""
        return self._run(images, visible, steps, draw, None, self._noise)

    def infer_training(self, images: Tensor, visible: Tensor | None, steps: int, draw: int = 0) -> Tensor:
        return self._run(images, visible, max(steps, self._fewest_steps), draw, self.latents, self._noise)

    def as_points(self) -> ChainInference:
        """Chains without noise: a descent on -log p(I, z), towards a mode."""
        points = copy.copy(self)
        points._noise = 0.0
        return points

    def as_draws(self) -> ChainInference:
        return self

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
            compute_energy(self.network(z[rows]), to_unit(images[rows]), z[rows], self.sigma)
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
        noise_scale: float,
    ) -> Tensor:
        parts = []
        for rows in torch.arange(len(images), device=images.device).split(ROWS_AT_ONCE):
            batch = to_unit(images[rows])
            batch_visible = None if visible is None else visible[rows]
            z = self.draw_start(batch, batch_visible, rows, draw) if start is None else start[rows]
            noise = noise_scale * draw_normal(self.seed, Stream.TEST_CHAIN, rows, draw, steps, self._dim)
            parts.append(
                run_chains(
                    self._lowered,
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
