"""Inferential Wasserstein GAN: an auto-encoder inside a WGAN, with a duality gap that says when to stop.

Chen, Gao and Wang, *Inferential Wasserstein Generative Adversarial Networks* (2021; lecture_iwgan). With

    L(g, e, f) = E|I - g(e(I))| + E f(g(e(I))) - E f(g(z)),

f ascends L less a gradient penalty; g and e descend L plus the maximum mean discrepancy of e(I) to the prior.
The duality gap sup_f L - inf_{g, e} L, estimated by a few steps of either side from where training stands, is
0 at a solution. |I - g(e(I))| + f(g(e(I))), the negative of the paper's quality score, scores an image.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.descent import descend, take_steps
from models.interface import FitRequest
from models.networks.critic import Critic, build_critic, mix, penalise_gradient
from models.networks.encoder import Encoder
from models.networks.generator import Generator
from models.rivals.bases.autoencoder import JudgedAutoencoder, build_autoencoder
from models.rivals.gan import refuse_occlusion
from models.rivals.wae import measure_discrepancy

RATE, BETAS = 1e-4, (0.5, 0.9)
PENALTY, DISCREPANCY = 10.0, 10.0
CRITIC_STEPS = 5
N_LOOKS, GAP_STEPS = 3, 2  # looks at the duality gap in a training; steps of each side for one
ASCENT, DESCENT = 4, 5  # f: two images, and two for its penalty; an encoding, two generations, two in f
COST = ASCENT * CRITIC_STEPS + DESCENT


@dataclass
class Players:
    """The three networks."""

    encoder: Encoder
    generator: Generator
    critic: Critic

    def evaluate(self, images: Tensor, prior: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Estimate L on images and draws of the prior; returns it, e(I), g(e(I)) and g(z)."""
        z, _ = self.encoder(images, None)
        # In one batch: its statistics are those that BatchNorm keeps for both.
        reconstructed, generated = self.generator(torch.cat([z, prior])).chunk(2)
        distance = (images - reconstructed).flatten(1).norm(dim=1)
        value = (distance + self.critic(reconstructed) - self.critic(generated)).mean()
        return value, z, reconstructed, generated


class InferentialWgan(JudgedAutoencoder):
    """Encoder, generator, the critic that scores, and the duality gap when it was last looked at."""

    def __init__(self, players: Players, request: FitRequest, duality_gap: float):
        super().__init__(players.encoder, players.generator, players.critic, request)
        self.duality_gap = duality_gap

    def judge(self, images: Tensor, z: Tensor) -> Tensor:
        reconstructed = self.generator(z)
        return (images - reconstructed).flatten(1).norm(dim=1) + self.critic(reconstructed)

    @property
    def diagnostics(self) -> dict[str, float]:
        return {"duality_gap": self.duality_gap}


class Game:
    """The players with their optimisers: what a minibatch does to either side."""

    def __init__(self, players: Players, request: FitRequest, rng: torch.Generator):
        self.players, self._request, self._rng = players, request, rng
        ours = [*players.encoder.parameters(), *players.generator.parameters()]
        self._descent = request.make_adam(ours, RATE, BETAS)
        self._ascent = request.make_adam(players.critic.parameters(), RATE, BETAS)

    def draw_prior(self, images: Tensor) -> Tensor:
        """Draw z for each image."""
        return self._request.draw_prior(len(images), self._rng)

    def move_critic(self, images: Tensor) -> None:
        """Take a step of f, which ascends L less its penalty."""
        with torch.no_grad():
            _, _, reconstructed, generated = self.players.evaluate(images, self.draw_prior(images))
        critic = self.players.critic
        gap = (critic(generated) - critic(reconstructed)).mean()
        penalty = penalise_gradient(critic, mix(reconstructed, generated, self._rng), target=1.0)
        descend(self._ascent, gap + PENALTY * penalty)

    def move_autoencoder(self, images: Tensor) -> Tensor:
        """Take a step of g and e, which descend L; returns L."""
        prior = self.draw_prior(images)
        value, z, _, _ = self.players.evaluate(images, prior)
        descend(self._descent, value + DISCREPANCY * measure_discrepancy(z, prior))
        return value.detach()


def measure_duality_gap(
    players: Players, images: Tensor, request: FitRequest, rng: torch.Generator, steps: int = GAP_STEPS
) -> float:
    """Estimate sup_f L - inf_{g, e} L on images (B, C, H, W) in [0, 1] by ``steps`` of copies of either side.

    Both ends are estimated with the same draws of the prior, whose noise would hide the gap.
    """
    prior = request.draw_prior(len(images), rng)

    def play(move: Callable[[Game, Tensor], object]) -> float:
        """L where ``steps`` moves of one side alone lead."""
        game = Game(copy.deepcopy(players), request, rng)
        for _ in range(steps):
            move(game, images)
        with torch.no_grad():
            return float(game.players.evaluate(images, prior)[0])

    highest = play(Game.move_critic)  # before the other: both draw from ``rng``
    return highest - play(Game.move_autoencoder)


def fit(request: FitRequest) -> InferentialWgan:
    """Train in float32, in parts; stop after the first part that ends without a duality gap."""
    refuse_occlusion(request)
    rng = request.make_rng()
    encoder, generator = build_autoencoder(request, rng)
    critic = build_critic(generator.architecture, rng).to(request.device)
    game = Game(Players(encoder, generator, critic), request, rng)
    batches = request.shuffle(rng)

    def take_step(step: int) -> Tensor:
        for _ in range(CRITIC_STEPS):
            game.move_critic(request.load(next(batches))[0])
        return game.move_autoencoder(request.load(next(batches))[0])

    spent_on_looks = int(N_LOOKS * GAP_STEPS * (ASCENT + DESCENT) * request.batch_size)
    left = replace(request, budget=max(1, request.budget - spent_on_looks))
    steps = left.count_steps(COST)
    for look in range(N_LOOKS):
        take_steps("iWGAN", steps * (look + 1) // N_LOOKS - steps * look // N_LOOKS, take_step)
        gap = measure_duality_gap(game.players, request.load(next(batches))[0], request, rng)
        if gap <= 0:
            break
    return InferentialWgan(game.players, request, gap)
