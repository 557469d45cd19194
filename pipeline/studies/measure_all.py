"""All that the leaderboard says of a method: three trainings on one data set, their quality and cost."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import torch

from models.interface import FittedMethod, Lacking
from models.short_run.method import TrainingRequest
from pipeline.data.load import ImageSet
from pipeline.studies.grid import Cell
from pipeline.studies.measure import measure_anomaly, measure_complete, measure_occluded
from pipeline.studies.result import CellResult, Extract, Fit

KEPT = {  # the numbers of each task's cell
    "complete": ("mse_train", "mse_test", "frechet_distance", "floor", "n"),
    "anomaly": ("tenth_mean", "tenth_base_rate", "pooled_mean", "pooled_base_rate"),
    "occluded": ("absolute_error", "squared_error"),
}
SCORED = 1000  # images that a scoring is timed for


@dataclass
class Stopwatch:
    """Trains with ``fit`` and without callbacks, which measure; keeps what came of it and its seconds."""

    fit: Fit
    seconds: float = 0.0
    fitted: FittedMethod | None = field(default=None)
    request: TrainingRequest | None = field(default=None)

    def __call__(self, request: TrainingRequest) -> FittedMethod:
        bare = {"on_round": lambda state: None, "on_inferred": lambda state: None}
        self.request = replace(request, **bare)
        start = time.perf_counter()
        self.fitted = self.fit(self.request)
        self.seconds = time.perf_counter() - start
        return self.fitted


def measure_all(cell: Cell, images: ImageSet, extract: Extract, fit: Fit) -> CellResult:
    """Train on complete, on normal and on occluded images; what a method lacks is left out and said.

    ``training_seconds``, ``sample_gradients`` and ``parameters`` are those of the training on complete
    images, ``score_seconds`` is for 1,000 images.
    """
    watch = Stopwatch(fit)
    complete = measure_complete(replace(cell, task="complete"), images, extract, watch)
    result = CellResult(dict(complete.numbers), arrays=complete.arrays, lacks=dict(complete.lacks))
    diagnostics = set(watch.fitted.diagnostics)
    result.numbers.update(
        training_seconds=watch.seconds,
        sample_gradients=float(watch.request.budget),
        parameters=float(watch.fitted.count_parameters()),
    )
    for task, measure in (("anomaly", measure_anomaly), ("occluded", measure_occluded)):
        watch = Stopwatch(fit)
        try:
            part = measure(replace(cell, task=task), images, extract, watch)
            result.numbers.update({key: part.numbers[key] for key in KEPT[task]})
            if task == "anomaly":
                steps = cell.params.profile_settings.evaluate.anomaly_steps
                result.numbers["score_seconds"] = time_scoring(
                    watch.fitted, images, steps, watch.request.device
                )
        except Lacking as cause:
            result.lacks.update(dict.fromkeys(KEPT[task], str(cause)))
    kept = {key for keys in KEPT.values() for key in keys}
    kept |= {"training_seconds", "sample_gradients", "parameters", "score_seconds"} | diagnostics
    numbers = {key: value for key, value in result.numbers.items() if key in kept}
    return replace(result, numbers=numbers)


def time_scoring(fitted: FittedMethod, images: ImageSet, steps: int, device: torch.device) -> float:
    """Seconds for 1,000 images, scored once, reckoned from as many test images as there are."""
    batch = torch.from_numpy(images.test_images[:SCORED]).to(device)
    start = time.perf_counter()
    fitted.score(batch, steps, 0).cpu()  # which waits for the device
    return (time.perf_counter() - start) * SCORED / len(batch)
