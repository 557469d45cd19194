"""Maximum entropy generators for energy-based models (MEG, cited a second time as EnGAN).

Kumar, Ozair, Goyal, Courville and Bengio, *Maximum Entropy Generators for Energy-Based Models* (2019). With
the energy E, the generator g and a statistics network T that bounds the mutual information of g(z) and z from
below, and so the generator's entropy,

    E:        E(I) - E(g(z)) + lambda |dE/dI|^2 at images,                 five steps for each one of
    g and T:  E(g(z)) - w [ - softplus(-T(g(z), z)) - softplus(T(g(z), z')) ],      z' of another sample.

E is the score of an image. The authors' code (``scripts/train``) has five steps of E where images are
generated (``ebm_mnist``, ``ebm_cifar``, ``ebm_celeba``); its ``anomaly_mnist`` has one.
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
ENERGY_STEPS = 5
# Their cross entropy is a mean over the B pairs and the B strangers together, half of the sum of both means.
INFORMATION_WEIGHT = 0.5
# Of the mean over an image's pixels of |dE/dx|^2 for x in [-1, 1] (``anomaly_mnist``, ``score_penalty``).
PIXEL_PENALTY = 100.0
COST = 4 * ENERGY_STEPS + 4  # E: two gradients, two for the penalty; then g, E, and two pairs through T


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


def weigh_penalty(height: int, width: int) -> float:
    """Convert the authors' weight to lambda, that of |dE/dI|^2 summed over an image in [0, 1].

    With x = 2 I - 1 dE/dI is 2 dE/dx, so that |dE/dx|^2 = |dE/dI|^2 / 4; their mean over pixels, of squares
    summed over channels, is that over H W. 28 x 28 pixels: 100 / (4 * 784) = .032.
    """
    return PIXEL_PENALTY / (4 * height * width)


def fit(request: FitRequest) -> EnergyModel:
    """Train energy, generator and statistics network in turn, in float32."""
    refuse_occlusion(request)
    rng = request.make_rng()
    generator = build_generator(request.architecture, request.latent_dim, rng).to(request.device)
    energy = build_critic(generator.architecture, rng).to(request.device)
    statistics = build_critic(generator.architecture, rng, request.latent_dim).to(request.device)
    optimiser = request.make_adam([*generator.parameters(), *statistics.parameters()], RATE, BETAS)
    adversary = request.make_adam(energy.parameters(), RATE, BETAS)
    batches, penalty = request.shuffle(rng), weigh_penalty(*request.images.shape[2:])

    def take_step(step: int) -> Tensor:
        for _ in range(ENERGY_STEPS):
            images, _ = request.load(next(batches))
            with torch.no_grad():
                generated = generator(request.draw_prior(len(images), rng))
            gap = energy(images).mean() - energy(generated).mean()
            loss = gap + penalty * penalise_gradient(energy, images, target=0.0)
            descend(adversary, loss)
        z = request.draw_prior(len(images), rng)
        generated = generator(z)
        information = bound_information(statistics(generated, z), statistics(generated, z.roll(1, 0)))
        descend(optimiser, energy(generated).mean() - INFORMATION_WEIGHT * information)
        return loss

    take_steps("MEG", request.count_steps(COST), take_step)
    return EnergyModel(generator, energy, request)
