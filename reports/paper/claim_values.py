"""What a claim is judged by: a quantity by place and seed, and what is known before it is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.evaluation.effects import UNDECIDED, Estimate
from pipeline.studies.measured import MeasuredCell
from reports.paper.claims import Claim

RESAMPLING_SEED = 1  # of every bootstrap of a claim: the same cells have the same verdict


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
class Measured:
    """A verdict before it is one: with the estimate that decides, None where nothing was measured."""

    verdict: Verdict
    estimate: Estimate | None


@dataclass(frozen=True)
class Values:
    """A quantity by position and seed, and the cells that it is of; what failed or is no number is absent."""

    numbers: dict[tuple[Any, int], float]
    cells: dict[tuple[Any, int], MeasuredCell]

    def subtract(self, others: Values) -> Values:
        """What these are ahead of others, where both are there."""
        pairs = {key: one - others.numbers[key] for key, one in self.numbers.items() if key in others.numbers}
        return Values(pairs, self.cells)

    def list_seeds(self, positions: Sequence[Any]) -> list[int]:
        """The seeds that have a number at each of the positions."""
        seeds = [{seed for place, seed in self.numbers if place == one} for one in positions]
        return sorted(set.intersection(*seeds)) if seeds else []


def read_values(
    claim: Claim,
    cells: Sequence[MeasuredCell],
    method: str,
    quantity: str,
    locate: Callable[[MeasuredCell], Any],
    where: Mapping[str, Any],
) -> Values:
    """Read a method's quantity, as its logarithm where effects are ratios; a larger value is better."""
    numbers: dict[tuple[Any, int], float] = {}
    chosen: dict[tuple[Any, int], MeasuredCell] = {}
    sign = 1 if claim.better == "higher" else -1
    for cell in cells:
        if cell.method != method or not is_at(cell, where):
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
    return Values(numbers, chosen)


def is_at(cell: MeasuredCell, where: Mapping[str, Any]) -> bool:
    return all(cell.axes.get(axis, value) == value for axis, value in where.items())


def tell_missing(missing: Sequence[str], seeds: Sequence[int], asked: Sequence[MeasuredCell]) -> str:
    """What of the cells ``asked`` a claim does not rest on: places, and seeds that are not at all places."""
    planned = {cell.seed for cell in asked if cell.seed is not None}
    notes = [f"missing or failed: {', '.join(missing)}"] if missing else []
    if 0 < len(seeds) < len(planned):
        notes.append(f"{len(seeds)} of {len(planned)} seeds")
    return "; ".join(notes)


def describe(
    claim: Claim, place: str, values: Values, positions: Sequence[Any], seeds: Sequence[int], note: str
) -> Verdict:
    """The verdict as far as its place and scale go."""
    cells = tuple(values.cells[position, seed] for position in positions for seed in seeds)
    images = [int(cell.numbers["n"]) for cell in cells if "n" in cell.numbers]
    return Verdict(claim, place, seeds=len(seeds), images=min(images, default=None), cells=cells, note=note)
