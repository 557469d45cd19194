"""Generative adversarial networks with the tables' generators: samples, and nothing that infers.

DCGAN: Radford, Metz and Chintala (ICLR 2016), the non-saturating loss of Goodfellow et al. (2014),

    critic:    - log D(I) - log(1 - D(g(z))),      generator:  - log D(g(z)),      D = 1 / (1 + exp(-f)).

WGAN-GP: Gulrajani, Ahmed, Arjovsky, Dumoulin and Courville (NIPS 2017),

    critic:    f(g(z)) - f(I) + 10 (|df/dI'| - 1)^2,      generator:  - f(g(z)),

with I' between an image and a generated one, and five critic steps for each of the generator's.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.descent import descend, take_steps
from models.interface import FitRequest, FittedMethod, Lacking, apply_split, count_weights, make_rng
from models.networks.critic import build_critic, mix, penalise_gradient
from models.networks.generator import Generator, build_generator

# The papers': learning rate 2e-4 and 1e-4, and Adam's betas.
DCGAN_RATE, DCGAN_BETAS = 2e-4, (0.5, 0.999)
WGAN_RATE, WGAN_BETAS = 1e-4, (0.0, 0.9)
WGAN_CRITIC_STEPS, WGAN_PENALTY = 5, 10.0
# In gradients a sample for each step of the generator: a critic's step sees an image and a generated one; a
# penalty costs two more; a generator's step goes through both networks.
DCGAN_COST = 4
WGAN_COST = 4 * WGAN_CRITIC_STEPS + 2


class Gan(FittedMethod):
    """A generator that draws images and infers nothing; a critic of whole images cannot judge a half one."""

    def __init__(self, generator: Generator, request: FitRequest):
        self.generator, self.seed = generator.eval(), request.seed
        self._device = request.device

    def sample(self, n: int) -> Tensor:
        z = torch.randn(n, self.generator.latent_dim, generator=make_rng(self.seed))
        return self.generate(z.to(self._device))

    @torch.no_grad()
    def generate(self, z: Tensor) -> Tensor:
        return apply_split(self.generator, z)

    def count_parameters(self) -> int:
        return count_weights(self.generator)


def refuse_occlusion(request: FitRequest) -> None:
    """Raise Lacking for occluded training images, which a critic of whole images cannot judge."""
    if request.visible is not None:
        raise Lacking("learns from complete images only")


def fit_dcgan(request: FitRequest) -> Gan:
    """Train a DCGAN."""
    refuse_occlusion(request)
    rng = request.make_rng()
    generator = build_generator(request.architecture, request.latent_dim, rng).to(request.device)
    critic = build_critic(generator.architecture, rng, has_batch_norm=True).to(request.device)
    optimiser, adversary = (
        request.make_adam(network.parameters(), DCGAN_RATE, DCGAN_BETAS) for network in (generator, critic)
    )
    batches = request.shuffle(rng)

    def take_step(step: int) -> Tensor:
        images, _ = request.load(next(batches))
        with request.autocast():
            generated = generator(request.draw_prior(len(images), rng))
            doubt = functional.softplus(-critic(images)) + functional.softplus(critic(generated.detach()))
        descend(adversary, doubt.mean())
        with request.autocast():
            loss = functional.softplus(-critic(generated)).mean()
        descend(optimiser, loss)
        return loss

    take_steps("DCGAN", request.count_steps(DCGAN_COST), take_step)
    return Gan(generator, request)


def fit_wgan_gp(request: FitRequest) -> Gan:
    """Train a WGAN-GP, in float32 for the penalty's second derivatives."""
    refuse_occlusion(request)
    rng = request.make_rng()
    generator = build_generator(request.architecture, request.latent_dim, rng).to(request.device)
    critic = build_critic(generator.architecture, rng).to(request.device)
    optimiser, adversary = (
        request.make_adam(network.parameters(), WGAN_RATE, WGAN_BETAS) for network in (generator, critic)
    )
    batches = request.shuffle(rng)

    def take_step(step: int) -> Tensor:
        for _ in range(WGAN_CRITIC_STEPS):
            images, _ = request.load(next(batches))
            with torch.no_grad():
                generated = generator(request.draw_prior(len(images), rng))
            gap = critic(generated).mean() - critic(images).mean()
            penalty = penalise_gradient(critic, mix(images, generated, rng), target=1.0)
            descend(adversary, gap + WGAN_PENALTY * penalty)
        loss = -critic(generator(request.draw_prior(len(images), rng))).mean()
        descend(optimiser, loss)
        return loss

    take_steps("WGAN-GP", request.count_steps(WGAN_COST), take_step)
    return Gan(generator, request)
