"""What the settings of a cell say of its training without it: updates of the weights, images that score."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.catalogue import METHODS
from models.interface import FitRequest
from models.networks.architectures import find_architecture
from models.short_run.method import count_sample_gradients
from pipeline.data.anomaly_split import split_anomaly
from pipeline.settings.params import load_params
from pipeline.settings.plan import build_plan
from pipeline.studies.grid import Cell, read_grid
from pipeline.studies.measured import MeasuredCell
from pipeline.studies.planning import list_here
from pipeline.studies.workload import CLOSED_FORM, count_images
from reports.paper.all_methods import MIXTURE, OURS
from reports.paper.scale import count_updates

BUDGET = "sample_gradients"


@dataclass(frozen=True)
class Updates:
    """How often a training moves the generator's weights, and what such a step takes of the budget.

    ``cost``: gradients of the generator's size for each image of a minibatch; None where an update is not
    paid one by one, as Ours' are, whose chains go on between them.
    """

    number: int
    cost: float | None = None


class _Answered(Exception):
    """Ends a training before its first step: the number of steps is known, or will not be."""

    def __init__(self, updates: Updates | None):
        super().__init__()
        self.updates = updates


class _CountingRequest(FitRequest):
    """A request whose training ends where it asks how many steps the budget pays for."""

    def count_steps(self, cost: float) -> int:
        raise _Answered(Updates(super().count_steps(cost), cost))

    def load(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        raise _Answered(None)  # it learns before it asks, and is not to be trained here


def count_all_updates(cells: Iterable[MeasuredCell]) -> dict[str, Updates]:
    """Count the updates of the generator's weights in each method's training, as the method itself does.

    Left out are closed forms, which have none, and cells whose budget is not what the settings give now.
    """
    found: dict[str, Updates] = {}
    for cell in cells:
        if cell.method in found or cell.method in CLOSED_FORM or not {"n", BUDGET} <= cell.numbers.keys():
            continue
        planned = find_planned(cell)
        updates = None if planned is None else _count_updates(planned, cell)
        if updates is not None:
            found[cell.method] = updates
    return found


def find_planned(cell: MeasuredCell) -> Cell | None:
    """A measured cell as params.yaml and tables.yaml plan it; None where they no longer have its place."""
    name = OURS if cell.method == MIXTURE else cell.method
    return next((one for one in _list_planned(cell.study, name) if dict(one.axes) == cell.axes), None)


@functools.cache
def _list_planned(study: str, method: str) -> list[Cell]:
    grid = read_grid()
    if study not in grid["studies"] or method not in METHODS:
        return []
    return list_here(study, method, load_params(), grid)


def _count_updates(planned: Cell, cell: MeasuredCell) -> Updates | None:
    plan, n_images = build_plan(planned.params, "complete"), int(cell.numbers["n"])
    budget = count_sample_gradients(plan, n_images)
    if budget != cell.numbers[BUDGET]:
        return None
    if METHODS[planned.method].uses_engine:
        return Updates(count_updates(plan, n_images))
    params = planned.params
    return ask_method(
        planned.method, params.architecture, params.resolved_latent_dim, n_images, budget, plan.minibatch
    )


@functools.cache
def ask_method(
    method: str, architecture: str, latent_dim: int, n_images: int, budget: int, minibatch: int
) -> Updates | None:
    """Ask a rival how many steps ``budget`` pays for: begin its training, and end it at that question.

    None for one that learns before it asks.
    """
    shape = (n_images, *find_architecture(architecture).image_shape)
    images = torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    request = _CountingRequest(
        architecture, latent_dim, images, None, sigma=0.3, seed=0, budget=budget, minibatch=minibatch,
        learning_rate=1e-3, precision=torch.float32,
    )  # fmt: skip
    try:
        METHODS[method].load()(request)
    except _Answered as answer:
        return answer.updates
    return None


@dataclass(frozen=True)
class Positives:
    """Images of the held-out class among those that score, in the two protocols."""

    tenth: int
    pooled: int


def find_positives(cell: MeasuredCell) -> Positives | None:
    """Find how many anomalies a cell's areas rest on: those that give its base rates by the split's rule.

    None where no number of them does.
    """
    planned = find_planned(cell)
    rates = [cell.numbers.get(f"{protocol}_base_rate") for protocol in ("tenth", "pooled")]
    if planned is None or None in rates:
        return None
    n_images = sum(count_images(planned.params))
    for n_anomalies in range(1, n_images):
        labels = np.arange(n_images) < n_anomalies
        split = split_anomaly(labels, held_out=1)
        of_tenth, of_pooled = labels[split.tenth], labels[split.pooled]
        if np.allclose([of_tenth.mean(), of_pooled.mean()], np.array(rates, float), atol=1e-9):
            return Positives(int(of_tenth.sum()), int(of_pooled.sum()))
    return None
