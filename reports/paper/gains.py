"""What the correction gains over a rival, by number of images and length of training."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pipeline.evaluation.effects import Estimate, estimate_over_seeds
from pipeline.studies.measured import MeasuredCell

Place = tuple[int, int]  # n_train, rounds


def pair_by_seed(rival: str, cells: Sequence[MeasuredCell], key: str) -> dict[Place, np.ndarray]:
    """What Ours has less of ``key`` than ``rival``, each seed that both have, by place.

    In natural logarithms, above 0 where Ours is the lower one.
    """
    values: dict[Place, dict[str, dict[int | None, float]]] = {}
    for cell in cells:
        if cell.method in ("Ours", rival) and key in cell.numbers:
            place = (cell.axes["n_train"], cell.axes["rounds"])
            values.setdefault(place, {}).setdefault(cell.method, {})[cell.seed] = cell.numbers[key]
    pairs = {}
    for place, by_method in values.items():
        ours, theirs = by_method.get("Ours", {}), by_method.get(rival, {})
        effects = [math.log(theirs[seed] / one) for seed, one in ours.items() if seed in theirs]
        if effects:
            pairs[place] = np.array(effects)
    return pairs


def compare_with(rival: str, cells: Sequence[MeasuredCell], key: str) -> dict[Place, Estimate]:
    """The mean over seeds, with its interval, of what ``pair_by_seed`` gives."""
    pairs = pair_by_seed(rival, cells, key)
    return {place: estimate_over_seeds(effects) for place, effects in pairs.items()}


def describe_gains(rival: str, cells: Sequence[MeasuredCell]) -> str:
    """How many times the Frechet distance of Ours the rival's is, in words; "" where none can be paired."""
    gains = compare_with(rival, cells, "frechet_distance")
    parts = []
    for size in sorted({n_train for n_train, _ in gains}):
        of_size = {rounds: one for (n_train, rounds), one in sorted(gains.items()) if n_train == size}
        factors = ", ".join(write_factor(one) for one in of_size.values())
        lengths = ", ".join(map(str, of_size))
        parts.append(f"on {size:,} images {factors} (after {lengths} rounds)")
    if not parts:
        return ""
    return f"{rival}'s Frechet distance over that of Ours, with its 95 % interval: {'; '.join(parts)}."


def write_factor(estimate: Estimate) -> str:
    """A log ratio as a factor, with its interval where it has one: ``1.43 [1.38, 1.49]``."""
    low, high = (math.exp(float(end)) for end in estimate.bound())
    factor = f"{math.exp(float(estimate.effect)):.2f}"
    return factor if math.isnan(low) else f"{factor} [{low:.2f}, {high:.2f}]"
