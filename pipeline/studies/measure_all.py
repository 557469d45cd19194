"""All that the leaderboard says of a method: three trainings on one data set, their quality and cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

from models.interface import FittedMethod, Lacking
from models.short_run.method import ShortRun, ShortRunMixture, TrainingRequest
from pipeline.data.load import ImageSet
from pipeline.evaluation.frechet import take_reference
from pipeline.studies.grid import Cell
from pipeline.studies.measure import measure_anomaly, measure_complete, measure_occluded
from pipeline.studies.result import CellResult, Extract, Fit

KEPT = {  # the numbers of each task's cell
    "complete": (
        *("mse_train", "mse_test", "mse_test_point", "mse_test_draw"),
        *("frechet_distance", "floor", "n"),
    ),
    "anomaly": ("tenth_mean", "tenth_base_rate", "pooled_mean", "pooled_base_rate"),
    "occluded": ("absolute_error", "squared_error", "absolute_error_point", "absolute_error_draw"),
}
MIXED = "Ours"  # whose samples from a mixture of Gaussians are measured as well, a row without a training
MIXTURE_DISTANCE = "frechet_distance_mixture"
SCORED = 1000  # images that a scoring is timed for


@dataclass(frozen=True)
class Training:
    """What was asked for, what came of it, and the seconds that it took."""

    request: TrainingRequest
    fitted: FittedMethod
    seconds: float


def choose_clock(device: torch.device) -> Callable[[], float]:
    """Seconds of this process's one thread, whatever else the machine does; on a GPU those of the clock."""
    return time.process_time if device.type == "cpu" else time.perf_counter


@dataclass(frozen=True)
class Stopwatch:
    """Trains with ``fit`` and without callbacks, which measure; keeps the trainings.

    Seconds are those of ``choose_clock``.
    """

    fit: Fit
    trainings: list[Training] = field(default_factory=list)

    def __call__(self, request: TrainingRequest) -> FittedMethod:
        bare = replace(request, on_round=lambda state: None, on_inferred=lambda state: None)
        read_clock = choose_clock(bare.device)
        start = read_clock()
        fitted = self.fit(bare)
        self.trainings.append(Training(bare, fitted, read_clock() - start))
        return fitted


def measure_all(cell: Cell, images: ImageSet, extract: Extract, fit: Fit) -> CellResult:
    """Train on complete, on normal and on occluded images; what a method lacks is left out and said.

    ``training_seconds``, ``sample_gradients`` and ``parameters`` are those of the training on complete
    images, ``score_seconds`` is for 1,000 images.
    """
    watch = Stopwatch(fit)
    complete = measure_complete(replace(cell, task="complete"), images, extract, watch)
    result = CellResult(dict(complete.numbers), arrays=complete.arrays, lacks=dict(complete.lacks))
    training = watch.trainings[-1]
    diagnostics = set(training.fitted.diagnostics)
    if type(training.fitted) is ShortRun and cell.method == MIXED:
        mixture = ShortRunMixture(training.request, training.fitted)
        reference = take_reference(extract, torch.from_numpy(images.train_images))
        n_generated = cell.params.profile_settings.evaluate.n_generated
        result.numbers[MIXTURE_DISTANCE] = reference.measure_samples(mixture, n_generated)
    result.numbers.update(
        training_seconds=training.seconds,
        sample_gradients=float(training.request.budget),
        parameters=float(training.fitted.count_parameters()),
    )
    for task, measure in (("anomaly", measure_anomaly), ("occluded", measure_occluded)):
        watch = Stopwatch(fit)
        try:
            part = measure(replace(cell, task=task), images, extract, watch)
            result.numbers.update({key: part.numbers[key] for key in KEPT[task] if key in part.numbers})
            result.lacks.update(part.lacks)
            if task == "anomaly":
                steps = cell.params.profile_settings.evaluate.anomaly_steps
                result.numbers["score_seconds"] = time_scoring(watch.trainings[-1], images, steps)
        except Lacking as cause:
            result.lacks.update(dict.fromkeys(KEPT[task], str(cause)))
    kept = {key for keys in KEPT.values() for key in keys}
    kept |= {
        MIXTURE_DISTANCE,
        "training_seconds",
        "sample_gradients",
        "parameters",
        "score_seconds",
    } | diagnostics
    numbers = {key: value for key, value in result.numbers.items() if key in kept}
    lacks = {key: cause for key, cause in result.lacks.items() if key in kept}
    return replace(result, numbers=numbers, lacks=lacks)


def time_scoring(training: Training, images: ImageSet, steps: int) -> float:
    """Seconds for 1,000 images, scored once, reckoned from as many test images as there are."""
    batch = torch.from_numpy(images.test_images[:SCORED]).to(training.request.device)
    read_clock = choose_clock(batch.device)
    start = read_clock()
    training.fitted.score(batch, steps, 0).cpu()  # which waits for the device
    return (read_clock() - start) * SCORED / len(batch)
