"""The methods that stand in the tables, behind one interface; a further one is an entry in METHODS.

A method is a function from a FitRequest to a FittedMethod. What a method cannot do it refuses with
`Lacking`, and its cell in a table says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from models.generator import Generator, build_generator
from models.vae import Vae, VaeSettings, fit_vae
from pipeline.inference import EngineSettings, InferenceEngine, NoiseAddress
from pipeline.langevin import ChainSettings
from pipeline.noise import Stream, draw_normal
from pipeline.training import TrainingPlan, TrainingState, start_training, train


class Lacking(ValueError):
    """Something that a method does not offer."""


@dataclass(frozen=True)
class FitRequest:
    """What every method is given: data, generator, and the plan whose budget, sigma and seed it shares.

    ``images``: (N, C, H, W) uint8; ``visible``: (N, 1, H, W) uint8, 1 where the pixel is seen, or None.
    ``on_round`` is told the state after each round, ``on_inferred`` the state before each round's correction,
    by the methods that have rounds.
    """

    architecture: str
    latent_dim: int
    images: Tensor
    visible: Tensor | None
    plan: TrainingPlan
    settings: EngineSettings
    on_round: Callable[[TrainingState], None] = lambda state: None
    on_inferred: Callable[[TrainingState], None] = lambda state: None


class FittedMethod(Protocol):
    """A trained method. Images go in as uint8 and come out as float32 in [0, 1]."""

    def sample(self, n: int) -> Tensor:
        """Images of ``n`` draws from the prior: (n, C, H, W)."""

    def infer(self, images: Tensor, visible: Tensor | None, steps: int, draw: int) -> Tensor:
        """A latent vector for each new image (B, d); ``draw`` numbers independent attempts."""

    def infer_training(self, images: Tensor, visible: Tensor | None, steps: int) -> Tensor:
        """A latent vector for each training image, from what training left: (N, d)."""

    def draw_posterior(self, images: Tensor, steps: int) -> Tensor:
        """A draw of z for each training image, whose marginal is the aggregated posterior: (N, d)."""

    def generate(self, z: Tensor) -> Tensor:
        """g(z): (B, C, H, W)."""

    def score(self, images: Tensor, steps: int, draw: int) -> Tensor:
        """How anomalous each image is, larger is more: (B,)."""


def count_sample_gradients(plan: TrainingPlan, n_images: int) -> int:
    """Gradients of one sample's energy or loss that the plan takes, in z and in the weights together."""
    per_round = plan.passes * (plan.chain.steps + plan.adam_steps) + plan.regression_passes
    return n_images * plan.rounds * per_round


class ShortRun:
    """A generator learned by short-run inference, with the engine that infers for it."""

    def __init__(self, request: FitRequest, generator: Generator, latents: Tensor):
        self.latents = latents
        self._plan = request.plan
        self._engine = InferenceEngine(
            generator, request.plan.sigma, request.settings, batch_norm=request.plan.batch_norm
        )

    def sample(self, n: int) -> Tensor:
        indices = torch.arange(n, device=self.latents.device)
        dim = self.latents.shape[1]
        return self.generate(draw_normal(self._plan.seed, Stream.GENERATION, indices, 0, 1, dim)[0])

    def infer(self, images: Tensor, visible: Tensor | None, steps: int, draw: int) -> Tensor:
        indices = torch.arange(len(images), device=images.device)
        dim = self.latents.shape[1]
        prior = draw_normal(self._plan.seed, Stream.TEST_INIT, indices, draw, 1, dim)[0]
        return self._run(prior, images, visible, steps, draw)

    def infer_training(self, images: Tensor, visible: Tensor | None, steps: int) -> Tensor:
        return self._run(self.latents, images, visible, steps, 0)

    def draw_posterior(self, images: Tensor, steps: int) -> Tensor:
        return self.infer_training(images, None, steps)

    def generate(self, z: Tensor) -> Tensor:
        return self._engine.generate(z)

    def score(self, images: Tensor, steps: int, draw: int) -> Tensor:
        return self._engine.evaluate_energy(self.infer(images, None, steps, draw), images)

    def _run(self, z: Tensor, images: Tensor, visible: Tensor | None, steps: int, draw: int) -> Tensor:
        chain: ChainSettings = replace(self._plan.chain, steps=steps)
        indices = torch.arange(len(images), device=images.device)
        address = NoiseAddress(self._plan.seed, Stream.TEST_CHAIN, draw)
        return self._engine.infer(z, images, visible, indices, chain, address)


def fit_short_run(request: FitRequest) -> ShortRun:
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
    return ShortRun(request, state.generator, state.latents)


def fit_abp(request: FitRequest) -> ShortRun:
    """Alternating back-propagation (Han et al., 2017): the same algorithm without correction."""
    return fit_short_run(replace(request, plan=replace(request.plan, alpha=0.0)))


class AmortisedInference:
    """A VAE behind the interface: its encoder takes the place of the chains."""

    def __init__(self, vae: Vae, seed: int):
        self._vae, self._seed = vae, seed

    def sample(self, n: int) -> Tensor:
        return self._vae.sample(n, self._rng(0))

    def infer(self, images: Tensor, visible: Tensor | None, steps: int, draw: int) -> Tensor:
        return self._vae.encode(images.float() / 255, visible)

    def infer_training(self, images: Tensor, visible: Tensor | None, steps: int) -> Tensor:
        return self._vae.encode(images.float() / 255, visible)

    def draw_posterior(self, images: Tensor, steps: int) -> Tensor:
        return self._vae.draw_posterior(images.float() / 255, self._rng(0))

    def generate(self, z: Tensor) -> Tensor:
        return self._vae.decode(z)

    def score(self, images: Tensor, steps: int, draw: int) -> Tensor:
        return self._vae.score(images.float() / 255, self._rng(1 + draw))

    def _rng(self, purpose: int) -> torch.Generator:
        return torch.Generator().manual_seed((self._seed << 8) + purpose)


def fit_amortised(request: FitRequest) -> AmortisedInference:
    """Train the paper's VAE baseline with as many sample-gradients as the plan takes.

    A step of it counts as two for each sample: encoder and decoder each have the generator's size.
    """
    plan = request.plan
    budget = count_sample_gradients(plan, len(request.images)) / 2
    settings = VaeSettings(
        steps=math.ceil(budget / plan.minibatch),
        batch_size=plan.minibatch,
        learning_rate=plan.learning_rate,
        sigma=plan.sigma,
        precision=request.settings.precision,
    )
    rng = torch.Generator().manual_seed(plan.seed)
    vae = fit_vae(request.architecture, request.latent_dim, request.images, request.visible, settings, rng)
    return AmortisedInference(vae, plan.seed)


@dataclass(frozen=True)
class Method:
    """How a row of the tables is trained; ``ignores``: the parameters, by prefix, that do not reach it."""

    fit: Callable[[FitRequest], FittedMethod]
    ignores: tuple[str, ...] = ()


METHODS: dict[str, Method] = {
    "VAE": Method(fit_amortised, ignores=("alpha", "s", "langevin", "transport")),
    "ABP": Method(fit_abp, ignores=("alpha",)),
    "Ours": Method(fit_short_run),
}
