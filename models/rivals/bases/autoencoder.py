"""An encoder and a decoder behind the interface: what deterministic and Wasserstein auto-encoders share."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.images import to_unit
from models.interface import FitRequest, FittedMethod, apply_split, count_weights, make_rng, split
from models.langevin.energy import measure_residual
from models.networks.encoder import Encoder, build_encoder, draw_latents
from models.networks.generator import Generator, build_generator


def build_autoencoder(request: FitRequest, rng: torch.Generator) -> tuple[Encoder, Generator]:
    """Build decoder, then encoder, with weights drawn from ``rng``, on the images' device."""
    generator = build_generator(request.architecture, request.latent_dim, rng).to(request.device)
    return build_encoder(generator.architecture, generator.latent_dim, rng).to(request.device), generator


class Autoencoder(FittedMethod):
    """A trained pair that infers z = the encoder's mean; ``draw_prior``: n, rng -> (n, d) latents to sample.

    ``score_latents``: (B, d) -> (B,), the negative log density of latent vectors, added to the reconstruction
    term as the score; by default the standard normal's.
    """

    has_posterior = False  # whether the encoder's second output is a log variance that was learned
    _draws = False  # whether ``infer`` draws from it

    def __init__(
        self,
        encoder: Encoder,
        generator: Generator,
        request: FitRequest,
        draw_prior: Callable[[int, torch.Generator], Tensor] | None = None,
        score_latents: Callable[[Tensor], Tensor] = lambda z: z.square().sum(1) / 2,
    ):
        self.encoder, self.generator = encoder.eval(), generator.eval()
        self.sigma, self.seed = request.sigma, request.seed
        self._device = request.device
        self._draw_prior, self._score_latents = draw_prior, score_latents

    def sample(self, n: int) -> Tensor:
        return self.generate(self.draw_prior(n, 0))

    def draw_prior(self, n: int, draw: int) -> Tensor:
        rng = make_rng(self.seed, draw)
        if self._draw_prior is None:
            z = torch.randn(n, self.generator.latent_dim, generator=rng)
        else:
            z = self._draw_prior(n, rng)
        return z.to(self._device)

    @torch.no_grad()
    def infer(self, images: Tensor, visible: Tensor | None, steps: int, draw: int) -> Tensor:
        """Return the encoder's mean, a function of the image: neither ``steps`` nor ``draw`` is read."""
        if self._draws:
            return self._draw(images, visible, draw)
        parts = [
            self.encoder(to_unit(images[rows]), None if visible is None else visible[rows])[0]
            for rows in split(len(images))
        ]
        return torch.cat(parts)

    def as_draws(self) -> Autoencoder | None:
        """The same with draws from q(z|I), where the encoder learned one."""
        if not self.has_posterior:
            return None
        drawing = copy.copy(self)
        drawing._draws = True
        return drawing

    @torch.no_grad()
    def draw_posterior(self, images: Tensor, steps: int) -> Tensor:
        """A draw from q(z|I) where the encoder learned one, else the encoder's output."""
        return self._draw(images, None, 0) if self.has_posterior else self.infer(images, None, steps, 0)

    def _draw(self, images: Tensor, visible: Tensor | None, draw: int) -> Tensor:
        rng = make_rng(self.seed, draw)
        parts = []
        for rows in split(len(images)):
            seen = None if visible is None else visible[rows]
            mean, log_variance = self.encoder(to_unit(images[rows]), seen)
            parts.append(draw_latents(mean, log_variance, rng))
        return torch.cat(parts)

    @torch.no_grad()
    def generate(self, z: Tensor) -> Tensor:
        return apply_split(self.generator, z)

    def score(self, images: Tensor, steps: int, draw: int) -> Tensor:
        z = self.infer(images, None, steps, draw)
        residual = measure_residual(self.generate(z), to_unit(images), None)
        return residual / (2 * self.sigma**2) + self._score_latents(z)

    def count_parameters(self) -> int:
        return count_weights(self.encoder, self.generator)


class JudgedAutoencoder(Autoencoder):
    """An auto-encoder with a critic, by which it scores; ``judge`` says how."""

    def __init__(self, encoder: Encoder, generator: Generator, critic: nn.Module, request: FitRequest):
        super().__init__(encoder, generator, request)
        self.critic = critic.eval()

    def judge(self, images: Tensor, z: Tensor) -> Tensor:
        """The score of images (B, C, H, W) in [0, 1] with their latent vectors (B, d): (B,)."""
        raise NotImplementedError

    @torch.no_grad()
    def score(self, images: Tensor, steps: int, draw: int) -> Tensor:
        def judge(part: Tensor) -> Tensor:
            batch = to_unit(part)
            return self.judge(batch, self.encoder(batch, None)[0])

        return apply_split(judge, images)

    def count_parameters(self) -> int:
        return super().count_parameters() + count_weights(self.critic)
