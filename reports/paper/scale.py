"""At what scale a cell of ours was trained: updates of the weights, and the share of the paper's compute."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.short_run.algorithm import TrainingPlan
from models.short_run.method import count_sample_gradients
from pipeline.settings.plan import build_plan
from pipeline.studies.grid import Cell, Grid, list_cells
from pipeline.studies.measured import MeasuredCell
from pipeline.studies.request import TRAINING_OF

OURS = "Ours"  # whose plan it is; rivals get as many sample-gradients
AT_PAPER = {"convergence": "table2"}  # whose training in the paper a study of ours is measured by


@dataclass(frozen=True)
class Scale:
    """``updates``: Adam steps of Ours; ``share``: its sample-gradients over the paper's, None if unknown."""

    updates: int
    share: float | None


def prepare_scales(
    params_content: dict[str, Any], grid: Grid, train_sizes: Mapping[str, int]
) -> Callable[[Sequence[MeasuredCell]], Scale | None]:
    """A function that finds the scale of cells, the smallest where they differ.

    From the settings that their study has now; None where it no longer has them. ``train_sizes``: the paper's
    number of training images by data set.
    """

    @functools.cache
    def list_both(study: str) -> list[tuple[Cell, Cell | None]]:
        paper_study = AT_PAPER.get(study, study)
        at_paper = list_cells(paper_study, OURS, {**params_content, "profile": "paper"}, grid)
        cells = list_cells(study, OURS, params_content, grid)
        return [(cell, find_counterpart(cell, at_paper)) for cell in cells]

    def find_one(cell: MeasuredCell) -> Scale | None:
        for ours, theirs in list_both(cell.study):
            axes = dict(ours.axes)
            if axes | cell.axes == axes and "n" in cell.numbers:
                return compare_plans(ours, theirs, int(cell.numbers["n"]), train_sizes)
        return None

    def find_smallest(cells: Sequence[MeasuredCell]) -> Scale | None:
        scales = [scale for scale in map(find_one, cells) if scale is not None]
        if not scales:
            return None
        shares = [scale.share for scale in scales if scale.share is not None]
        return Scale(min(scale.updates for scale in scales), min(shares, default=None))

    return find_smallest


def find_counterpart(cell: Cell, at_paper: Sequence[Cell]) -> Cell | None:
    """The cell of the paper's profile at the same place, of any seed; None where the paper has none there."""
    place = dict(cell.axes) | {"dataset": cell.paper_dataset}
    for one in at_paper:
        theirs = dict(one.axes) | {"dataset": one.paper_dataset}
        if all(place[axis] == value for axis, value in theirs.items() if axis in place):
            return one
    return None


def compare_plans(ours: Cell, theirs: Cell | None, n_images: int, train_sizes: Mapping[str, int]) -> Scale:
    """The scale of a cell of ours on ``n_images``, beside the same cell of the paper's profile."""
    plan, share = _build_plan(ours), None
    if theirs is not None and ours.classes is None and ours.paper_dataset in train_sizes:
        full = count_sample_gradients(_build_plan(theirs), train_sizes[ours.paper_dataset])
        share = count_sample_gradients(plan, n_images) / full
    return Scale(count_updates(plan, n_images), share)


def _build_plan(cell: Cell) -> TrainingPlan:
    return build_plan(cell.params, TRAINING_OF.get(cell.task, "complete"))


def count_updates(plan: TrainingPlan, n_images: int) -> int:
    """Adam steps of a training: each inferred batch is learned from in minibatches, L2 times."""
    n_batches = -(-n_images // plan.batch_size)
    small, larger = divmod(n_images, n_batches)  # batches are as equal as they come
    sizes = [small + 1] * larger + [small] * (n_batches - larger)
    learned = plan.adam_steps * sum(-(-size // plan.minibatch) for size in sizes)
    regressed = -(-n_images // plan.minibatch)
    return plan.rounds * (plan.passes * learned + plan.regression_passes * regressed)
