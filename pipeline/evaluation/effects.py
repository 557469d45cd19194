"""Effects with intervals and verdicts, from numbers of several seeds: numpy arrays in, numpy arrays out.

An effect is signed: above 0 is the claim's side. Leading dimensions ``...`` are as many claims, or as many
simulated repetitions, as one likes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

LEVEL = 0.95
VERDICTS = ("reproduces", "contradicted", "no difference")  # what can be decided, in the order of `decide`
UNDECIDED = "undecided"


@dataclass(frozen=True)
class Estimate:
    """How far the best of A candidates leads the best of B rivals, of which there may be one each.

    ``leads``: (..., B, A), the lead of candidate a over rival b; ``errors``: their standard errors;
    ``freedom``: the errors' degrees of freedom. Both are NaN where one seed alone was measured.
    """

    leads: np.ndarray
    errors: np.ndarray
    freedom: np.ndarray

    @property
    def effect(self) -> np.ndarray:
        """(...): max over a of min over b, which is the best rival's value less the best candidate's."""
        return self.leads.min(-2).max(-1)

    def bound(self, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
        """The interval's ends (...), NaN for one seed: Student's t; of several, at least ``level``.

        The lower end holds if each candidate's does against that rival which leads it most: A events, so
        each has an A-th of the tail (Bonferroni). The upper end is the same with B rivals.
        """
        n_rivals, n_candidates = self.leads.shape[-2:]
        tail = (1 - level) / 2
        below = stdtrit(self.freedom, 1 - tail / n_candidates) * self.errors
        above = stdtrit(self.freedom, 1 - tail / n_rivals) * self.errors
        return (self.leads - below).min(-2).max(-1), (self.leads + above).max(-1).min(-1)

    def test_above(self, value: float) -> np.ndarray:
        """(...): the smallest 1 - level at which the whole interval is above ``value``; 1 at most."""
        p = stdtr(self.freedom, -self._studentise(value)).max(-2).min(-1)
        return _clip_p(2 * self.leads.shape[-1] * p)

    def test_below(self, value: float) -> np.ndarray:
        """(...): the smallest 1 - level at which the whole interval is below ``value``; 1 at most."""
        p = stdtr(self.freedom, self._studentise(value)).max(-1).min(-1)
        return _clip_p(2 * self.leads.shape[-2] * p)

    def _studentise(self, value: float) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):  # seeds that agree to the last bit
            t = (self.leads - value) / self.errors
        return np.where((self.errors == 0) & (self.leads == value), 0, t)


def _clip_p(p: np.ndarray) -> np.ndarray:
    return np.minimum(np.nan_to_num(p, nan=1.0), 1.0)


def estimate_over_seeds(effects: np.ndarray) -> Estimate:
    """The mean of paired effects (..., S), one a seed, by Student's t with S - 1 degrees of freedom."""
    return _summarise(effects[..., None, None, :])


def estimate_best(values: np.ndarray, among: np.ndarray) -> Estimate:
    """How far the lowest mean of the settings ``among`` (V,) is below the lowest of the others.

    ``values``: (..., V, S), a setting's value for each seed. Each difference is paired over the seeds. Its
    interval covers with at least its level: "a medium value is best" is no test of one difference.
    """
    leads = values[..., ~among, None, :] - values[..., None, among, :]  # (..., B, A, S)
    return _summarise(leads)


def _summarise(effects: np.ndarray) -> Estimate:
    """Mean, standard error and degrees of freedom over the last axis, the seeds."""
    seeds = effects.shape[-1]
    if seeds > 1:
        errors = effects.std(-1, ddof=1) / seeds**0.5
    else:
        errors = np.full(effects.shape[:-1], np.nan)
    return Estimate(effects.mean(-1), errors, np.full(errors.shape, float(seeds - 1)))


def estimate_over_places(effects: np.ndarray) -> Estimate:
    """The mean of paired effects (..., P, S) over places and seeds, both of them random.

    The variance of the mean in the model mu + place + seed + rest, crossed: (MS_place + MS_seed - MS_rest) /
    (P S), which is unbiased, with Satterthwaite's degrees of freedom (Searle, Casella and McCulloch,
    "Variance Components", 1992, chapter 4). It is never taken below MS_place / (P S) nor MS_seed / (P S):
    what places or seeds alone would give; and two places or two seeds leave one degree of freedom. Both make
    the interval cover with at least its level. What a place's own test images add is in MS_place.
    """
    places, seeds = effects.shape[-2:]
    if places == 1 or seeds == 1:
        return estimate_over_seeds(effects.mean(-2))
    mean = effects.mean((-2, -1), keepdims=True)
    by_place, by_seed = effects.mean(-1, keepdims=True), effects.mean(-2, keepdims=True)
    rest = effects - by_place - by_seed + mean
    degrees = (places - 1, seeds - 1, (places - 1) * (seeds - 1))
    squares = (
        seeds * ((by_place - mean) ** 2).sum((-2, -1)) / degrees[0],
        places * ((by_seed - mean) ** 2).sum((-2, -1)) / degrees[1],
        (rest**2).sum((-2, -1)) / degrees[2],
    )
    total = squares[0] + squares[1] - squares[2]
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = sum(square**2 / degree for square, degree in zip(squares, degrees, strict=True))
        freedom = total**2 / spread
    larger = np.maximum(squares[0], squares[1])
    alone = np.where(squares[0] >= squares[1], degrees[0], degrees[1])
    is_sum = total > larger
    variance = np.where(is_sum, total, larger) / (places * seeds)
    shape = (*mean.shape[:-2], 1, 1)
    errors = np.sqrt(variance).reshape(shape)
    freedom = np.where(is_sum, freedom, alone) if min(places, seeds) > 2 else np.ones_like(total)
    return Estimate(mean.reshape(shape), errors, freedom.reshape(shape))


def estimate_over_images(effects: np.ndarray, resampled: np.ndarray, n_images: int) -> Estimate:
    """The mean of paired effects (..., S) where each rests on test images that seeds may share.

    A hierarchical bootstrap, images inside seeds: ``resampled``: (..., R, S), the effects in R resamples of
    the images, an image that several seeds share having the same weight in all of them. The spread between
    seeds has what seeds add and what each has of its own images; the covariance between different seeds over
    the resamples is what the images shared by them add. ``n_images``: n, the fewer of anomalies and others;
    n - 1 is that part's degrees of freedom, and a resample's variance (n - 1) / n of what it stands for.
    """
    seeds = effects.shape[-1]
    alone = estimate_over_seeds(effects)
    if seeds == 1:
        return alone
    centred = resampled - resampled.mean(-2, keepdims=True)
    covariance = np.einsum("...rs,...rt->...st", centred, centred) / (resampled.shape[-2] - 1)
    diagonal = np.trace(covariance, axis1=-2, axis2=-1)
    shared = (covariance.sum((-2, -1)) - diagonal) / (seeds * (seeds - 1))
    shared = np.maximum(shared, 0)[..., None, None] * n_images / max(1, n_images - 1)
    own = alone.errors**2
    with np.errstate(invalid="ignore"):
        freedom = (own + shared) ** 2 / (own**2 / (seeds - 1) + shared**2 / max(1, n_images - 1))
    freedom = np.where(own + shared > 0, freedom, seeds - 1)
    return Estimate(alone.leads, np.sqrt(own + shared), freedom)


def fit_slope(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """What each seed's straight line through ``values`` (..., V, S) at ``positions`` (V,) rises: (..., S).

    From the first to the last position, in the values' unit.
    """
    centred = positions - positions.mean()
    weights = centred / (centred**2).sum() * (positions.max() - positions.min())
    return np.einsum("v,...vs->...s", weights, values)


def decide(estimate: Estimate, margin: float) -> np.ndarray:
    """(3, ...): at which 1 - level the interval decides for each of ``VERDICTS``.

    Reproduces: all of it above ``margin``; contradicted: below -margin; no difference: between the two. An
    interval that covers the true effect decides for nothing else than what is true of it.
    """
    within = np.maximum(estimate.test_above(-margin), estimate.test_below(margin))
    return np.stack([estimate.test_above(margin), estimate.test_below(-margin), within])


def adjust_holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down adjustment of the p-values (..., m) of one family (Scand. J. Statist. 6, 1979)."""
    order = np.argsort(p, -1, kind="stable")
    factors = np.arange(p.shape[-1], 0, -1)
    stepped = np.maximum.accumulate(np.take_along_axis(p, order, -1) * factors, -1)
    adjusted = np.empty_like(stepped)
    np.put_along_axis(adjusted, order, np.minimum(stepped, 1), -1)
    return adjusted


def judge(estimates: list[Estimate], margins: list[float], level: float = LEVEL) -> list[tuple[str, float]]:
    """The verdicts of a family of effects, each with its p-value after Holm's adjustment."""
    if not estimates:
        return []
    p = np.stack([decide(one, margin) for one, margin in zip(estimates, margins, strict=True)])  # (m, 3)
    adjusted = adjust_holm(p.min(1))
    return [
        (VERDICTS[int(best)] if value <= 1 - level else UNDECIDED, float(value))
        for best, value in zip(p.argmin(1), adjusted, strict=True)
    ]


def count_best_among(
    values: np.ndarray, among: np.ndarray, rng: np.random.Generator, n_resamples: int = 4000
) -> float:
    """The share of resamples of the seeds in which the setting with the lowest mean is ``among`` (V,).

    ``values``: (V, S). Of few seeds a share of 95 % is no evidence at the 5 % level: it stands beside the
    interval of ``estimate_best`` and decides nothing.
    """
    seeds = values.shape[1]
    drawn = rng.integers(seeds, size=(n_resamples, seeds))
    means = values[:, drawn].mean(-1)  # (V, R)
    return float(among[means.argmin(0)].mean())
