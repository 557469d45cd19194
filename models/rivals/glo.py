"""Generative latent optimisation: a latent vector for each image, learned like a weight.

Bojanowski, Joulin, Lopez-Paz and Szlam, *Optimizing the Latent Space of Generative Networks* (ICML 2018). The
loss of a sample with P pixels and channels, z_i in the unit ball, is

    |M (I - g(z_i))|^2 / P + sum_j 4^j |L_j(M I) - L_j(M g(z_i))|_1 / P,

with L_j the levels of a Laplacian pyramid. Samples come from one Gaussian fitted to the learned vectors.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from models.descent import descend, take_steps
from models.images import to_unit
from models.interface import FitRequest, FittedMethod, apply_split, count_weights, make_rng, split
from models.latent_density import LatentMixture
from models.networks.generator import Generator, build_generator

LATENT_RATE = 10.0  # ten times the weights' rate in the paper, by plain steps on the minibatch's mean loss
SMALLEST = 7  # side at which the pyramid ends


def build_pyramid(images: Tensor) -> list[Tensor]:
    """Build the Laplacian pyramid of images (B, C, H, W): details from fine to coarse, then what is left."""
    levels = []
    while min(images.shape[2:]) >= 2 * SMALLEST and not any(side % 2 for side in images.shape[2:]):
        smaller = functional.avg_pool2d(images, 2)
        levels.append(images - functional.interpolate(smaller, scale_factor=2))
        images = smaller
    return [*levels, images]


def compute_loss(generated: Tensor, images: Tensor, visible: Tensor | None) -> Tensor:
    """Compute the loss of the module's docstring for each sample: (B, C, H, W) twice -> (B,)."""
    if visible is not None:
        generated, images = generated * visible, images * visible
    difference = generated.float() - images  # the pyramid is linear
    size = math.prod(images.shape[1:])
    details = [
        4.0**level * detail.abs().flatten(1).sum(1) for level, detail in enumerate(build_pyramid(difference))
    ]
    return (difference.square().flatten(1).sum(1) + torch.stack(details).sum(0)) / size


def project(z: Tensor) -> Tensor:
    """Bring latent vectors (B, d) into the unit ball."""
    return z / z.norm(dim=1, keepdim=True).clamp(min=1)


class OptimisedLatents(FittedMethod):
    """A generator and its training images' latent vectors; new images' are found by gradient steps."""

    def __init__(self, generator: Generator, latents: Tensor, request: FitRequest):
        self.generator, self.latents = generator.eval().requires_grad_(False), latents
        self.seed, self._device = request.seed, request.device
        self._rate = LATENT_RATE / request.batch_size  # of an image's own loss, as in training
        self._density = LatentMixture(latents, 1, request.seed)

    def sample(self, n: int) -> Tensor:
        return self.generate(self.draw_prior(n, 0))

    def draw_prior(self, n: int, draw: int) -> Tensor:
        return self._density.draw(n, make_rng(self.seed, draw)).to(self._device)

    def infer(self, images: Tensor, visible: Tensor | None, steps: int, draw: int) -> Tensor:
        """Descend for ``steps`` gradient steps from the training latents' mean; ``draw`` is not read."""
        start = self.latents.mean(0).expand(len(images), -1)
        parts = []
        for rows in split(len(images)):
            batch, z = to_unit(images[rows]), start[rows].clone()
            for _ in range(steps):
                z = z.detach().requires_grad_(True)
                loss = compute_loss(self.generator(z), batch, None if visible is None else visible[rows])
                (gradient,) = torch.autograd.grad(loss.sum(), z)
                z = project(z.detach() - self._rate * gradient)
            parts.append(z.detach())
        return torch.cat(parts)

    def infer_training(self, images: Tensor, visible: Tensor | None, steps: int, draw: int = 0) -> Tensor:
        return self.latents

    def draw_posterior(self, images: Tensor, steps: int) -> Tensor:
        return self.latents

    @torch.no_grad()
    def generate(self, z: Tensor) -> Tensor:
        return apply_split(self.generator, z)

    def score(self, images: Tensor, steps: int, draw: int) -> Tensor:
        """Return the loss where ``infer`` ends: GLO has no density of images."""
        z = self.infer(images, None, steps, draw)
        return compute_loss(self.generate(z), to_unit(images), None)

    def count_parameters(self) -> int:
        return count_weights(self.generator)


def fit(request: FitRequest) -> OptimisedLatents:
    """Train weights by Adam and latent vectors by plain gradient steps, begun on the unit sphere.

    One gradient a sample serves both.
    """
    rng = request.make_rng()
    generator = build_generator(request.architecture, request.latent_dim, rng).to(request.device)
    latents = request.draw_prior(len(request.images), rng)
    latents = latents / latents.norm(dim=1, keepdim=True)
    optimiser = request.make_adam(generator.parameters())
    batches = request.shuffle(rng)

    def take_step(step: int) -> Tensor:
        rows = next(batches)
        images, visible = request.load(rows)
        z = latents[rows].requires_grad_(True)
        with request.autocast():
            generated = generator(z)
        loss = compute_loss(generated, images, visible).mean()
        descend(optimiser, loss)  # moves the weights; z keeps its gradient
        assert z.grad is not None  # a leaf that the loss depends on
        with torch.no_grad():
            latents[rows] = project(z - LATENT_RATE * z.grad)
        return loss

    take_steps("GLO", request.count_steps(cost=1), take_step)
    return OptimisedLatents(generator, latents, request)
