"""Diffusion-amortised MCMC: chains begin where a diffusion model of earlier chains' ends begins them.

Yu, Zhu, Xie, Ma, Gao, Zhu and Wu, *Learning Energy-Based Prior Model with Diffusion-Amortized MCMC*
(NeurIPS 2023), Algorithm 1, on top of LEBM (``rivals.lebm``). A running average of the diffusion model's
weights starts the posterior's chains by q(z|I) and the prior's by q(z); the ends of the posterior's train the
model (``rivals.latent_diffusion``), encoder included, by six updates. Chains of new images begin at the
model's own weights, as in the authors' code.

The authors' code (``train_gen_recon.py``, ``train_anomaly_det.py``) starts the prior's chains at q(z|I)
instead. It scores an anomaly by |x - g(z)|^2 - f(z) + |z|^2 / 2 for x in [-1, 1], after ten steps without
noise and with eight latent numbers. Ours is the same with |I - g(z)|^2 for I in [0, 1] times 1 / (2 sigma^2),
5.6 at sigma .3, where theirs comes to 4.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from models.descent import descend, take_steps
from models.interface import FitRequest, count_weights
from models.langevin.noise import Stream, draw_normal
from models.langevin.tilted import lower, run_chains, run_prior_chains
from models.networks.generator import Generator, build_generator, build_network
from models.rivals.bases.chain_inference import ChainInference, learn_generator
from models.rivals.latent_diffusion import (
    DIFFUSION_STEPS,
    Amortiser,
    average,
    build_amortiser,
    compute_denoising_loss,
)
from models.rivals.lebm import (
    BETAS,
    PRIOR_RATE,
    PRIOR_STEP_SIZE,
    PRIOR_STEPS,
    STEP_PER_SIGMA,
    LatentEnergy,
    contrast,
)

POSTERIOR_STEPS = 30
UPDATES = 6  # of the diffusion model at each step
FREE_SHARE = 0.2  # of a minibatch whose image is left out, for q(z)
MAX_NORM = 100.0  # of a gradient
DECAY = 1e-4  # of the diffusion model's weights, by AdamW
# Their average moves by .005 at every tenth step: two thousand steps until it leaves the untrained weights.
# Until then ours is the plain mean over all steps, as BatchNorm's statistics are over the first ten.
AVERAGE_SHARE, AVERAGE_EVERY = 0.005, 10
COST = POSTERIOR_STEPS + 1 + UPDATES  # the generator's gradient, the encoder's; the denoiser is small


class AmortisedChains(ChainInference):
    """LEBM whose chains begin at the diffusion model's draws."""

    def __init__(self, generator: Generator, energy: LatentEnergy, amortiser: Amortiser, request: FitRequest):
        super().__init__(
            generator,
            request.latent_dim,
            request,
            STEP_PER_SIGMA * request.sigma,
            fewest_steps=POSTERIOR_STEPS,
            tilt=energy.eval(),
        )
        self._energy, self._amortiser = energy, amortiser.eval()

    @torch.no_grad()
    def draw_start(self, images: Tensor, visible: Tensor | None, indices: Tensor, draw: int) -> Tensor:
        noise = draw_normal(self.seed, Stream.TEST_INIT, indices, draw, DIFFUSION_STEPS + 1, self._dim)
        return self._amortiser.draw(noise, self._amortiser.encode(images, visible))

    @torch.no_grad()
    def draw_prior(self, n: int, draw: int) -> Tensor:
        indices = torch.arange(n, device=self._device)
        noise, chain_noise = (
            draw_normal(self.seed, Stream.GENERATION, indices, 2 * draw + part, steps, self._dim)
            for part, steps in enumerate((DIFFUSION_STEPS + 1, PRIOR_STEPS))
        )
        start = self._amortiser.draw(noise, noise.new_zeros(n, 2 * self._dim))
        return run_prior_chains(start, chain_noise, PRIOR_STEP_SIZE, self._energy)

    def count_parameters(self) -> int:
        return super().count_parameters() + count_weights(self._energy, self._amortiser)


def find_average_share(step: int) -> float:
    """By how much of the way the averaged weights move at step 1, 2, ..."""
    return max(AVERAGE_SHARE / AVERAGE_EVERY, 1 / step)


def fit(request: FitRequest) -> AmortisedChains:
    """Train energy, generator and diffusion model on each minibatch."""
    rng = request.make_rng()
    d, device = request.latent_dim, request.device
    generator = build_generator(request.architecture, d, rng).to(device)
    energy = build_network(lambda: LatentEnergy(d), rng).to(device)
    amortiser = build_amortiser(generator.architecture, d, rng).to(device)
    averaged = copy.deepcopy(amortiser).requires_grad_(False)
    optimiser = request.make_adam(generator.parameters(), betas=BETAS)
    prior_optimiser = request.make_adam(energy.parameters(), PRIOR_RATE * request.learning_rate, BETAS)
    amortiser_optimiser = torch.optim.AdamW(
        amortiser.parameters(), request.learning_rate * request.rate_factor, BETAS, weight_decay=DECAY
    )
    network, dtype = lower(generator, request.precision)
    step_size, batches = STEP_PER_SIGMA * request.sigma, request.shuffle(rng)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng).to(device)

    def run(images: Tensor, visible: Tensor | None) -> tuple[Tensor, Tensor]:
        """The ends of the posterior's and of the prior's chains: (B, d) each."""
        n = len(images)
        network.refresh()
        with torch.no_grad():
            features = averaged.encode(images, visible)
            start = averaged.draw(draw(DIFFUSION_STEPS + 1, n, d), features)
            noise = draw(POSTERIOR_STEPS, n, d)
            z = run_chains(network, start, images, visible, noise, step_size, request.sigma, energy, dtype)
            start = averaged.draw(draw(DIFFUSION_STEPS + 1, n, d), torch.zeros_like(features))
            return z, run_prior_chains(start, draw(PRIOR_STEPS, n, d), PRIOR_STEP_SIZE, energy)

    def take_step(step: int) -> Tensor:
        images, visible = request.load(next(batches))
        n = len(images)
        z, prior = run(images, visible)
        is_free = torch.rand(n, 1, generator=rng).to(device) < FREE_SHARE
        for _ in range(UPDATES):
            with request.autocast():
                features = amortiser.encode(images, visible)
            time = torch.rand(n, generator=rng).to(device)
            loss = compute_denoising_loss(amortiser.denoiser, z, features * ~is_free, time, draw(n, d))
            descend(amortiser_optimiser, loss, MAX_NORM)
        average(averaged, amortiser, find_average_share(step))
        learned = learn_generator(generator, optimiser, z, images, visible, request, step, MAX_NORM)
        descend(prior_optimiser, contrast(energy, z, prior), MAX_NORM)
        return learned

    take_steps("DAMC", request.count_steps(COST), take_step)
    return AmortisedChains(generator, energy, amortiser, request)
