"""A generator with a latent energy-based prior, both learned by short-run MCMC.

Pang, Han, Nijkamp, Zhu and Wu, *Learning Latent Space Energy-Based Prior Model* (NeurIPS 2020), Algorithm 1.
With the prior p(z) ~ exp(f(z)) N(z; 0, I), z+ from K1 steps on p(z|I) and z- from K0 steps on p(z), both
begun at N(0, I) each time, a minibatch's step is

    f ascends mean f(z+) - mean f(z-),      g descends |M (I - g(z+))|^2 / (2 sigma^2).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.descent import descend, take_steps
from models.interface import FitRequest, count_weights
from models.langevin.noise import Stream, draw_normal
from models.langevin.tilted import lower, run_chains, run_prior_chains
from models.networks.generator import Generator, build_generator, build_network
from models.rivals.bases.chain_inference import ChainInference, learn_generator

# The paper: K0 = 60 steps of .4, K1 = 20 steps of .1 at sigma .3 on [-1, 1]; a step that is stable grows with
# sigma, which here is on [0, 1]; f learns five times as slowly as g.
PRIOR_STEPS, PRIOR_STEP_SIZE = 60, 0.4
POSTERIOR_STEPS = 20
STEP_PER_SIGMA = 0.1 / 0.15
PRIOR_RATE = 0.2
BETAS = (0.5, 0.999)
WIDTH, SLOPE = 200, 0.2
COST = POSTERIOR_STEPS + 1  # the prior's chains go through f alone, which is some hundred times smaller


class LatentEnergy(nn.Module):
    """The prior's f, (B, d) -> (B,): a perceptron with two hidden layers of 200."""

    def __init__(self, d: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(d, WIDTH),
            nn.LeakyReLU(SLOPE),
            nn.Linear(WIDTH, WIDTH),
            nn.LeakyReLU(SLOPE),
            nn.Linear(WIDTH, 1),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)[:, 0]


class LatentEnergyModel(ChainInference):
    """Generator and tilted prior; samples come from chains on the prior."""

    def __init__(self, generator: Generator, energy: LatentEnergy, request: FitRequest):
        step_size = STEP_PER_SIGMA * request.sigma
        super().__init__(
            generator,
            request.latent_dim,
            request,
            step_size,
            fewest_steps=POSTERIOR_STEPS,
            tilt=energy.eval(),
        )
        self._energy = energy

    def draw_prior(self, n: int, draw: int) -> Tensor:
        start = super().draw_prior(n, draw)
        indices = torch.arange(n, device=start.device)
        noise = draw_normal(self.seed, Stream.GENERATION, indices, 2 * draw + 1, PRIOR_STEPS, start.shape[1])
        return run_prior_chains(start, noise, PRIOR_STEP_SIZE, self._energy)

    def count_parameters(self) -> int:
        return super().count_parameters() + count_weights(self._energy)


def contrast(energy: LatentEnergy, posterior: Tensor, prior: Tensor) -> Tensor:
    """Return what f descends: mean f(z-) - mean f(z+)."""
    return energy(prior).mean() - energy(posterior).mean()


def fit(request: FitRequest) -> LatentEnergyModel:
    """Train f and g on each minibatch; inference runs with BatchNorm's frozen statistics."""
    rng = request.make_rng()
    d = request.latent_dim
    generator = build_generator(request.architecture, d, rng).to(request.device)
    energy = build_network(lambda: LatentEnergy(d), rng).to(request.device)
    optimiser = request.make_adam(generator.parameters(), betas=BETAS)
    prior_optimiser = request.make_adam(energy.parameters(), PRIOR_RATE * request.learning_rate, BETAS)
    network, dtype = lower(generator, request.precision)
    step_size, batches = STEP_PER_SIGMA * request.sigma, request.shuffle(rng)

    def take_step(step: int) -> Tensor:
        rows = next(batches)
        images, visible = request.load(rows)
        start, noise = (
            draw_normal(request.seed, stream, rows, step, number, d)
            for stream, number in ((Stream.TRAIN_INIT, 2), (Stream.TRAIN_CHAIN, POSTERIOR_STEPS))
        )
        prior_noise = torch.randn(PRIOR_STEPS, len(rows), d, generator=rng).to(request.device)
        network.refresh()
        with torch.no_grad():
            z = run_chains(network, start[0], images, visible, noise, step_size, request.sigma, energy, dtype)
            prior = run_prior_chains(start[1], prior_noise, PRIOR_STEP_SIZE, energy)
        descend(prior_optimiser, contrast(energy, z, prior))
        return learn_generator(generator, optimiser, z, images, visible, request, step)

    take_steps("LEBM", request.count_steps(COST), take_step)
    return LatentEnergyModel(generator, energy, request)
