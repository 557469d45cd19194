"""Inferential Wasserstein GAN: an auto-encoder inside a WGAN, with a duality gap that says when to stop.

Chen, Gao and Wang, *Inferential Wasserstein Generative Adversarial Networks* (2021; lecture_iwgan). With

    L(g, e, f) = E|I - g(e(I))| + E f(g(e(I))) - E f(g(z)),

f ascends L less a gradient penalty; g and e descend L plus the maximum mean discrepancy of e(I) to the prior.
The duality gap sup_f L - inf_{g, e} L, estimated by a few steps of either side from where training stands, is
0 at a solution. |I - g(e(I))| + f(g(e(I))), the negative of the paper's quality score, scores an image.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.autoencoder import Autoencoder, build_autoencoder
from models.critic import Critic, build_critic, mix, penalise_gradient
from models.encoder import Encoder
from models.gan import refuse_occlusion
from models.generator import Generator
from models.interface import FitRequest, count_weights
from models.optimisation import descend, take_steps
from models.wae import measure_discrepancy

RATE, BETAS = 1e-4, (0.5, 0.9)
PENALTY, DISCREPANCY = 10.0, 10.0
CRITIC_STEPS = 5
GAP_STEPS = 5  # of each side, for the duality gap
ASCENT = 6  # two generations, an encoding, two gradients in f and two for its penalty
DESCENT = 5  # two generations, an encoding, two in f
COST = ASCENT * CRITIC_STEPS + DESCENT
CHUNK = 500


@dataclass
class Players:
    """The three networks."""

    encoder: Encoder
    generator: Generator
    critic: Critic

    def evaluate(self, images: Tensor, prior: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """L's estimate on images and draws of the prior; e(I), g(e(I)) and g(z)."""
        z, _ = self.encoder(images, None)
        reconstructed, generated = self.generator(z), self.generator(prior)
        distance = (images - reconstructed).flatten(1).norm(dim=1)
        value = (distance + self.critic(reconstructed) - self.critic(generated)).mean()
        return value, z, reconstructed, generated


class InferentialWgan(Autoencoder):
    """Encoder, generator, the critic that scores, and the duality gap at the end of training."""

    def __init__(self, players: Players, request: FitRequest, duality_gap: float):
        super().__init__(players.encoder, players.generator, request)
        self._critic, self.duality_gap = players.critic.eval(), duality_gap

    @torch.no_grad()
    def score(self, images: Tensor, steps: int, draw: int) -> Tensor:
        scores = []
        for rows in torch.arange(len(images), device=images.device).split(CHUNK):
            batch = images[rows].float() / 255
            reconstructed = self.generator(self.encoder(batch, None)[0])
            scores.append((batch - reconstructed).flatten(1).norm(dim=1) + self._critic(reconstructed))
        return torch.cat(scores)

    def count_parameters(self) -> int:
        return super().count_parameters() + count_weights(self._critic)


class Game:
    """The players with their optimisers: what a minibatch does to either side."""

    def __init__(self, players: Players, request: FitRequest, rng: torch.Generator):
        self.players, self._request, self._rng = players, request, rng
        ours = [*players.encoder.parameters(), *players.generator.parameters()]
        self._descent = request.make_adam(ours, RATE, BETAS)
        self._ascent = request.make_adam(players.critic.parameters(), RATE, BETAS)

    def draw_prior(self, images: Tensor) -> Tensor:
        """A draw of z for each image."""
        return self._request.draw_prior(len(images), self._rng)

    def ascend(self, images: Tensor) -> None:
        """A step of f."""
        with torch.no_grad():
            _, _, reconstructed, generated = self.players.evaluate(images, self.draw_prior(images))
        critic = self.players.critic
        gap = (critic(generated) - critic(reconstructed)).mean()
        penalty = penalise_gradient(critic, mix(reconstructed, generated, self._rng), target=1.0)
        descend(self._ascent, gap + PENALTY * penalty)

    def descend(self, images: Tensor) -> Tensor:
        """A step of g and e; returns L."""
        prior = self.draw_prior(images)
        value, z, _, _ = self.players.evaluate(images, prior)
        descend(self._descent, value + DISCREPANCY * measure_discrepancy(z, prior))
        return value.detach()


def measure_duality_gap(players: Players, images: Tensor, request: FitRequest, rng: torch.Generator) -> float:
    """sup_f L - inf_{g, e} L on images (B, C, H, W) in [0, 1], by a few steps of copies of either side."""
    ends = []
    for side in ("ascend", "descend"):
        game = Game(copy.deepcopy(players), request, rng)
        for _ in range(GAP_STEPS):
            getattr(game, side)(images)
        with torch.no_grad():
            ends.append(float(game.players.evaluate(images, game.draw_prior(images))[0]))
    return ends[0] - ends[1]


def fit(request: FitRequest) -> InferentialWgan:
    """Train in float32, then measure the duality gap on a minibatch."""
    refuse_occlusion(request)
    rng = request.make_rng()
    encoder, generator = build_autoencoder(request, rng)
    critic = build_critic(generator.architecture, rng).to(request.device)
    game = Game(Players(encoder, generator, critic), request, rng)
    batches = request.shuffle(rng)

    def take_step(step: int) -> Tensor:
        for _ in range(CRITIC_STEPS):
            game.ascend(request.load(next(batches))[0])
        return game.descend(request.load(next(batches))[0])

    gap_cost = GAP_STEPS * (ASCENT + DESCENT) * request.minibatch
    left = replace(request, budget=max(1, request.budget - gap_cost))
    take_steps("iWGAN", left.count_steps(COST), take_step)
    gap = measure_duality_gap(game.players, request.load(next(batches))[0], request, rng)
    return InferentialWgan(game.players, request, gap)
