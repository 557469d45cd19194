"""Diffusion-amortised MCMC: chains begin where a diffusion model of earlier chains' ends begins them.

Yu, Zhu, Xie, Ma, Gao, Zhu and Wu, *Learning Energy-Based Prior Model with Diffusion-Amortized MCMC* (NeurIPS
2023), Algorithm 1, on top of LEBM (``rivals.lebm``). A denoiser q(z|I), q(z) where I is left out, starts the
posterior's and the prior's chains. Their ends z train it: with z_t = sqrt(a_t) z + sqrt(1 - a_t) e it
descends

    |e - e_hat(z_t, t, I)|^2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.descent import descend, take_steps
from models.interface import FitRequest, count_weights
from models.langevin.noise import Stream, draw_normal
from models.langevin.tilted import lower, run_chains, run_prior_chains
from models.networks.encoder import Encoder, build_encoder
from models.networks.generator import Generator, build_generator, build_network
from models.rivals.bases.chain_inference import ChainInference, learn_generator
from models.rivals.lebm import (
    BETAS,
    PRIOR_RATE,
    PRIOR_STEP_SIZE,
    PRIOR_STEPS,
    STEP_PER_SIGMA,
    LatentEnergy,
    contrast,
)

POSTERIOR_STEPS = 10  # half of LEBM's here: chains that begin near their end need fewer
DIFFUSION_STEPS = 50
FIRST_BETA, LAST_BETA = 1e-3, 0.2
UPDATES = 6  # of the denoiser at each step, as in the authors' code; the first one trains the encoder too
FREE_SHARE = 0.2  # of a minibatch whose image is left out, for q(z)
WIDTH, TIME_DIM = 256, 32
COST = POSTERIOR_STEPS + 2  # the generator's gradient and the encoder's; the denoiser is small


class Denoiser(nn.Module):
    """Predicts z_t's noise: z_t (B, d), t (B,), features of the image (B, 2 d), zeros for none -> (B, d).

    What it learns is added to sqrt(1 - a_t) z_t, the noise's mean if z is from the prior: chains that an
    untrained denoiser starts then begin as LEBM's do. Without that they begin forty times as far out.
    """

    def __init__(self, d: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(3 * d + TIME_DIM, WIDTH),
            nn.GELU(),
            nn.Linear(WIDTH, WIDTH),
            nn.GELU(),
            nn.Linear(WIDTH, d),
        )

    def forward(self, z: Tensor, time: Tensor, features: Tensor) -> Tensor:
        frequencies = torch.exp(
            -torch.arange(TIME_DIM // 2, device=z.device) * math.log(1e3) / (TIME_DIM // 2)
        )
        angles = time[:, None] * frequencies
        learned = self.layers(torch.cat([z, features, angles.sin(), angles.cos()], 1))
        _, shares = make_schedule(z.device)
        return (1 - shares[time.long()]).sqrt()[:, None] * z + learned


def make_schedule(device: torch.device) -> tuple[Tensor, Tensor]:
    """Make the noise variances beta_t and the shares a_t of signal left after t steps, (T,) each."""
    betas = torch.linspace(FIRST_BETA, LAST_BETA, DIFFUSION_STEPS, device=device)
    return betas, (1 - betas).cumprod(0)


@torch.no_grad()
def denoise(denoiser: Denoiser, noise: Tensor, features: Tensor) -> Tensor:
    """Draw z from the diffusion model: ``noise`` (T + 1, B, d) standard normal -> (B, d).

    Ho, Jain and Abbeel, *Denoising Diffusion Probabilistic Models* (2020), Algorithm 2.
    """
    betas, shares = make_schedule(noise.device)
    z = noise[-1]
    for t in reversed(range(DIFFUSION_STEPS)):
        time = torch.full((len(z),), float(t), device=z.device)
        guess = denoiser(z, time, features)
        z = (z - betas[t] / (1 - shares[t]).sqrt() * guess) / (1 - betas[t]).sqrt()
        if t:
            z = z + betas[t].sqrt() * noise[t]
    return z


def compute_denoising_loss(
    denoiser: Denoiser, z: Tensor, features: Tensor, time: Tensor, noise: Tensor
) -> Tensor:
    """Compute the module's loss, a mean over samples and dimensions: z, noise (B, d), time (B,)."""
    _, shares = make_schedule(z.device)
    share = shares[time][:, None]
    noisy = share.sqrt() * z + (1 - share).sqrt() * noise
    return (noise - denoiser(noisy, time.float(), features)).square().mean()


def build_denoiser(d: int, rng: torch.Generator) -> Denoiser:
    """Build a denoiser that takes z for a draw of the prior, whatever the image."""
    denoiser = build_network(lambda: Denoiser(d), rng)
    last = denoiser.layers[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    return denoiser


class AmortisedChains(ChainInference):
    """LEBM whose chains begin at the denoiser's draws."""

    def __init__(
        self,
        generator: Generator,
        energy: LatentEnergy,
        encoder: Encoder,
        denoiser: Denoiser,
        request: FitRequest,
    ):
        step_size = STEP_PER_SIGMA * request.sigma
        super().__init__(
            generator,
            request.latent_dim,
            request,
            step_size,
            fewest_steps=POSTERIOR_STEPS,
            tilt=energy.eval(),
        )
        self._energy, self._encoder, self._denoiser = energy, encoder.eval(), denoiser.eval()

    @torch.no_grad()
    def draw_start(self, images: Tensor, visible: Tensor | None, indices: Tensor, draw: int) -> Tensor:
        noise = draw_normal(self.seed, Stream.TEST_INIT, indices, draw, DIFFUSION_STEPS + 1, self._dim)
        return denoise(self._denoiser, noise, torch.cat(self._encoder(images, visible), 1))

    @torch.no_grad()
    def draw_prior(self, n: int, draw: int) -> Tensor:
        indices = torch.arange(n, device=self._device)
        noise, chain_noise = (
            draw_normal(self.seed, Stream.GENERATION, indices, 2 * draw + part, steps, self._dim)
            for part, steps in enumerate((DIFFUSION_STEPS + 1, PRIOR_STEPS))
        )
        start = denoise(self._denoiser, noise, noise.new_zeros(n, 2 * self._dim))
        return run_prior_chains(start, chain_noise, PRIOR_STEP_SIZE, self._energy)

    def count_parameters(self) -> int:
        return super().count_parameters() + count_weights(self._energy, self._encoder, self._denoiser)


def fit(request: FitRequest) -> AmortisedChains:
    """Train energy, generator and denoiser on each minibatch."""
    rng = request.make_rng()
    d, device = request.latent_dim, request.device
    generator = build_generator(request.architecture, d, rng).to(device)
    energy = build_network(lambda: LatentEnergy(d), rng).to(device)
    encoder = build_encoder(generator.architecture, d, rng).to(device)
    denoiser = build_denoiser(d, rng).to(device)
    optimiser = request.make_adam(generator.parameters(), betas=BETAS)
    prior_optimiser = request.make_adam(energy.parameters(), PRIOR_RATE * request.learning_rate, BETAS)
    amortiser = request.make_adam([*denoiser.parameters(), *encoder.parameters()])
    network, dtype = lower(generator, request.precision)
    step_size, batches = STEP_PER_SIGMA * request.sigma, request.shuffle(rng)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng).to(device)

    def take_step(step: int) -> Tensor:
        rows = next(batches)
        n = len(rows)
        images, visible = request.load(rows)
        with request.autocast():
            features = torch.cat(encoder(images, visible), 1)
        network.refresh()
        with torch.no_grad():
            start = denoise(denoiser, draw(DIFFUSION_STEPS + 1, n, d), features)
            noise = draw(POSTERIOR_STEPS, n, d)
            z = run_chains(network, start, images, visible, noise, step_size, request.sigma, energy, dtype)
            start = denoise(denoiser, draw(DIFFUSION_STEPS + 1, n, d), torch.zeros_like(features))
            prior = run_prior_chains(start, draw(PRIOR_STEPS, n, d), PRIOR_STEP_SIZE, energy)
        descend(prior_optimiser, contrast(energy, z, prior))
        for _ in range(UPDATES):
            is_free = torch.rand(n, 1, generator=rng).to(device) < FREE_SHARE
            time = torch.randint(DIFFUSION_STEPS, (n,), generator=rng).to(device)
            descend(amortiser, compute_denoising_loss(denoiser, z, features * ~is_free, time, draw(n, d)))
            features = features.detach()
        return learn_generator(generator, optimiser, z, images, visible, request, step)

    take_steps("DAMC", request.count_steps(COST), take_step)
    return AmortisedChains(generator, energy, encoder, denoiser, request)
