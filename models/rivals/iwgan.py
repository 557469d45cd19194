"""Inferential Wasserstein GAN: an auto-encoder inside a WGAN, with a duality gap.

Chen, Gao and Wang, *Inferential Wasserstein Generative Adversarial Networks* (2021; lecture_iwgan). With

    L(g, e, f) = E|I - g(e(I))| + E f(g(e(I))) - E f(g(z)),

f ascends L less a gradient penalty; g and e descend L plus the maximum mean discrepancy of e(I) to the prior.
The duality gap sup_f L - inf_{g, e} L is 0 at a solution. It is estimated once, where training ends, by a
pass over the images of either side alone, and printed; nothing stops at it, a pass being too short for that.
|I - g(e(I))| + f(g(e(I))), the negative of the paper's quality score, scores an image.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence
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
ASCENT, DESCENT = 4, 5  # f: two images, and two for its penalty; an encoding, two generations, two in f
COST = ASCENT * CRITIC_STEPS + DESCENT
GAP_SHARE = 0.1  # of the budget, at most, for the duality gap at the end: a pass of either side where it pays


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
    """Encoder, generator, the critic that scores, and the duality gap at the end."""

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

    def copy(self, rng: torch.Generator) -> Game:
        """The same game with weights and optimisers' moments of its own, which draws from ``rng``."""
        other = Game(copy.deepcopy(self.players), self._request, rng)
        other._descent.load_state_dict(copy.deepcopy(self._descent.state_dict()))
        other._ascent.load_state_dict(copy.deepcopy(self._ascent.state_dict()))
        return other

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
    game: Game, batches: Sequence[Tensor], request: FitRequest, rng: torch.Generator
) -> float:
    """Estimate sup_f L - inf_{g, e} L where a step of either side alone on each of the batches leads.

    ``batches``: rows (B,) of the training images. Both ends are averages over all of ``batches``, with the
    same draws of the prior, whose noise would hide the gap. ``game`` stays as it is.
    """
    images = [request.load(rows)[0] for rows in batches]
    priors = [request.draw_prior(len(part), rng) for part in images]

    def play(move: Callable[[Game, Tensor], object]) -> float:
        """L where steps of one side alone lead."""
        other = game.copy(rng)
        for part in images:
            move(other, part)
        with torch.no_grad():
            values = [
                float(other.players.evaluate(part, prior)[0])
                for part, prior in zip(images, priors, strict=True)
            ]
        return sum(values) / len(values)

    highest = play(Game.move_critic)  # before the other: both draw from ``rng``
    return highest - play(Game.move_autoencoder)


def plan_training(request: FitRequest) -> tuple[int, int]:
    """Count the steps of the autoencoder, and the batches of the duality gap that are left of the budget."""
    a_pass = round(len(request.images) / request.batch_size)
    cost = (ASCENT + DESCENT) * request.batch_size
    looks = max(1, min(a_pass, int(GAP_SHARE * request.budget / cost)))
    left = replace(request, budget=max(1, request.budget - int(looks * cost)))
    return left.count_steps(COST), looks


def fit(request: FitRequest) -> InferentialWgan:
    """Train in float32, then measure the duality gap."""
    refuse_occlusion(request)
    rng = request.make_rng()
    encoder, generator = build_autoencoder(request, rng)
    critic = build_critic(generator.architecture, rng).to(request.device)
    game = Game(Players(encoder, generator, critic), request, rng)
    batches = request.shuffle(rng)
    steps, looks = plan_training(request)

    def take_step(step: int) -> Tensor:
        for _ in range(CRITIC_STEPS):
            game.move_critic(request.load(next(batches))[0])
        return game.move_autoencoder(request.load(next(batches))[0])

    take_steps("iWGAN", steps, take_step)
    gap = measure_duality_gap(game, list(itertools.islice(batches, looks)), request, rng)
    return InferentialWgan(game.players, request, gap)
