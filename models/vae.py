"""The variational auto-encoder of Tables 2, 3 and 8: the same generator as decoder, amortised inference.

Kingma and Welling, *Auto-Encoding Variational Bayes* (2014). With q(z|I) = N(mu(I), diag exp(lv(I))) and
p(I|z) = N(g(z), sigma^2) on the visible pixels M, the loss of a sample is

    |M (I - g(z))|^2 / (2 sigma^2) + KL(q(z|I) || N(0, I)),   z = mu + exp(lv / 2) e,  e ~ N(0, I),

the negative evidence lower bound up to a constant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.encoder import Encoder, build_encoder
from models.generator import Generator, build_generator
from models.interface import FitRequest, FittedMethod, count_weights
from models.optimisation import minimise, shuffle

CHUNK = 500  # images encoded or decoded at once
SCORED_DRAWS = 10  # draws of z for a sample's score


def compute_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, diag exp(log_variance)) || N(0, I)) per sample in nats: (B, d), (B, d) -> (B,)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


def compute_loss(
    generated: Tensor,
    images: Tensor,
    visible: Tensor | None,
    mean: Tensor,
    log_variance: Tensor,
    sigma: float,
) -> Tensor:
    """The loss of the module's docstring per sample, (B,) in nats, without the Gaussian's constant."""
    residual = generated.float() - images
    if visible is not None:
        residual = residual * visible
    return residual.square().flatten(1).sum(1) / (2 * sigma**2) + compute_divergence(mean, log_variance)


@dataclass(frozen=True)
class VaeSettings:
    """How a VAE is trained; ``steps`` Adam steps of ``batch_size`` samples."""

    steps: int
    batch_size: int
    learning_rate: float
    sigma: float
    precision: torch.dtype = torch.float32


class Vae:
    """A trained pair of encoder and decoder."""

    def __init__(self, encoder: Encoder, generator: Generator, settings: VaeSettings):
        self.encoder, self.generator, self.settings = encoder.eval(), generator.eval(), settings

    @torch.no_grad()
    def encode(self, images: Tensor, visible: Tensor | None = None) -> Tensor:
        """The mean of q(z|I): images (B, C, H, W) in [0, 1] -> (B, d)."""
        return torch.cat(
            [
                self.encoder(images[rows], None if visible is None else visible[rows])[0]
                for rows in _split(len(images))
            ]
        )

    @torch.no_grad()
    def draw_posterior(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """A draw from q(z|I) for each image (B, C, H, W) in [0, 1]: (B, d)."""
        parts = [self.encoder(images[rows], None) for rows in _split(len(images))]
        return torch.cat([draw_latents(mean, log_variance, rng) for mean, log_variance in parts])

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """g(z): (B, d) -> (B, C, H, W) in [0, 1]."""
        return torch.cat([self.generator(z[rows]) for rows in _split(len(z))])

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """g(z) of ``n`` draws from the prior, (n, C, H, W) in [0, 1]."""
        z = torch.randn(n, self.generator.latent_dim, generator=rng)
        return self.decode(z.to(next(self.generator.parameters()).device))

    def reconstruct(self, images: Tensor, visible: Tensor | None = None) -> Tensor:
        """g(mean of q(z|I)): (B, C, H, W) in [0, 1]; hidden pixels are recovered."""
        return self.decode(self.encode(images, visible))

    @torch.no_grad()
    def score(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """The negative evidence lower bound, averaged over draws: (B,), larger is more anomalous."""
        parts = []
        for rows in _split(len(images)):
            mean, log_variance = self.encoder(images[rows], None)
            losses = []
            for _ in range(SCORED_DRAWS):
                generated = self.generator(draw_latents(mean, log_variance, rng))
                losses.append(
                    compute_loss(generated, images[rows], None, mean, log_variance, self.settings.sigma)
                )
            parts.append(torch.stack(losses).mean(0))
        return torch.cat(parts)


def _split(total: int) -> list[slice]:
    return [slice(start, start + CHUNK) for start in range(0, total, CHUNK)]


def draw_latents(mean: Tensor, log_variance: Tensor, rng: torch.Generator) -> Tensor:
    """Draw z ~ q(z|I) by the reparametrisation: (B, d)."""
    noise = torch.randn(mean.shape, generator=rng).to(mean.device)
    return mean + (log_variance / 2).exp() * noise


def fit_vae(
    architecture: str,
    latent_dim: int | None,
    images: Tensor,
    visible: Tensor | None,
    settings: VaeSettings,
    rng: torch.Generator,
    on_step: Callable[[int, float], object] = lambda step, loss: None,
) -> Vae:
    """Minimise the loss by Adam on shuffled batches.

    ``images``: (N, C, H, W) uint8; ``visible``: (N, 1, H, W), 1 where the pixel is seen, or None. All draws
    come from ``rng``. ``on_step`` is told a step and its mean loss now and then.
    Raises ValueError when the loss is no longer finite.
    """
    device = images.device
    generator = build_generator(architecture, latent_dim, rng).to(device)
    encoder = build_encoder(generator.architecture, generator.latent_dim, rng).to(device)

    def compute_mean_loss(rows: Tensor) -> Tensor:
        batch = images[rows].float() / 255
        batch_visible = None if visible is None else visible[rows]
        with torch.autocast(device.type, settings.precision, settings.precision != torch.float32):
            mean, log_variance = encoder(batch, batch_visible)
            generated = generator(draw_latents(mean, log_variance, rng))
        return compute_loss(generated, batch, batch_visible, mean, log_variance, settings.sigma).mean()

    weights = [*generator.parameters(), *encoder.parameters()]
    batches = shuffle(len(images), settings.batch_size, rng, device)
    minimise(
        "VAE", weights, compute_mean_loss, batches, settings.steps, settings.learning_rate, on_step=on_step
    )
    return Vae(encoder, generator, settings)


class AmortisedInference(FittedMethod):
    """A VAE behind the interface: its encoder takes the place of the chains."""

    def __init__(self, vae: Vae, seed: int):
        self._vae, self._seed = vae, seed

    def sample(self, n: int) -> Tensor:
        return self._vae.sample(n, self._rng(0))

    def infer(self, images: Tensor, visible: Tensor | None, steps: int, draw: int) -> Tensor:
        return self._vae.encode(images.float() / 255, visible)

    def draw_posterior(self, images: Tensor, steps: int) -> Tensor:
        return self._vae.draw_posterior(images.float() / 255, self._rng(0))

    def generate(self, z: Tensor) -> Tensor:
        return self._vae.decode(z)

    def score(self, images: Tensor, steps: int, draw: int) -> Tensor:
        return self._vae.score(images.float() / 255, self._rng(1 + draw))

    def count_parameters(self) -> int:
        return count_weights(self._vae.encoder, self._vae.generator)

    def _rng(self, purpose: int) -> torch.Generator:
        return torch.Generator().manual_seed((self._seed << 8) + purpose)


def fit(request: FitRequest) -> AmortisedInference:
    """Train the paper's VAE baseline on the request's budget.

    A step of it costs two gradients a sample: encoder and decoder each have the generator's size.
    """
    settings = VaeSettings(
        steps=request.count_steps(cost=2),
        batch_size=request.minibatch,
        learning_rate=request.learning_rate,
        sigma=request.sigma,
        precision=request.precision,
    )
    rng = torch.Generator().manual_seed(request.seed)
    vae = fit_vae(request.architecture, request.latent_dim, request.images, request.visible, settings, rng)
    return AmortisedInference(vae, request.seed)
