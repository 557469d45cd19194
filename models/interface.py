"""What a method is given to train on and what it offers afterwards: the interface of the tables' rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from models.descent import shuffle
from models.images import to_unit
from models.seeds import derive_rng

DEFAULT_BETAS = (0.9, 0.999)  # Adam's, of methods whose source names none
ROWS_AT_ONCE = 500  # samples that an evaluation holds at once


class Lacking(ValueError):
    """Something that a method does not offer; its cell in a table says so."""


@dataclass(frozen=True)
class FitRequest:
    """What every method is given: data, generator, and what makes the comparison fair.

    ``images``: (N, C, H, W) uint8; ``visible``: (N, 1, H, W) uint8, 1 where the pixel is seen, or None;
    ``sigma``: standard deviation of p(I|z), images in [0, 1]; ``budget``: gradients of one sample's energy
    or loss, in z and in the weights together, that training may take; ``learning_rate``: of methods whose
    source names none; ``rate_factor``: what Adam's rates are multiplied by, all that is tuned;
    ``noisy_scores``: whether a chain that scores an image draws z, or seeks its mode by leaving noise out.
    """

    architecture: str
    latent_dim: int
    images: Tensor
    visible: Tensor | None
    sigma: float
    seed: int
    budget: int
    minibatch: int
    learning_rate: float
    precision: torch.dtype
    rate_factor: float = field(default=1.0, kw_only=True)
    noisy_scores: bool = field(default=False, kw_only=True)

    @property
    def device(self) -> torch.device:
        """Where training runs: where the images are."""
        return self.images.device

    def count_steps(self, cost: float) -> int:
        """Count the minibatch steps that the budget pays for, at least one; ``cost``: gradients a sample."""
        return max(1, math.floor(self.budget / cost / self.batch_size + 1e-9))

    @property
    def batch_size(self) -> float:
        """Mean number of samples in a minibatch: passes are cut into equal parts of at most ``minibatch``."""
        return len(self.images) / math.ceil(len(self.images) / self.minibatch)

    def make_rng(self) -> torch.Generator:
        """Make the generator that all of a method's training draws from."""
        return torch.Generator().manual_seed(self.seed)

    def make_adam(
        self,
        weights: Iterable[Tensor],
        rate: float | None = None,
        betas: tuple[float, float] = DEFAULT_BETAS,
    ) -> torch.optim.Adam:
        """Make an Adam optimiser at the method's own ``rate``, or the request's, times the tuned factor."""
        rate = self.learning_rate if rate is None else rate
        return torch.optim.Adam(list(weights), lr=rate * self.rate_factor, betas=betas, fused=True)

    def draw_prior(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw z (n, d) from N(0, I), on the images' device."""
        return torch.randn(n, self.latent_dim, generator=rng).to(self.device)

    def shuffle(self, rng: torch.Generator) -> Iterator[Tensor]:
        """Yield the rows (B,) of minibatches, pass after pass, for ever."""
        return shuffle(len(self.images), self.minibatch, rng, self.device)

    def load(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """Training images (B, C, H, W) in [0, 1], and what is visible of them."""
        return to_unit(self.images[rows]), None if self.visible is None else self.visible[rows]

    def autocast(self) -> torch.autocast:
        """The request's precision, for networks whose gradients are of first order."""
        return torch.autocast(self.device.type, self.precision, self.precision != torch.float32)


class FittedMethod:
    """A trained method: images go in as uint8 and come out as float32 in [0, 1].

    What a method does not override it lacks, and raises Lacking. ``steps`` and ``draw`` mean the same
    throughout: ``steps`` is how many steps a chain or a descent takes to infer z; ``draw`` numbers
    independent attempts, of which equal numbers give equal results. A method that infers in one go, as a
    deterministic encoder does, reads neither.
    """

    def sample(self, n: int) -> Tensor:
        """Draw ``n`` images from the model: (n, C, H, W)."""
        raise Lacking("draws no images")

    def draw_prior(self, n: int, draw: int) -> Tensor:
        """Draw z from what the method draws its images from, ``draw`` 0 for ``sample``: (n, d)."""
        raise Lacking("has no prior of latent vectors")

    def infer(self, images: Tensor, visible: Tensor | None, steps: int, draw: int) -> Tensor:
        """Infer a latent vector for each new image: (B, d).

        ``visible``: (B, 1, H, W), 1 where a pixel is seen, or None for whole images; ``steps`` and ``draw``:
        as above.
        """
        raise Lacking("infers no latent vectors")

    def infer_training(self, images: Tensor, visible: Tensor | None, steps: int, draw: int = 0) -> Tensor:
        """A latent vector for each training image, from what training left: (N, d)."""
        return self.infer(images, visible, steps, draw)

    def as_points(self) -> FittedMethod:
        """The same method with a point estimate of z in the place of a draw: a chain's mode, q's mean.

        Where its source infers by a point, or knows no other, this is the method itself.
        """
        return self

    def as_draws(self) -> FittedMethod | None:
        """The same method with one draw of its posterior for an image's z; None where it draws none."""
        return None

    def draw_posterior(self, images: Tensor, steps: int) -> Tensor:
        """Draw z for each training image; together they are the aggregated posterior's sample: (N, d)."""
        raise Lacking("draws no posterior")

    def generate(self, z: Tensor) -> Tensor:
        """Generate the images g(z) of latent vectors (B, d): (B, C, H, W)."""
        raise Lacking("has no generator")

    def score(self, images: Tensor, steps: int, draw: int) -> Tensor:
        """Say how anomalous each image is, larger is more: (B,)."""
        raise Lacking("scores no images")

    @property
    def diagnostics(self) -> dict[str, float]:
        """Numbers that the method gives of its own training, by name."""
        return {}

    def count_parameters(self) -> int:
        """Count trained weights: those of inference included, latent vectors of training images not."""
        raise NotImplementedError


def make_rng(seed: int, purpose: int = 0) -> torch.Generator:
    """Make the generator for one of a fitted method's purposes, 0 for samples; training has its own."""
    return derive_rng(seed, purpose)


def count_weights(*networks: nn.Module) -> int:
    """Count the weights of networks, together."""
    return sum(weight.numel() for network in networks for weight in network.parameters())


def split(n: int) -> list[slice]:
    """Cut ``n`` rows into slices of at most ROWS_AT_ONCE."""
    return [slice(start, start + ROWS_AT_ONCE) for start in range(0, n, ROWS_AT_ONCE)]


def apply_split(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Apply ``function`` to tensors with equally many rows, at most ROWS_AT_ONCE rows at a time."""
    return torch.cat([function(*(tensor[rows] for tensor in tensors)) for rows in split(len(tensors[0]))])
