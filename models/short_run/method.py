"""The method of the paper, and ABP, behind the interface that all rows of the tables share.

The mixture's variant is not the paper's. It tells apart what a method's samples owe to its generator and what
to the density that is fitted after training (Ghosh et al., *From Variational to Deterministic Autoencoders*,
2020, section 4), which the methods that sample from N(0, I) do without.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.interface import FitRequest, FittedMethod, count_weights, make_rng
from models.langevin.dynamics import ChainSettings
from models.langevin.engine import EngineSettings, InferenceEngine, NoiseAddress
from models.langevin.noise import Stream, draw_normal
from models.latent_density import N_COMPONENTS, LatentMixture
from models.networks.generator import Generator, build_generator
from models.short_run.algorithm import TrainingPlan, TrainingState, start_training, train
from models.short_run.scores import Scoring, score_images


@dataclass(frozen=True)
class TrainingRequest(FitRequest):
    """A request with what short-run inference needs beyond it.

    ``on_round`` is told the state after each round, ``on_inferred`` before each round's correction.
    """

    plan: TrainingPlan
    settings: EngineSettings
    scoring: Scoring
    on_round: Callable[[TrainingState], None] = lambda state: None
    on_inferred: Callable[[TrainingState], None] = lambda state: None


def count_sample_gradients(plan: TrainingPlan, n_images: int) -> int:
    """Gradients of one sample's energy or loss that the plan takes, in z and in the weights together."""
    per_round = plan.passes * (plan.chain.steps + plan.adam_steps) + plan.regression_passes
    return n_images * plan.rounds * per_round


class ShortRun(FittedMethod):
    """A generator learned by short-run inference, with the engine that infers for it.

    ``latents``: the training images' persistent chains (N, d); ``chain`` infers, ``scoring`` scores, each
    with as many steps as it is asked for; ``seed`` addresses their noise.
    """

    def __init__(
        self, engine: InferenceEngine, latents: Tensor, chain: ChainSettings, scoring: Scoring, seed: int
    ):
        self.generator, self.latents = engine.generator, latents
        self.engine, self.chain, self.scoring, self.seed = engine, chain, scoring, seed

    def sample(self, n: int) -> Tensor:
        return self.generate(self.draw_prior(n, 0))

    def draw_prior(self, n: int, draw: int) -> Tensor:
        indices = torch.arange(n, device=self.latents.device)
        dim = self.latents.shape[1]
        return draw_normal(self.seed, Stream.GENERATION, indices, draw, 1, dim)[0]

    def infer(self, images: Tensor, visible: Tensor | None, steps: int, draw: int) -> Tensor:
        """Run chains of ``steps`` steps from the prior; each ``draw`` has a start and noise of its own."""
        indices = torch.arange(len(images), device=images.device)
        dim = self.latents.shape[1]
        prior = draw_normal(self.seed, Stream.TEST_INIT, indices, draw, 1, dim)[0]
        return self._run(prior, images, visible, steps, draw)

    def infer_training(self, images: Tensor, visible: Tensor | None, steps: int, draw: int = 0) -> Tensor:
        return self._run(self.latents, images, visible, steps, draw)

    def as_points(self) -> ShortRun:
        """Chains without noise: a descent on U(z), towards a mode."""
        points = copy.copy(self)
        points.chain = replace(self.chain, noise_scale=0.0)
        return points

    def as_draws(self) -> ShortRun:
        return self

    def draw_posterior(self, images: Tensor, steps: int) -> Tensor:
        return self.infer_training(images, None, steps)

    def generate(self, z: Tensor) -> Tensor:
        return self.engine.generate(z)

    def score(self, images: Tensor, steps: int, draw: int) -> Tensor:
        scoring = replace(self.scoring, chain=replace(self.scoring.chain, steps=steps))
        return score_images(self.engine, images, self.latents.shape[1], scoring, self.seed, draw)

    def count_parameters(self) -> int:
        return count_weights(self.generator)

    def _run(self, z: Tensor, images: Tensor, visible: Tensor | None, steps: int, draw: int) -> Tensor:
        chain = replace(self.chain, steps=steps)
        indices = torch.arange(len(images), device=images.device)
        address = NoiseAddress(self.seed, Stream.TEST_CHAIN, draw)
        return self.engine.infer(z, images, visible, indices, chain, address)


def stop_training(request: TrainingRequest, generator: Generator, latents: Tensor) -> ShortRun:
    """The method as it stands at the end, or in the middle, of the training that ``request`` asks for."""
    plan = request.plan
    engine = InferenceEngine(generator, plan.sigma, request.settings, batch_norm=plan.batch_norm)
    return ShortRun(engine, latents, plan.chain, request.scoring, plan.seed)


def fit_short_run(request: TrainingRequest) -> ShortRun:
    """Train by Algorithm 1, or 3 where a mask says what is visible."""
    rng = torch.Generator().manual_seed(request.plan.seed)
    generator = build_generator(request.architecture, request.latent_dim, rng).to(request.images.device)
    state = start_training(generator, len(request.images), request.plan)
    train(
        state,
        request.images,
        request.visible,
        request.plan,
        request.settings,
        request.on_round,
        request.on_inferred,
    )
    return stop_training(request, state.generator, state.latents)


def fit_abp(request: TrainingRequest) -> ShortRun:
    """Alternating back-propagation (Han et al., 2017): the same algorithm without correction."""
    return fit_short_run(replace(request, plan=replace(request.plan, alpha=0.0)))


def fit_sliced(request: TrainingRequest) -> ShortRun:
    """The correction by sliced quantile matching in place of an assignment."""
    return fit_short_run(replace(request, plan=replace(request.plan, solver="sliced")))


def fit_dual(request: TrainingRequest) -> ShortRun:
    """The correction by Algorithm 2 with the Adam of the authors' scripts."""
    return fit_short_run(replace(request, plan=replace(request.plan, solver="dual-adam")))


class ShortRunMixture(ShortRun):
    """Samples from ten Gaussians fitted to the training images' corrected latent vectors."""

    def __init__(self, request: TrainingRequest, fitted: ShortRun):
        super().__init__(fitted.engine, fitted.latents, fitted.chain, fitted.scoring, fitted.seed)
        self._mixture = LatentMixture(fitted.latents, N_COMPONENTS, request.seed)

    def draw_prior(self, n: int, draw: int) -> Tensor:
        return self._mixture.draw(n, make_rng(self.seed, draw)).to(self.latents.device)


def fit_mixture(request: TrainingRequest) -> ShortRunMixture:
    """Train as the main method, then fit the mixture."""
    return ShortRunMixture(request, fit_short_run(request))
