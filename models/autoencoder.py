"""An encoder and a decoder behind the interface: what deterministic and Wasserstein auto-encoders share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.encoder import Encoder, build_encoder
from models.generator import Generator, build_generator
from models.interface import FitRequest, FittedMethod, count_weights
from models.likelihood import measure_residual

CHUNK = 500  # images encoded or decoded at once


def build_autoencoder(request: FitRequest, rng: torch.Generator) -> tuple[Encoder, Generator]:
    """Build decoder, then encoder, with weights drawn from ``rng``, on the images' device."""
    generator = build_generator(request.architecture, request.latent_dim, rng).to(request.device)
    return build_encoder(generator.architecture, generator.latent_dim, rng).to(request.device), generator


class Autoencoder(FittedMethod):
    """A trained pair that infers z = the encoder's mean; ``draw_prior``: n, rng -> (n, d) latents to sample.

    ``score_latents``: (B, d) -> (B,), the negative log density of latent vectors, added to the reconstruction
    term as the score; by default the standard normal's.
    """

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
        rng = torch.Generator().manual_seed(self.seed << 8)
        if self._draw_prior is None:
            z = torch.randn(n, self.generator.latent_dim, generator=rng)
        else:
            z = self._draw_prior(n, rng)
        return self.generate(z.to(self._device))

    @torch.no_grad()
    def infer(self, images: Tensor, visible: Tensor | None, steps: int, draw: int) -> Tensor:
        rows = torch.arange(len(images), device=images.device).split(CHUNK)
        parts = [
            self.encoder(images[part].float() / 255, None if visible is None else visible[part])[0]
            for part in rows
        ]
        return torch.cat(parts)

    def draw_posterior(self, images: Tensor, steps: int) -> Tensor:
        return self.infer(images, None, steps, 0)

    @torch.no_grad()
    def generate(self, z: Tensor) -> Tensor:
        return torch.cat([self.generator(part) for part in z.split(CHUNK)])

    def score(self, images: Tensor, steps: int, draw: int) -> Tensor:
        z = self.infer(images, None, steps, draw)
        residual = measure_residual(self.generate(z), images.float() / 255, None)
        return residual / (2 * self.sigma**2) + self._score_latents(z)

    def count_parameters(self) -> int:
        return count_weights(self.encoder, self.generator)


class JudgedAutoencoder(Autoencoder):
    """An auto-encoder with a critic, by which it scores; `judge` says how."""

    def __init__(self, encoder: Encoder, generator: Generator, critic: nn.Module, request: FitRequest):
        super().__init__(encoder, generator, request)
        self.critic = critic.eval()

    def judge(self, images: Tensor, z: Tensor) -> Tensor:
        """The score of images (B, C, H, W) in [0, 1] with their latent vectors (B, d): (B,)."""
        raise NotImplementedError

    @torch.no_grad()
    def score(self, images: Tensor, steps: int, draw: int) -> Tensor:
        batches = (part.float() / 255 for part in images.split(CHUNK))
        return torch.cat([self.judge(batch, self.encoder(batch, None)[0]) for batch in batches])

    def count_parameters(self) -> int:
        return super().count_parameters() + count_weights(self.critic)
