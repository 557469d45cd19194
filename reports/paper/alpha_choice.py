"""Which alpha validation images choose, by the criterion that chooses learning rates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pipeline.evaluation.effects import estimate_over_seeds
from pipeline.studies.measured import MeasuredCell
from pipeline.studies.tuning import rate_candidates


def rate_alphas(cells: Sequence[MeasuredCell]) -> dict[float, np.ndarray]:
    """Each alpha's rating by seed, of the seeds that have all alphas: 1 is best in everything.

    ``cells``: of the task validation. In order of alpha; empty where no seed is whole.
    """
    alphas = sorted({float(cell.axes["alpha"]) for cell in cells})
    by_seed: dict[int | None, dict[float, MeasuredCell]] = {}
    for cell in cells:
        by_seed.setdefault(cell.seed, {})[float(cell.axes["alpha"])] = cell
    whole = [found for found in by_seed.values() if len(found) == len(alphas)]
    ratings = np.array([rate_candidates([found[alpha].numbers for alpha in alphas]) for found in whole])
    return {alpha: ratings[:, column] for column, alpha in enumerate(alphas)} if whole else {}


def choose_alpha(ratings: dict[float, np.ndarray]) -> float:
    """The alpha with the lowest mean rating over seeds; the smaller one of two that are equal."""
    return min(ratings, key=lambda alpha: (float(np.mean(ratings[alpha])), alpha))


def describe_alpha(cells: Sequence[MeasuredCell]) -> str:
    """Say which alpha is chosen and how far the others are, over all seeds and by each; "" without a seed."""
    ratings = rate_alphas(cells)
    if not ratings:
        return ""
    means = {alpha: float(np.mean(values)) for alpha, values in ratings.items()}
    rated = ", ".join(
        f"{alpha:g}: {'failed' if math.isinf(mean) else format(mean, '.2f')}" for alpha, mean in means.items()
    )
    n_seeds = len(next(iter(ratings.values())))
    by_seed = [
        choose_alpha({alpha: values[[seed]] for alpha, values in ratings.items()}) for seed in range(n_seeds)
    ]
    chosen = ", ".join(f"{alpha:g}" for alpha in by_seed)
    near = ", ".join(f"{alpha:g}" for alpha in list_undecided(ratings))
    doubt = f" In pairs, by Student's t, {n_seeds} seeds do not tell it from {near}." if near else ""
    return (
        f"Chosen on validation images, as learning rates are: alpha {choose_alpha(ratings):g}. The mean of "
        f"error and Frechet distance, each in units of the best one, is {rated}; by each seed alone {chosen}."
        f"{doubt}"
    )


def list_undecided(ratings: dict[float, np.ndarray]) -> list[float]:
    """The alphas whose rating, paired by seed, differs from the chosen one's with an interval that holds 0.

    None with one seed, which has no interval.
    """
    chosen = ratings[choose_alpha(ratings)]
    undecided = []
    for alpha, values in ratings.items():
        if values is not chosen and len(chosen) > 1 and np.isfinite(values).all():
            low, high = estimate_over_seeds(values - chosen).bound()
            undecided += [] if low > 0 or high < 0 else [alpha]
    return undecided
