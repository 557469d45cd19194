"""Maximum entropy generators for energy-based models (MEG, cited a second time as EnGAN).

Kumar, Ozair, Goyal, Courville and Bengio, *Maximum Entropy Generators for Energy-Based Models* (2019). With
the energy E, the generator g and a statistics network T that bounds the mutual information of g(z) and z from
below, and so the generator's entropy,

    E:        E(I) - E(g(z)) + lambda |dE/dI|^2 at images,
    g and T:  E(g(z)) - [ - softplus(-T(g(z), z)) - softplus(T(g(z), z')) ],      z' of another sample.

E is the score of an image.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.descent import descend, take_steps
from models.images import to_unit
from models.interface import FitRequest, apply_split, count_weights
from models.networks.critic import Critic, build_critic, penalise_gradient
from models.networks.generator import Generator, build_generator
from models.rivals.gan import Gan, refuse_occlusion

RATE, BETAS = 1e-4, (0.5, 0.9)  # the authors' code
PENALTY = 0.1
COST = 8  # energy: two gradients and two for the penalty; generator, energy, and two pairs through T


class EnergyModel(Gan):
    """A generator that samples and an energy that scores."""

    def __init__(self, generator: Generator, energy: Critic, request: FitRequest):
        super().__init__(generator, request)
        self._energy = energy.eval()

    @torch.no_grad()
    def score(self, images: Tensor, steps: int, draw: int) -> Tensor:
        return apply_split(lambda part: self._energy(to_unit(part)), images)

    def count_parameters(self) -> int:
        return super().count_parameters() + count_weights(self._energy)


def bound_information(matched: Tensor, mismatched: Tensor) -> Tensor:
    """Estimate mutual information (Jensen-Shannon) from T's values at pairs and at strangers, a number.

    Hjelm et al., *Learning Deep Representations by Mutual Information Estimation and Maximization* (2019),
    Eq. (4).
    """
    return (-functional.softplus(-matched) - functional.softplus(mismatched)).mean()


def fit(request: FitRequest) -> EnergyModel:
    """Train energy, generator and statistics network in turn, in float32."""
    refuse_occlusion(request)
    rng = request.make_rng()
    generator = build_generator(request.architecture, request.latent_dim, rng).to(request.device)
    energy = build_critic(generator.architecture, rng).to(request.device)
    statistics = build_critic(generator.architecture, rng, request.latent_dim).to(request.device)
    optimiser = request.make_adam([*generator.parameters(), *statistics.parameters()], RATE, BETAS)
    adversary = request.make_adam(energy.parameters(), RATE, BETAS)
    batches = request.shuffle(rng)

    def take_step(step: int) -> Tensor:
        images, _ = request.load(next(batches))
        z = request.draw_prior(len(images), rng)
        generated = generator(z)
        gap = energy(images).mean() - energy(generated.detach()).mean()
        loss = gap + PENALTY * penalise_gradient(energy, images, target=0.0)
        descend(adversary, loss)
        information = bound_information(statistics(generated, z), statistics(generated, z.roll(1, 0)))
        descend(optimiser, energy(generated).mean() - information)
        return loss

    take_steps("MEG", request.count_steps(COST), take_step)
    return EnergyModel(generator, energy, request)
