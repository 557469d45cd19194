"""What moves the AUPRC, a training being the unit: the scorings of one are averaged before they count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from models.short_run.scores import SCORES
from pipeline.evaluation.effects import Estimate, estimate_over_places, estimate_over_seeds
from pipeline.studies.auprc_factors import ALPHAS, BASE, INFERENCES, TEST_STEPS, VARIATIONS, StudyRow, Way

Means = dict[tuple[float, str, int], float]  # alpha, variation, seed -> mean AUPRC of a training's scorings


@dataclass(frozen=True)
class FactorEffect:
    """What a factor adds to the AUPRC: ``by_seed`` (S,), and the estimate over trainings."""

    name: str
    by_seed: np.ndarray
    estimate: Estimate

    @property
    def interval(self) -> tuple[float, float, float]:
        """The effect and its 95 % interval's ends, which are NaN for one seed."""
        low, high = self.estimate.bound()
        return float(self.estimate.effect), float(low), float(high)


def list_effects(rows: Sequence[StudyRow], protocol: str) -> list[FactorEffect]:
    """The effects on the AUPRC: of alpha, of each other kind of training, of each other way of testing.

    Alpha's is paired by seed and kind of training, which are crossed and both random; the others are means
    over a seed's trainings, paired by seed. Nothing is chosen here, so both halves of the test images count.
    """
    tested = [row for row in rows if row.protocol == protocol]
    seeds = sorted({row.seed for row in tested})
    means = average_trainings(tested)
    reference, *others = ALPHAS
    effects = []
    for alpha in others:
        pairs = np.array(
            [
                [means[alpha, kind, seed] - means[reference, kind, seed] for seed in seeds]
                for kind in VARIATIONS
            ]
        )
        name = f"alpha {alpha:g}, not {reference:g}"
        effects.append(FactorEffect(name, pairs.mean(0), estimate_over_places(pairs)))
    for kind in VARIATIONS:
        if kind != BASE:
            by_seed = np.array(
                [
                    np.mean([means[alpha, kind, seed] - means[alpha, BASE, seed] for alpha in ALPHAS])
                    for seed in seeds
                ]
            )
            effects.append(FactorEffect(kind, by_seed, estimate_over_seeds(by_seed)))
    for name, is_one, is_other in list_contrasts():
        one, other = (
            np.array(
                [
                    np.mean([row.auprc for row in tested if row.seed == seed and holds(row.way)])
                    for seed in seeds
                ]
            )
            for holds in (is_one, is_other)
        )
        effects.append(FactorEffect(name, one - other, estimate_over_seeds(one - other)))
    return effects


def average_trainings(rows: Sequence[StudyRow]) -> Means:
    """The mean AUPRC of each training over the ways in which it was tested."""
    found: dict[tuple[float, str, int], list[float]] = {}
    for row in rows:
        found.setdefault((row.alpha, row.variation, row.seed), []).append(row.auprc)
    return {training: float(np.mean(values)) for training, values in found.items()}


def list_contrasts() -> list[tuple[str, Callable[[Way], bool], Callable[[Way], bool]]]:
    """Ways of testing against the first of their kind: a name, which ways are it, which are the first."""
    factors = {"inference": INFERENCES, "steps": TEST_STEPS, "score": tuple(SCORES)}
    contrasts = []
    for factor, (first, *others) in factors.items():
        for other in others:
            contrasts.append((f"{factor} {other}, not {first}", _match(factor, other), _match(factor, first)))
    return contrasts


def _match(factor: str, level: object) -> Callable[[Way], bool]:
    return lambda way: getattr(way, factor) == level
