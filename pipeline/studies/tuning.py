"""Tuning on a validation split of the training images: every method has the same candidates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from models.interface import Lacking
from pipeline.data.load import ImageSet
from pipeline.evaluation.frechet import compute_frechet_distance
from pipeline.evaluation.reconstruction import measure_error
from pipeline.studies.grid import Cell
from pipeline.studies.measured import MeasuredCell
from pipeline.studies.request import build_request
from pipeline.studies.result import CellResult, Extract, Fit

VALIDATION_SHARE = 1 / 3  # of the training images
SMALLEST = 1e-12  # of a quality, as a unit
QUALITIES = ("frechet_distance", "mse")  # both better when lower


def hold_validation_back(images: ImageSet) -> tuple[np.ndarray, np.ndarray]:
    """Split training images: those to learn from, and the last third to judge by, uint8 (N, C, H, W)."""
    n_validation = int(len(images.train_images) * VALIDATION_SHARE)
    return images.train_images[:-n_validation], images.train_images[-n_validation:]


def measure_validation(cell: Cell, images: ImageSet, extract: Extract, fit: Fit) -> CellResult:
    """Train on two thirds of the training images; judge samples and reconstructions by the last."""
    learned, judged = (torch.from_numpy(part) for part in hold_validation_back(images))
    request = build_request(cell, learned, None)
    fitted = fit(request)
    evaluate = cell.params.profile_settings.evaluate
    samples = fitted.sample(evaluate.n_generated).cpu()
    result = CellResult(
        {
            "frechet_distance": compute_frechet_distance(extract(samples), extract(judged)),
            "sample_gradients": float(request.budget),
            "n": len(learned),
        }
    )
    judged = judged.to(request.device)
    try:
        latents = fitted.infer(judged, None, evaluate.reconstruct_steps, 0)
        result.numbers["mse"] = measure_error(fitted.generate, latents, judged)
    except Lacking as cause:
        result.lacks["mse"] = str(cause)
    return result


def rate_candidates(candidates: Sequence[Mapping[str, float]]) -> list[float]:
    """Rate how far each candidate is from the best: 1 for one that is best in everything.

    ``candidates``: each one's qualities by name, empty or not finite for one that failed. The mean over
    QUALITIES that all measured candidates have of value / lowest value; infinite for a failed one.
    """
    is_whole = [bool(qualities) and all(map(math.isfinite, qualities.values())) for qualities in candidates]
    measured = [qualities for qualities, whole in zip(candidates, is_whole, strict=True) if whole]
    shared = [name for name in QUALITIES if measured and all(name in qualities for qualities in measured)]
    best = {name: max(min(qualities[name] for qualities in measured), SMALLEST) for name in shared}
    return [
        float(np.mean([qualities[name] / best[name] for name in shared])) if whole and shared else math.inf
        for qualities, whole in zip(candidates, is_whole, strict=True)
    ]


def choose_rate_factor(cells: Sequence[MeasuredCell]) -> float:
    """Choose the learning rate's factor of the best candidate among one method's cells of a tuning study.

    Equal ones leave the source's own rate, 1, as it is; so does a method of which every candidate failed.
    """
    distances = rate_candidates([cell.numbers for cell in cells])
    least = min(distances, default=math.inf)
    if least == math.inf:
        return 1.0
    best = [
        float(cell.axes["rate_factor"])
        for cell, distance in zip(cells, distances, strict=True)
        if distance == least
    ]
    return min(sorted(best), key=lambda factor: abs(np.log(factor)))  # of two equally near 1 the smaller
