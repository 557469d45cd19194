"""Claims along an axis of a study: a quantity falls or rises with it, or where on it the best value lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.evaluation.effects import (
    count_best_among,
    estimate_best,
    estimate_over_places,
    estimate_over_seeds,
    fit_slope,
)
from pipeline.studies.measured import MeasuredCell
from reports.paper.claim_values import (
    RESAMPLING_SEED,
    Measured,
    Values,
    describe,
    is_at,
    read_values,
    tell_missing,
)
from reports.paper.claims import Best, Claim, Trend
from reports.paper.names import name_dataset

TOO_FEW = "too few values of the axis were measured"


@dataclass(frozen=True)
class _Axis:
    """A claim's values along its axis: at which positions they are asked for, and there, for which seeds."""

    values: Values
    asked: list[float]
    present: list[float]
    seeds: list[int]
    note: str

    @property
    def grid(self) -> np.ndarray:
        """The values (V, S) by position and seed."""
        return np.array([[self.values.numbers[one, seed] for seed in self.seeds] for one in self.present])

    @property
    def has_ends(self) -> bool:
        """Whether the first and the last position are there."""
        return len(self.asked) > 1 and {self.asked[0], self.asked[-1]} <= set(self.present)


def measure_axis(claim: Claim, rule: Trend | Best, cells: Sequence[MeasuredCell]) -> list[Measured]:
    """The claim's estimate; of a trend at several data sets, random places, those at each of them as well."""
    if isinstance(rule, Best):
        on_axis = [cell for cell in cells if rule.along in cell.axes]
        return [_measure_best(claim, rule, on_axis)]
    by_place: dict[str, list[MeasuredCell]] = {}
    named = {rule.method, rule.rival} - {""}
    for cell in cells:
        if named and cell.method not in named:
            continue
        is_there = rule.along in cell.axes and is_at(cell, rule.where)
        if is_there and (not rule.values or cell.axes[rule.along] in rule.values):
            place = name_dataset(cell.dataset) if "dataset" in cell.axes else ""
            by_place.setdefault(place, []).append(cell)
    if len(by_place) < 2:
        (only,) = by_place.values() or ([],)
        return [_measure_trend(claim, rule, only, "")[0]]
    each = [_measure_trend(claim, rule, placed, place) for place, placed in by_place.items()]
    single, slopes = [one for one, _ in each], [rises for _, rises in each]
    present = [one for one in slopes if one]
    seeds = sorted(set.intersection(*map(set, present))) if present else []
    missing = [place for place, one in zip(by_place, slopes, strict=True) if not one]
    used = tuple(cell for one in single for cell in one.verdict.cells if cell.seed in seeds)
    images = min((one.verdict.images for one in single if one.verdict.images is not None), default=None)
    note = tell_missing(missing, seeds, [cell for placed in by_place.values() for cell in placed])
    whole = replace(single[0].verdict, place="", seeds=len(seeds), images=images, cells=used, note=note)
    if not seeds:
        return [Measured(replace(whole, note=note or TOO_FEW), None)]
    grid = np.array([[one[seed] for seed in seeds] for one in present])  # (P, S)
    return [Measured(whole, estimate_over_places(grid)), *single]


def _measure_trend(
    claim: Claim, rule: Trend, cells: Sequence[MeasuredCell], place: str
) -> tuple[Measured, dict[int, float]]:
    """A trend at one place, and what each seed's straight line rises; no estimate without both ends."""
    axis = _read_axis(claim, rule, cells)
    verdict = describe(claim, place, axis.values, axis.present, axis.seeds, axis.note)
    if not axis.seeds or not axis.has_ends:
        return Measured(replace(verdict, note=axis.note or TOO_FEW), None), {}
    positions = np.array(axis.present, dtype=float)
    slopes = fit_slope(axis.grid, np.log(positions) if rule.spacing == "log" else positions)
    return Measured(verdict, estimate_over_seeds(slopes)), dict(zip(axis.seeds, slopes, strict=True))


def _measure_best(claim: Claim, rule: Best, cells: Sequence[MeasuredCell]) -> Measured:
    """How far the best value where the claim has it is ahead of the best elsewhere."""
    axis = _read_axis(claim, rule, cells)
    verdict = describe(claim, "", axis.values, axis.present, axis.seeds, axis.note)
    chosen = {"inside": axis.asked[1:-1], "first": axis.asked[:1], "not_first": axis.asked[1:]}[rule.among]
    among = np.array([position in chosen for position in axis.present], dtype=bool)
    lacks_end = rule.among == "inside" and not axis.has_ends
    if not axis.seeds or among.all() or not among.any() or lacks_end:
        return Measured(replace(verdict, note=axis.note or TOO_FEW), None)
    if len(axis.seeds) > 1:
        share = count_best_among(-axis.grid, among, np.random.default_rng(RESAMPLING_SEED))
        lies = f"the best is {rule.among.replace('_', ' the ')} in {share:.0%} of resamples of the seeds"
        verdict = replace(verdict, note="; ".join(filter(None, [axis.note, lies])))
    return Measured(verdict, estimate_best(-axis.grid, among))


def _read_axis(claim: Claim, rule: Trend | Best, cells: Sequence[MeasuredCell]) -> _Axis:
    """Read a claim's values along its axis, or a method's lead over its rival in them."""

    def read(method: str) -> Values:
        return read_values(claim, cells, method, claim.quantity, lambda cell: cell.axes[rule.along], {})

    if isinstance(rule, Trend) and rule.rival:
        values = read(rule.method).subtract(read(rule.rival))
    else:
        values = read(cells[0].method if cells else "")
    asked = sorted({cell.axes[rule.along] for cell in cells})
    present = [position for position in asked if values.list_seeds([position])]
    missing = [f"{rule.along} = {position:g}" for position in asked if position not in present]
    seeds = values.list_seeds(present)
    return _Axis(values, asked, present, seeds, tell_missing(missing, seeds, cells))
