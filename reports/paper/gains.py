"""What the correction gains over a rival, by number of images and length of training."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pipeline.evaluation.effects import Estimate, estimate_over_seeds
from pipeline.studies.measured import MeasuredCell


def compare_with(rival: str, cells: Sequence[MeasuredCell], key: str) -> dict[tuple[int, int], Estimate]:
    """What Ours has less of ``key`` than ``rival``, paired by seed, by (n_train, rounds).

    In natural logarithms, above 0 where Ours is the lower one. A seed that one of them lacks is left out.
    """
    values: dict[tuple[int, int], dict[str, dict[int | None, float]]] = {}
    for cell in cells:
        if cell.method in ("Ours", rival) and key in cell.numbers:
            place = (cell.axes["n_train"], cell.axes["rounds"])
            values.setdefault(place, {}).setdefault(cell.method, {})[cell.seed] = cell.numbers[key]
    gains = {}
    for place, by_method in values.items():
        ours, theirs = by_method.get("Ours", {}), by_method.get(rival, {})
        effects = [math.log(theirs[seed] / one) for seed, one in ours.items() if seed in theirs]
        if effects:
            gains[place] = estimate_over_seeds(np.array(effects))
    return gains


def describe_gains(rival: str, cells: Sequence[MeasuredCell]) -> str:
    """How many times the Frechet distance of Ours the rival's is, in words; "" where none can be paired."""
    gains = compare_with(rival, cells, "frechet_distance")
    parts = []
    for size in sorted({n_train for n_train, _ in gains}):
        of_size = {rounds: one for (n_train, rounds), one in sorted(gains.items()) if n_train == size}
        factors = ", ".join(_write_factor(one) for one in of_size.values())
        lengths = ", ".join(map(str, of_size))
        parts.append(f"on {size:,} images {factors} (after {lengths} rounds)")
    if not parts:
        return ""
    return f"{rival}'s Frechet distance over that of Ours, with its 95 % interval: {'; '.join(parts)}."


def _write_factor(estimate: Estimate) -> str:
    low, high = (math.exp(float(end)) for end in estimate.bound())
    factor = f"{math.exp(float(estimate.effect)):.2f}"
    return factor if math.isnan(low) else f"{factor} [{low:.2f}, {high:.2f}]"
