"""Algorithms 1 and 3: rounds of short-run inference, transport correction and learning."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from models.descent import DivergenceError
from models.images import to_unit
from models.langevin.dynamics import ChainSettings
from models.langevin.engine import EngineSettings, InferenceEngine, NoiseAddress
from models.langevin.noise import Stream, draw_normal
from models.langevin.ranks import ALONE, Ranks
from models.networks.generator import Generator
from models.seeds import derive_rng, derive_seed
from models.short_run.learning import build_optimiser, learning_step
from models.transport.problem import TransportMap
from models.transport.solve import solve_transport

DIVERGED = 100.0  # root mean square of z beyond which no chain with a standard normal prior is sane


class Purpose(IntEnum):
    """What a training draws from a torch.Generator for; two purposes never share a seed."""

    INFERENCE_BATCHES = 0
    TRANSPORT = 1
    REGRESSION_BATCHES = 2


class Snapshot(NamedTuple):
    """How a training stands: MSE per visible pixel, and moments of the latent vectors as in RoundRecord."""

    mse: float
    latent_mean: float
    latent_std: float


@dataclass(frozen=True)
class TrainingPlan:
    """Everything Algorithm 1 takes besides the data (conventions, section 2).

    A round is ``passes`` (L) over the data, each batch of ``batch_size`` inferred by ``chain`` and followed
    by ``adam_steps`` (L2) learning steps on each ``minibatch`` of it; then one correction with ``alpha``;
    then ``regression_passes`` of learning alone on the corrected pairs. ``seed`` fixes targets, chains and
    batches.
    """

    rounds: int
    passes: int
    adam_steps: int
    regression_passes: int
    batch_size: int
    minibatch: int
    learning_rate: float
    alpha: float
    sigma: float
    seed: int
    chain: ChainSettings
    initialisation: Literal["persistent", "noise"] = "persistent"
    batch_norm: Literal["frozen", "batch"] = "frozen"
    solver: str = "auto"
    epsilon: float = 0.05


@dataclass(frozen=True)
class RoundRecord:
    """What a round measured; before and after stand around its correction and regression passes.

    ``mse``: per visible pixel and channel on [0, 1]; ``latent_mean``: root mean square over coordinates
    of the population's mean; ``latent_std``: mean over coordinates of its standard deviation. ``ot_gap``:
    how far the correction is from the optimum at most, relative to its cost, None where its solver proves
    nothing; ``ot_rounds``: the solver's iterations.
    """

    round: int
    mse_before: float
    mse_after: float
    ot_cost: float
    ot_gap: float | None
    ot_rounds: int
    matched_share: float
    latent_mean_before: float
    latent_mean_after: float
    latent_std_before: float
    latent_std_after: float


@dataclass
class TrainingState:
    """Where a training stands between two rounds; all that a resumed run needs."""

    generator: Generator
    optimiser: torch.optim.Optimizer
    latents: Tensor  # (N, d), the persistent chains
    targets: Tensor  # (N, d), Z0
    transport: TransportMap | None = None
    records: list[RoundRecord] = field(default_factory=list)

    @property
    def round(self) -> int:
        """Rounds done."""
        return len(self.records)


def start_training(generator: Generator, n_images: int, plan: TrainingPlan) -> TrainingState:
    """The state before the first round: chains start at the fixed target set Z0 (conventions, section 2)."""
    device = next(generator.parameters()).device
    indices = torch.arange(n_images, device=device)
    targets = draw_normal(plan.seed, Stream.TARGETS, indices, 0, 1, generator.latent_dim)[0]
    return TrainingState(generator, build_optimiser(generator, plan.learning_rate), targets.clone(), targets)


def train(
    state: TrainingState,
    images: Tensor,
    visible: Tensor | None,
    plan: TrainingPlan,
    settings: EngineSettings,
    on_round: Callable[[TrainingState], None] = lambda state: None,
    on_inferred: Callable[[TrainingState], None] = lambda state: None,
    ranks: Ranks = ALONE,
) -> TrainingState:
    """Run the rounds that ``state`` still lacks; ``on_round`` is called after each.

    ``on_inferred`` is called in each round between its passes and its correction, with the chains' own
    q(z^K) in ``state.latents``. Of several ``ranks`` each runs its share of the chains, and rank 0 solves the
    assignments; learning is repeated by all, since BatchNorm ties a minibatch together. All end with the same
    state, to the bit the one of a training by a single rank.

    ``images``: (N, C, H, W) uint8; ``visible``: (N, 1, H, W), 1 where the pixel is seen, or None.
    Raises DivergenceError with the round, the pass and s as soon as a pass ends with insane chains.
    """
    rounds_left = plan.rounds - state.round
    # Of the whole training: a resumed one compiles, which changes rounding, where an uninterrupted one does.
    planned_steps = plan.rounds * plan.passes * plan.chain.steps * len(images)
    engine = InferenceEngine(state.generator, plan.sigma, settings, planned_steps, plan.batch_norm, ranks)
    engine.warn_of_idle_ranks(min(plan.batch_size, len(images)))
    total = rounds_left * (plan.passes + plan.regression_passes)
    with tqdm(total=total, unit="pass", disable=None if ranks.leads else True) as progress:
        for _ in range(rounds_left):
            run_round(state, images, visible, plan, engine, progress.update, on_inferred)
            record = state.records[-1]
            progress.set_postfix(round=record.round, mse=f"{record.mse_after:.4f}")
            on_round(state)
    return state


def run_round(
    state: TrainingState,
    images: Tensor,
    visible: Tensor | None,
    plan: TrainingPlan,
    engine: InferenceEngine,
    on_pass: Callable[[], object] = lambda: None,
    on_inferred: Callable[[TrainingState], None] = lambda state: None,
) -> None:
    """One round of Algorithm 1 (Algorithm 3 with ``visible``), in place on ``state``."""
    engine.ranks.align(_list_weights(state))
    first_pass = state.round * plan.passes
    for passes_done in range(first_pass, first_pass + plan.passes):
        _infer_and_learn(state, images, visible, plan, engine, passes_done)
        _check_latents(state, plan, passes_done)
        on_pass()
    engine.refresh()
    before = _take_snapshot(engine, state.latents, images, visible)
    on_inferred(state)

    rng = derive_rng(plan.seed, Purpose.TRANSPORT, state.round)
    solve = functools.partial(
        solve_transport,
        state.latents,
        state.targets,
        plan.solver,
        epsilon=plan.epsilon,
        generator=rng,
        warm_start=state.transport,
    )
    state.transport = TransportMap(**engine.ranks.broadcast(lambda: vars(solve())))
    state.latents = state.transport.correct(state.latents, plan.alpha)

    for regression_pass in range(plan.regression_passes):
        passes_done = state.round * plan.regression_passes + regression_pass
        batch_seed = derive_seed(plan.seed, Purpose.REGRESSION_BATCHES, passes_done)
        for rows in _shuffled_batches(len(images), plan.minibatch, batch_seed, state.latents.device):
            _learn(state, rows, images, visible, plan, engine)
        on_pass()
    engine.refresh()
    after = _take_snapshot(engine, state.latents, images, visible)
    if not math.isfinite(after.mse):
        raise DivergenceError(
            f"weights diverged in round {state.round + 1}: the error is {after.mse:.3g} with s = "
            f"{plan.chain.step_size:g}; lower the learning rate, or raise sigma"
        )
    state.records.append(
        RoundRecord(
            round=state.round + 1,
            mse_before=before.mse,
            mse_after=after.mse,
            ot_cost=float(state.transport.cost),
            ot_gap=state.transport.gap,
            ot_rounds=state.transport.iterations,
            matched_share=float(state.transport.matched_share),
            latent_mean_before=before.latent_mean,
            latent_mean_after=after.latent_mean,
            latent_std_before=before.latent_std,
            latent_std_after=after.latent_std,
        )
    )


def _infer_and_learn(
    state: TrainingState,
    images: Tensor,
    visible: Tensor | None,
    plan: TrainingPlan,
    engine: InferenceEngine,
    passes_done: int,
) -> None:
    address = NoiseAddress(plan.seed, Stream.TRAIN_CHAIN, passes_done)
    batch_seed = derive_seed(plan.seed, Purpose.INFERENCE_BATCHES, passes_done)
    for rows in _shuffled_batches(len(images), plan.batch_size, batch_seed, state.latents.device):
        if plan.initialisation == "noise":
            z = draw_normal(plan.seed, Stream.TRAIN_INIT, rows, passes_done, 1, state.latents.shape[1])[0]
        else:
            z = state.latents[rows]
        engine.refresh()
        batch_visible = None if visible is None else visible[rows]
        state.latents[rows] = engine.infer(
            z, images[rows], batch_visible, rows, plan.chain, address, passes_done
        )
        minibatches = rows.tensor_split(max(1, -(-len(rows) // plan.minibatch)))
        for _ in range(plan.adam_steps):
            for part in minibatches:
                _learn(state, part, images, visible, plan, engine)


def _learn(
    state: TrainingState,
    rows: Tensor,
    images: Tensor,
    visible: Tensor | None,
    plan: TrainingPlan,
    engine: InferenceEngine,
) -> None:
    learning_step(
        state.generator,
        state.optimiser,
        state.latents[rows],
        to_unit(images[rows]),
        None if visible is None else visible[rows],
        plan.sigma,
        engine.settings.precision,
    )


def _shuffled_batches(total: int, batch_size: int, seed: int, device: torch.device) -> list[Tensor]:
    """Batches of one pass, as equal as they come, so that none is too small for batch statistics."""
    order = torch.randperm(total, generator=torch.Generator().manual_seed(seed)).to(device)
    return list(order.tensor_split(max(1, -(-total // batch_size))))


def _take_snapshot(
    engine: InferenceEngine, latents: Tensor, images: Tensor, visible: Tensor | None
) -> Snapshot:
    errors, weights = 0.0, 0.0
    for rows in torch.arange(len(images), device=latents.device).split(2000):
        error = (engine.generate(latents[rows]) - to_unit(images[rows])).square()  # (B, C, H, W)
        weight = torch.ones_like(error[:, :1]) if visible is None else visible[rows].float()
        errors += float((error * weight).sum(dtype=torch.float64))
        weights += float(weight.sum(dtype=torch.float64)) * error.shape[1]
    mean, std = latents.mean(0), latents.std(0, correction=0)
    mse = errors / weights if weights else 0.0  # all pixels of all images hidden: nothing to be wrong about
    return Snapshot(mse, float(mean.square().mean().sqrt()), float(std.mean()))


def _list_weights(state: TrainingState) -> list[Tensor]:
    """All that learning changes: weights, running statistics, Adam's moments."""
    moments = [value for one in state.optimiser.state.values() for value in one.values()]
    tensors = [*state.generator.state_dict().values(), *moments]
    return [tensor for tensor in tensors if isinstance(tensor, Tensor)]


def _check_latents(state: TrainingState, plan: TrainingPlan, passes_done: int) -> None:
    size = float(state.latents.square().mean().sqrt())
    if not size < DIVERGED:  # also true for NaN
        raise DivergenceError(
            f"chains diverged in round {state.round + 1}, pass {passes_done + 1}: root mean square of z is "
            f"{size:.3g} with s = {plan.chain.step_size:g}, K = {plan.chain.steps}; expected about 1: "
            "lower s, or raise sigma"
        )
