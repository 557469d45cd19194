"""What decides the AUPRC: trainings that differ in one respect, each scored in every way."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from models.images import to_unit
from models.langevin.dynamics import ChainSettings
from models.langevin.engine import EngineSettings, InferenceEngine, NoiseAddress
from models.langevin.noise import Stream, draw_normal
from models.networks.generator import build_generator
from models.short_run.algorithm import TrainingPlan, start_training, train
from models.short_run.scores import SCORES
from pipeline.data.anomaly_split import AnomalySplit
from pipeline.evaluation.auprc import compute_auprc

ALPHAS = (0.0, 0.5)
VARIATIONS = (
    "base",
    "latent_dim 10",
    "sigma and s halved",
    "three times the rounds",
    "a quarter of the images, four times the rounds",
)
TEST_STEPS = (20, 100, 500)
HALVES = ("validation", "test")
HALVING_SEED = 43


@dataclass(frozen=True)
class Setting:
    """One training of the study: ``variation`` says what differs from the base.

    ``share``: of the normal training images that it sees.
    """

    variation: str
    latent_dim: int
    plan: TrainingPlan
    share: float = 1.0


@dataclass(frozen=True)
class StudyRow:
    """An AUPRC with all that it was measured by.

    ``inference``: draw (Eq. 8) or mode (the same without noise); ``half``: of the test images, so that a
    choice made on the one is judged on the other.
    """

    alpha: float
    variation: str
    inference: str
    steps: int
    score: str
    protocol: str
    half: str
    auprc: float
    base_rate: float
    n: int

    @property
    def way(self) -> tuple[float, str, str, int, str]:
        """How it was trained, inferred and scored."""
        return self.alpha, self.variation, self.inference, self.steps, self.score


def list_settings(plan: TrainingPlan, latent_dim: int) -> Iterator[Setting]:
    """Every alpha with every variation of ``plan``."""
    for alpha, variation in itertools.product(ALPHAS, VARIATIONS):
        changed = replace(plan, alpha=alpha)
        dim, share = latent_dim, 1.0
        if variation == "latent_dim 10":
            dim = 10
        elif variation == "sigma and s halved":
            # The likelihood's drift, s^2 / sigma^2, stays as it is: with s alone kept, the chains diverge.
            chain = replace(plan.chain, step_size=plan.chain.step_size / 2)
            changed = replace(changed, sigma=plan.sigma / 2, chain=chain)
        elif variation == "three times the rounds":
            changed = replace(changed, rounds=3 * plan.rounds)
        elif variation == "a quarter of the images, four times the rounds":
            changed, share = replace(changed, rounds=4 * plan.rounds), 0.25
        yield Setting(variation, dim, changed, share)


def halve(split: AnomalySplit, is_anomaly: np.ndarray) -> dict[str, np.ndarray]:
    """Split test images at random into a half to choose on and a half to judge by.

    Each has half of the normal ones, half of the anomalies of protocol `tenth`, and half of the others.
    """
    rng = np.random.default_rng(HALVING_SEED)
    normal = split.pooled[~is_anomaly[split.pooled]]
    in_tenth = split.tenth[is_anomaly[split.tenth]]
    others = np.setdiff1d(split.pooled, [*normal, *in_tenth])
    parts = [np.array_split(rng.permutation(group), 2) for group in (normal, in_tenth, others)]
    return {half: np.concatenate([part[i] for part in parts]) for i, half in enumerate(HALVES)}


def study_setting(
    setting: Setting,
    architecture: str,
    images: Tensor,
    is_anomaly: np.ndarray,
    split: AnomalySplit,
    settings: EngineSettings,
) -> list[StudyRow]:
    """Train on the normal images, infer the test images in each way, score them in each way.

    ``images``: (N, C, H, W) uint8, both splits of the data set pooled; ``is_anomaly``: (N,) bool.
    """
    plan = setting.plan
    rng = torch.Generator().manual_seed(plan.seed)
    generator = build_generator(architecture, setting.latent_dim, rng).to(settings.device)
    seen = split.train[: round(setting.share * len(split.train))]
    train_images = images[torch.from_numpy(seen)].to(settings.device)
    state = start_training(generator, len(train_images), plan)
    train(state, train_images, None, plan, settings)
    generator = state.generator.eval().requires_grad_(False)
    engine = InferenceEngine(generator, plan.sigma, settings, batch_norm=plan.batch_norm)
    test = np.unique(split.pooled)
    test_images = images[torch.from_numpy(test)].to(settings.device)
    halves = halve(split, is_anomaly)
    rows = []
    for inference, noise_scale in (("draw", plan.chain.noise_scale), ("mode", 0.0)):
        z, steps_done = draw_start(setting, len(test), test_images.device), 0
        for steps in TEST_STEPS:  # one chain, looked at several times
            chain = replace(plan.chain, steps=steps - steps_done, noise_scale=noise_scale)
            z, steps_done = advance(engine, z, test_images, chain, plan.seed, steps_done), steps
            for name, score in SCORES.items():
                values = score(generator, z, to_unit(test_images), plan.sigma).double().cpu().numpy()
                for (protocol, members), (half, chosen) in itertools.product(
                    (("pooled", split.pooled), ("tenth", split.tenth)), halves.items()
                ):
                    here = np.isin(test, members) & np.isin(test, chosen)
                    labels = is_anomaly[test[here]]
                    auprc = compute_auprc(values[here], labels)
                    place = (plan.alpha, setting.variation, inference, steps, name, protocol, half)
                    rows.append(StudyRow(*place, auprc, float(labels.mean()), int(here.sum())))
    return rows


def draw_start(setting: Setting, n: int, device: torch.device) -> Tensor:
    """Where the test chains begin: draws from the prior, (n, d)."""
    indices = torch.arange(n, device=device)
    return draw_normal(setting.plan.seed, Stream.TEST_INIT, indices, 0, 1, setting.latent_dim)[0]


def advance(
    engine: InferenceEngine, z: Tensor, images: Tensor, chain: ChainSettings, seed: int, draw: int
) -> Tensor:
    """Go on with the chains of all images for ``chain``; ``draw`` keeps the stretches' noise apart."""
    indices = torch.arange(len(images), device=images.device)
    return engine.infer(z, images, None, indices, chain, NoiseAddress(seed, Stream.TEST_CHAIN, draw))


def choose_best(rows: list[StudyRow], protocol: str) -> tuple[StudyRow, StudyRow]:
    """The row with the highest AUPRC on the validation half, and the row of the same way on the test half."""
    here = [row for row in rows if row.protocol == protocol]
    best = max((row for row in here if row.half == "validation"), key=lambda row: row.auprc)
    return best, next(row for row in here if row.half == "test" and row.way == best.way)
