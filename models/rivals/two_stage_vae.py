"""The two-stage VAE: a second VAE learns what the first one's latent vectors are distributed as.

Dai and Wipf, *Diagnosing and Enhancing VAE Models* (ICLR 2019). Both stages minimise, for a sample with P
visible values and a learned standard deviation gamma,

    |M (I - g(z))|^2 / (2 gamma^2) + P log gamma + KL(q(z|I) || N(0, I)),

the second with latent vectors z ~ q(z|I) of the first in the place of images. Samples are drawn as
u ~ N(0, I), z = h(u) + gamma_2 e, g(z).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.descent import minimise
from models.images import to_unit
from models.interface import ROWS_AT_ONCE, FitRequest, apply_split, count_weights
from models.langevin.energy import measure_residual
from models.networks.encoder import MAX_LOG_VARIANCE, Encoder, draw_latents
from models.networks.generator import Generator, build_network
from models.rivals.bases.arithmetic import compare_with_generator
from models.rivals.bases.autoencoder import Autoencoder, build_autoencoder
from models.rivals.vae import compute_divergence

# The authors' code: three hidden layers of 1,024, twice as many epochs for the second stage as for the first.
WIDTH, DEPTH = 1024, 3
SECOND_STAGE_STEPS = 2  # for each of the first stage's
COST = 2  # of a first stage's step: encoder and decoder. The second's is counted: MNIST's is half a gradient


class SkipPerceptron(nn.Module):
    """A perceptron that sees its input again at its last layer: (B, d) -> (B, n_out)."""

    def __init__(self, d: int, n_out: int):
        super().__init__()
        layers: list[nn.Module] = []
        for width_in in (d, *[WIDTH] * (DEPTH - 1)):
            layers += [nn.Linear(width_in, WIDTH), nn.ReLU()]
        self.hidden = nn.Sequential(*layers)
        self.last = nn.Linear(WIDTH + d, n_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.cat([self.hidden(x), x], 1))


class LatentVae(nn.Module):
    """The second stage: z -> q(u|z), u -> z."""

    def __init__(self, d: int):
        super().__init__()
        self.encoder, self.decoder = SkipPerceptron(d, 2 * d), SkipPerceptron(d, d)
        self.log_gamma = nn.Parameter(torch.zeros(()))

    def encode(self, z: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.encoder(z).chunk(2, 1)
        return mean, log_variance.clamp(-MAX_LOG_VARIANCE, MAX_LOG_VARIANCE)


def measure_second_cost(request: FitRequest, second: LatentVae) -> float:
    """What a step of the second stage costs, in gradients of the generator's size; ``second`` on the CPU."""
    z = torch.zeros(1, request.latent_dim)
    return compare_with_generator(request, second, lambda: (second.encode(z), second.decoder(z)))


@torch.no_grad()
def infer_posteriors(encoder: Encoder, request: FitRequest) -> tuple[Tensor, Tensor]:
    """Mean and log variance of q(z|I) for each training image: (N, d) each."""
    rows = torch.arange(len(request.images), device=request.device)
    parts = [encoder(*request.load(part)) for part in rows.split(ROWS_AT_ONCE)]
    means, log_variances = zip(*parts, strict=True)
    return torch.cat(means), torch.cat(log_variances)


def compute_bound(residual: Tensor, n_values: Tensor | int, log_gamma: Tensor, divergence: Tensor) -> Tensor:
    """Compute the module's loss: squared residuals (B,), how many values each has, KL (B,) -> (B,)."""
    return residual / (2 * (2 * log_gamma).exp()) + n_values * log_gamma + divergence


class TwoStageVae(Autoencoder):
    """The first stage infers and reconstructs, the second one says where to sample."""

    has_posterior = True

    def __init__(
        self,
        encoder: Encoder,
        generator: Generator,
        request: FitRequest,
        log_gamma: Tensor,
        second: LatentVae,
    ):
        super().__init__(encoder, generator, request, self._draw_latents)
        self._gamma, self._second = math.exp(float(log_gamma)), second.eval()

    @torch.no_grad()
    def _draw_latents(self, n: int, rng: torch.Generator) -> Tensor:
        u, noise = (torch.randn(n, self.generator.latent_dim, generator=rng) for _ in range(2))
        device = self._second.log_gamma.device
        return self._second.decoder(u.to(device)) + self._second.log_gamma.exp() * noise.to(device)

    @torch.no_grad()
    def score(self, images: Tensor, steps: int, draw: int) -> Tensor:
        """Return the first stage's loss at the mean of q(z|I); neither ``steps`` nor ``draw`` is read."""

        def measure(part: Tensor) -> Tensor:
            batch = to_unit(part)
            mean, log_variance = self.encoder(batch, None)
            residual = measure_residual(self.generator(mean), batch, None)
            return residual / (2 * self._gamma**2) + compute_divergence(mean, log_variance)

        return apply_split(measure, images)

    def count_parameters(self) -> int:
        return super().count_parameters() + count_weights(self._second)


def fit(request: FitRequest) -> TwoStageVae:
    """Train the stages one after the other, the second one twice as many steps, on what the budget pays.

    The first stage's posteriors are inferred once for all steps of the second, which draws z anew each time.
    """
    rng = request.make_rng()
    encoder, generator = build_autoencoder(request, rng)
    log_gamma = torch.tensor(math.log(request.sigma), device=request.device, requires_grad=True)
    n_values = math.prod(generator.architecture.image_shape)

    def compute_first(rows: Tensor) -> Tensor:
        images, visible = request.load(rows)
        with request.autocast():
            mean, log_variance = encoder(images, visible)
            generated = generator(draw_latents(mean, log_variance, rng))
        residual = measure_residual(generated, images, visible)
        counted = n_values if visible is None else visible.flatten(1).sum(1) * images.shape[1]
        return compute_bound(residual, counted, log_gamma, compute_divergence(mean, log_variance)).mean()

    second = build_network(lambda: LatentVae(request.latent_dim), rng)
    nn.init.zeros_(second.log_gamma)
    steps = request.count_steps(COST + SECOND_STAGE_STEPS * measure_second_cost(request, second))
    second.to(request.device)
    weights = [*generator.parameters(), *encoder.parameters(), log_gamma]
    minimise("2sVAE", request.make_adam(weights), compute_first, request.shuffle(rng), steps)
    means, log_variances = infer_posteriors(encoder.eval(), request)

    def compute_second(rows: Tensor) -> Tensor:
        z = draw_latents(means[rows], log_variances[rows], rng)
        mean, log_variance = second.encode(z)
        residual = (z - second.decoder(draw_latents(mean, log_variance, rng))).square().sum(1)
        divergence = compute_divergence(mean, log_variance)
        return compute_bound(residual, z.shape[1], second.log_gamma, divergence).mean()

    optimiser = request.make_adam(second.parameters())
    minimise(
        "2sVAE, second stage", optimiser, compute_second, request.shuffle(rng), SECOND_STAGE_STEPS * steps
    )
    return TwoStageVae(encoder, generator, request, log_gamma.detach(), second)
