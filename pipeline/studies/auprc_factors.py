"""What decides the AUPRC: trainings that differ in one respect, each scored in every way."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import NamedTuple

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
BASE = "base"  # the variation that changes nothing
INFERENCES = ("draw", "mode")
TEST_STEPS = (20, 100)
PROTOCOLS = ("pooled", "tenth")
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


def halve_sigma_and_step(setting: Setting) -> Setting:
    """Halve sigma and s together.

    The likelihood's drift, s^2 / sigma^2, stays as it is: with s alone kept, the chains diverge.
    """
    plan = setting.plan
    chain = replace(plan.chain, step_size=plan.chain.step_size / 2)
    return replace(setting, plan=replace(plan, sigma=plan.sigma / 2, chain=chain))


def multiply_rounds(setting: Setting, factor: int) -> Setting:
    """Train for ``factor`` times as many rounds."""
    return replace(setting, plan=replace(setting.plan, rounds=factor * setting.plan.rounds))


VARIATIONS: dict[str, Callable[[Setting], Setting]] = {  # name in the tables -> what it changes of the base
    BASE: lambda setting: setting,
    "latent_dim 10": lambda setting: replace(setting, latent_dim=10),
    "sigma and s halved": halve_sigma_and_step,
    "three times the rounds": lambda setting: multiply_rounds(setting, 3),
    "a quarter of the images, four times the rounds": lambda setting: replace(
        multiply_rounds(setting, 4), share=0.25
    ),
}


class Testing(NamedTuple):
    """How test images are inferred and scored, whatever the training.

    ``inference``: draw (Eq. 8) or mode (the same without noise); ``steps``: of the chain; ``score``: a name
    in SCORES.
    """

    inference: str
    steps: int
    score: str


class Way(NamedTuple):
    """How a model was trained and how its test images were inferred and scored."""

    alpha: float
    variation: str
    inference: str
    steps: int
    score: str

    @property
    def testing(self) -> Testing:
        """The part that training has nothing to do with."""
        return Testing(self.inference, self.steps, self.score)


@dataclass(frozen=True)
class StudyRow:
    """An AUPRC with all that it was measured by.

    ``seed``: of the training, its images and its chains; ``half``: of the test images, so that a choice made
    on the one is judged on the other; ``base_rate``: the share of anomalies among the ``n`` images judged.
    """

    alpha: float
    variation: str
    inference: str
    steps: int
    score: str
    seed: int
    protocol: str
    half: str
    auprc: float
    base_rate: float
    n: int

    @property
    def way(self) -> Way:
        """How it was trained, inferred and scored."""
        return Way(self.alpha, self.variation, self.inference, self.steps, self.score)


def list_settings(plan: TrainingPlan, latent_dim: int) -> Iterator[Setting]:
    """List every alpha with every variation of ``plan``."""
    for alpha, (variation, change) in itertools.product(ALPHAS, VARIATIONS.items()):
        yield change(Setting(variation, latent_dim, replace(plan, alpha=alpha)))


def halve(split: AnomalySplit, is_anomaly: np.ndarray) -> dict[str, np.ndarray]:
    """Split test images at random into a half to choose on and a half to judge by.

    Each has half of the normal ones, half of the anomalies of protocol ``tenth``, and half of the others.
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
    unit_images = to_unit(test_images)
    judged = select_judged(test, split, is_anomaly)
    rows = []
    for inference, steps, z in infer_in_every_way(engine, setting, test_images):
        for score, measure in SCORES.items():
            way = Way(plan.alpha, setting.variation, inference, steps, score)
            scores = measure(generator, z, unit_images, plan.sigma).double().cpu().numpy()
            for (protocol, half), selected in judged.items():
                labels = is_anomaly[test[selected]]
                auprc = compute_auprc(scores[selected], labels)
                base_rate, n = float(labels.mean()), int(selected.sum())
                rows.append(StudyRow(*way, plan.seed, protocol, half, auprc, base_rate, n))
    return rows


def select_judged(
    test: np.ndarray, split: AnomalySplit, is_anomaly: np.ndarray
) -> dict[tuple[str, str], np.ndarray]:
    """Select the images of ``test`` (n,) that each protocol judges in each half: (n,) bool by both names."""
    halves = halve(split, is_anomaly)
    return {
        (protocol, half): np.isin(test, getattr(split, protocol)) & np.isin(test, halves[half])
        for protocol, half in itertools.product(PROTOCOLS, HALVES)
    }


def infer_in_every_way(
    engine: InferenceEngine, setting: Setting, images: Tensor
) -> Iterator[tuple[str, int, Tensor]]:
    """Infer test images (n, C, H, W): yield the kind of inference, its steps and z (n, d)."""
    plan = setting.plan
    for inference in INFERENCES:
        noise_scale = plan.chain.noise_scale if inference == "draw" else 0.0
        z, steps_done = draw_start(setting, len(images), images.device), 0
        for steps in TEST_STEPS:  # one chain, looked at several times
            chain = replace(plan.chain, steps=steps - steps_done, noise_scale=noise_scale)
            z, steps_done = advance(engine, z, images, chain, plan.seed, steps_done), steps
            yield inference, steps, z


def draw_start(setting: Setting, n: int, device: torch.device) -> Tensor:
    """Draw where the test chains begin from the prior: (n, d)."""
    indices = torch.arange(n, device=device)
    return draw_normal(setting.plan.seed, Stream.TEST_INIT, indices, 0, 1, setting.latent_dim)[0]


def advance(
    engine: InferenceEngine, z: Tensor, images: Tensor, chain: ChainSettings, seed: int, draw: int
) -> Tensor:
    """Continue the chains of all images for ``chain``; ``draw`` keeps the stretches' noise apart."""
    indices = torch.arange(len(images), device=images.device)
    return engine.infer(z, images, None, indices, chain, NoiseAddress(seed, Stream.TEST_CHAIN, draw))


def average_by_way(rows: Iterable[StudyRow], protocol: str, half: str) -> dict[Way, float]:
    """The AUPRC of each way, the mean over its seeds, as one protocol and half of the test images have it."""
    found: dict[Way, list[float]] = {}
    for row in rows:
        if (row.protocol, row.half) == (protocol, half):
            found.setdefault(row.way, []).append(row.auprc)
    return {way: fmean(values) for way, values in found.items()}


def choose_best(rows: Sequence[StudyRow], protocol: str) -> tuple[Way, float, float]:
    """Choose the way with the highest mean AUPRC on the validation half; that mean, and the test half's."""
    validation, test = (average_by_way(rows, protocol, half) for half in HALVES)
    best = max(validation, key=lambda way: validation[way])
    return best, validation[best], test[best]
