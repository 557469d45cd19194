"""The claims judged on measured cells: effect, interval and verdict of each, and of each place beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.evaluation.effects import (
    UNDECIDED,
    Estimate,
    count_best_among,
    estimate_best,
    estimate_over_images,
    estimate_over_places,
    estimate_over_seeds,
    fit_slope,
    judge,
)
from pipeline.evaluation.image_bootstrap import ScoredImages, resample_auprcs
from pipeline.studies.measured import MeasuredCell
from reports.paper.claims import Beats, Best, Claim, Trend
from reports.paper.pivot import describe_column

Cells = Mapping[str, Sequence[MeasuredCell]]  # study -> its cells
RESAMPLING_SEED = 1
PROTOCOL_OF = {"tenth_mean": "in_tenth", "pooled_mean": "in_pooled"}  # an AUPRC's test images


@dataclass(frozen=True)
class Verdict:
    """What our cells say of a claim: of all its places, or of the one that ``place`` names.

    ``effect`` is above 0 on the claim's side, in ``unit``; ``low`` and ``high``: its 95 % interval, None for
    one seed. ``p``: the p-value of the verdict after Holm's adjustment, within the table for claims, within
    the claim for places. ``images``: training images of a cell, the fewest where they differ. ``cells``: the
    claim's own cells at that place; ``note``: what else must be known.
    """

    claim: Claim
    place: str = ""
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: str = UNDECIDED
    p: float = 1.0
    seeds: int = 0
    images: int | None = None
    cells: tuple[MeasuredCell, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class _Measured:
    """A verdict before it is one: with the estimate that decides, None where nothing was measured."""

    verdict: Verdict
    estimate: Estimate | None


def judge_claims(claims: Sequence[Claim], cells: Cells) -> list[Verdict]:
    """Judge every claim on its study's cells: each claim, then its places where it has several."""
    measured = [measure_claim(claim, cells.get(claim.study, ())) for claim in claims]
    judged: dict[int, Verdict] = {}
    for study in dict.fromkeys(claim.study for claim in claims):
        numbers = [number for number, claim in enumerate(claims) if claim.study == study]
        family = _judge_family([measured[number][0] for number in numbers])
        judged |= dict(zip(numbers, family, strict=True))
    verdicts = []
    for number, (_, *places) in enumerate(measured):
        verdicts += [judged[number], *_judge_family(places)]
    return verdicts


def _judge_family(family: Sequence[_Measured]) -> list[Verdict]:
    """The family's verdicts; what was not measured is undecided and counts for nothing."""
    estimates = [one.estimate for one in family if one.estimate is not None]
    margins = [one.verdict.claim.margin for one in family if one.estimate is not None]
    outcomes = iter(judge(estimates, margins))
    verdicts = []
    for one in family:
        if one.estimate is None:
            verdicts.append(one.verdict)
            continue
        word, p = next(outcomes)
        low, high = (None if np.isnan(end) else float(end) for end in one.estimate.bound())
        effect = float(one.estimate.effect)
        verdicts.append(replace(one.verdict, effect=effect, low=low, high=high, verdict=word, p=p))
    return verdicts


def measure_claim(claim: Claim, cells: Sequence[MeasuredCell]) -> list[_Measured]:
    """The claim's estimate, and those of its places where it has several."""
    if isinstance(claim.rule, Beats):
        return _measure_beats(claim, claim.rule, cells)
    return [_measure_axis(claim, claim.rule, cells)]


@dataclass(frozen=True)
class _Values:
    """A quantity by position and seed, and the cells that it is of; what failed or is no number is absent."""

    numbers: dict[tuple[Any, int], float]
    cells: dict[tuple[Any, int], MeasuredCell]

    def subtract(self, others: _Values) -> _Values:
        """What these are ahead of others, where both are there."""
        pairs = {key: one - others.numbers[key] for key, one in self.numbers.items() if key in others.numbers}
        return _Values(pairs, self.cells)

    def list_seeds(self, positions: Sequence[Any]) -> list[int]:
        """The seeds that have a number at each of the positions."""
        seeds = [{seed for place, seed in self.numbers if place == one} for one in positions]
        return sorted(set.intersection(*seeds)) if seeds else []


def _read_values(
    claim: Claim,
    cells: Sequence[MeasuredCell],
    method: str,
    quantity: str,
    locate: Callable[[MeasuredCell], Any],
    where: Mapping[str, Any],
) -> _Values:
    """Read a method's quantity, as its logarithm where effects are ratios; a larger value is better."""
    numbers: dict[tuple[Any, int], float] = {}
    chosen: dict[tuple[Any, int], MeasuredCell] = {}
    sign = 1 if claim.better == "higher" else -1
    for cell in cells:
        if cell.method != method or not _is_at(cell, where):
            continue
        value = cell.numbers.get(quantity, np.nan)
        if (
            cell.error
            or cell.seed is None
            or not np.isfinite(value)
            or (claim.unit == "ratio" and value <= 0)
        ):
            continue
        key = locate(cell), cell.seed
        if key in numbers:
            raise ValueError(
                f"claim {claim.text!r}: found several cells of {method} at {key[0]}, seed {key[1]}, expected "
                "one: name an axis in its rule's `where`"
            )
        numbers[key] = sign * (np.log(value) if claim.unit == "ratio" else value)
        chosen[key] = cell
    return _Values(numbers, chosen)


def _is_at(cell: MeasuredCell, where: Mapping[str, Any]) -> bool:
    return all(cell.axes.get(axis, value) == value for axis, value in where.items())


def _measure_beats(claim: Claim, rule: Beats, cells: Sequence[MeasuredCell]) -> list[_Measured]:
    """The random-effects mean over the places that both have been measured at, then each place."""
    ours = _read_values(claim, cells, rule.method, claim.quantity, describe_column, rule.where)
    theirs = _read_values(claim, cells, rule.rival, rule.rival_quantity, describe_column, rule.where)
    both = ours.subtract(theirs)
    asked = [
        cell
        for cell in cells
        if cell.method in (rule.method, rule.rival) and cell.axes and _is_at(cell, rule.where)
    ]
    places = list(dict.fromkeys(describe_column(cell) for cell in asked))
    present = [place for place in places if both.list_seeds([place])]
    missing = [place for place in places if place not in present]
    note = f"missing or failed: {', '.join(missing)}" if missing else ""
    seeds = both.list_seeds(present)
    whole = _describe(claim, "", both, present, seeds, note)
    if not seeds:
        note = note or "no cell was measured" if not present else "no seed was measured at every place"
        return [_Measured(replace(whole, note=note), None)]
    single = []
    for place in present:
        own = both.list_seeds([place])
        effects = np.array([both.numbers[place, seed] for seed in own])
        tests = [
            [_find_scored(claim, values.cells.get((place, seed))) for seed in own]
            for values in (ours, theirs)
        ]
        single.append(
            _Measured(_describe(claim, place, both, [place], own, ""), _estimate_place(effects, tests))
        )
    if len(present) == 1:
        return [_Measured(replace(whole, note=note), single[0].estimate)]
    grid = np.array([[both.numbers[place, seed] for seed in seeds] for place in present])
    return [_Measured(whole, estimate_over_places(grid)), *single]


def _estimate_place(effects: np.ndarray, tests: Sequence[Sequence[ScoredImages | None]]) -> Estimate:
    """A place's effect over its seeds, with its test images resampled where the cells keep their scores."""
    flat = [one for row in tests for one in row if one is not None]
    seeds = len(effects)
    if seeds == 1 or len(flat) < 2 * seeds:
        return estimate_over_seeds(effects)
    areas = resample_auprcs(flat, np.random.default_rng(RESAMPLING_SEED))  # (R, 2 S)
    fewest = min(min(test.is_anomaly.sum(), (~test.is_anomaly).sum()) for test in flat)
    return estimate_over_images(effects, areas[:, :seeds] - areas[:, seeds:], int(fewest))


def _find_scored(claim: Claim, cell: MeasuredCell | None) -> ScoredImages | None:
    """The test images of an AUPRC that a cell keeps, None for other quantities and cells without them."""
    group = PROTOCOL_OF.get(claim.quantity)
    if cell is None or group is None or "score_ranks" not in cell.arrays:
        return None
    arrays = cell.arrays
    chosen = arrays["in_tenth"] if group == "in_tenth" else np.ones(len(arrays["in_tenth"]), dtype=bool)
    return ScoredImages(
        arrays["score_ranks"][:, chosen], arrays["is_anomaly"][chosen], arrays["image_ids"][chosen]
    )


def _measure_axis(claim: Claim, rule: Trend | Best, cells: Sequence[MeasuredCell]) -> _Measured:
    """A trend along an axis, or where on it the best value lies."""
    where = rule.where if isinstance(rule, Trend) else {}
    on_axis = [cell for cell in cells if rule.along in cell.axes and _is_at(cell, where)]
    method = on_axis[0].method if on_axis else ""

    def read(method: str) -> _Values:
        return _read_values(claim, on_axis, method, claim.quantity, lambda cell: cell.axes[rule.along], where)

    if isinstance(rule, Trend) and rule.rival:
        values = read(rule.method).subtract(read(rule.rival))
    else:
        values = read(method)
    asked = sorted({cell.axes[rule.along] for cell in on_axis})
    present = [position for position in asked if values.list_seeds([position])]
    missing = [f"{position:g}" for position in asked if position not in present]
    seeds = values.list_seeds(present)
    note = f"missing or failed: {rule.along} = {', '.join(missing)}" if missing else ""
    verdict = _describe(claim, "", values, present, seeds, note)
    among = np.zeros(len(present), dtype=bool)
    if isinstance(rule, Best):
        chosen = {"inside": asked[1:-1], "first": asked[:1], "not_first": asked[1:]}[rule.among]
        among = np.array([position in chosen for position in present], dtype=bool)
    needed = asked[:: max(1, len(asked) - 1)] if asked else []  # the ends: neither rule can do without them
    too_few = len(present) < 2 or (isinstance(rule, Best) and (among.all() or not among.any()))
    if not seeds or too_few or (_needs_ends(rule) and not set(needed) <= set(present)):
        return _Measured(replace(verdict, note=note or "too few values of the axis were measured"), None)
    grid = np.array([[values.numbers[position, seed] for seed in seeds] for position in present])  # (V, S)
    if isinstance(rule, Trend):
        positions = np.array(present, dtype=float)
        slopes = fit_slope(grid, np.log(positions) if rule.spacing == "log" else positions)
        return _Measured(verdict, estimate_over_seeds(slopes))
    share = count_best_among(-grid, among, np.random.default_rng(RESAMPLING_SEED)) if len(seeds) > 1 else None
    if share is not None:
        lies = f"the best is {rule.among.replace('_', ' the ')} in {share:.0%} of resamples of the seeds"
        verdict = replace(verdict, note="; ".join(filter(None, [note, lies])))
    return _Measured(verdict, estimate_best(-grid, among))


def _needs_ends(rule: Trend | Best) -> bool:
    return isinstance(rule, Trend) or rule.among == "inside"


def _describe(
    claim: Claim, place: str, values: _Values, positions: Sequence[Any], seeds: Sequence[int], note: str
) -> Verdict:
    """The verdict as far as its place and scale go."""
    cells = tuple(values.cells[position, seed] for position in positions for seed in seeds)
    images = [int(cell.numbers["n"]) for cell in cells if "n" in cell.numbers]
    return Verdict(claim, place, seeds=len(seeds), images=min(images, default=None), cells=cells, note=note)
