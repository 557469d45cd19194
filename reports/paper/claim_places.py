"""Claims that one method beats another, over the places of a study and at each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.evaluation.effects import (
    Estimate,
    estimate_over_images,
    estimate_over_places,
    estimate_over_seeds,
)
from pipeline.evaluation.image_bootstrap import ScoredImages, resample_auprcs
from pipeline.studies.measured import MeasuredCell
from reports.paper.claim_values import RESAMPLING_SEED, Measured, describe, is_at, read_values, tell_missing
from reports.paper.claims import Beats, Claim
from reports.paper.pivot import describe_column

PROTOCOL_OF = {"tenth_mean": "in_tenth", "pooled_mean": "in_pooled"}  # an AUPRC's test images


def measure_beats(claim: Claim, rule: Beats, cells: Sequence[MeasuredCell]) -> list[Measured]:
    """The random-effects mean over the places that both have been measured at, then each place."""
    where = {**rule.where, **rule.only}
    ours = read_values(claim, cells, rule.method, claim.quantity, describe_column, where)
    theirs = read_values(claim, cells, rule.rival, rule.rival_quantity, describe_column, where)
    both = ours.subtract(theirs)
    asked = [
        cell
        for cell in cells
        if cell.method in (rule.method, rule.rival) and cell.axes and is_at(cell, where)
    ]
    places = list(dict.fromkeys(describe_column(cell) for cell in asked))
    present = [place for place in places if both.list_seeds([place])]
    seeds = both.list_seeds(present)
    note = tell_missing([place for place in places if place not in present], seeds, asked)
    whole = describe(claim, "", both, present, seeds, note)
    if not seeds:
        note = note or "no cell was measured" if not present else "no seed was measured at every place"
        return [Measured(replace(whole, note=note), None)]
    single = []
    for place in present:
        own = both.list_seeds([place])
        effects = np.array([both.numbers[place, seed] for seed in own])
        tests = [
            [_find_scored(claim, values.cells.get((place, seed))) for seed in own]
            for values in (ours, theirs)
        ]
        single.append(
            Measured(describe(claim, place, both, [place], own, ""), _estimate_place(effects, tests))
        )
    if len(present) == 1:
        return [Measured(replace(whole, note=note), single[0].estimate)]
    grid = np.array([[both.numbers[place, seed] for seed in seeds] for place in present])
    return [Measured(whole, estimate_over_places(grid)), *single]


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
