"""Train and measure one cell of a table: fit a method, then take the numbers its table prints."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from pipeline.anomaly import compute_auprc, compute_minimum_auprc, split_anomaly
from pipeline.datasets import ImageSet
from pipeline.frechet import compute_frechet_distance
from pipeline.grid import Cell
from pipeline.inference import choose_engine, to_unit
from pipeline.masks import apply_masks, make_masks, scale_mask_size
from pipeline.methods import METHODS, FitRequest, FittedMethod
from pipeline.params import Params
from pipeline.plan import build_plan
from pipeline.recovery import measure_recovery, recover_images
from pipeline.training import TrainingState

N_SHOWN = 16  # images kept for the figures
BATCH = 2000  # images generated at once

Extract = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class CellResult:
    """What a cell measured, or why it could not: ``numbers`` by name, uint8 ``pictures`` (n, C, H, W)."""

    numbers: dict[str, float] = field(default_factory=dict)
    pictures: dict[str, np.ndarray] = field(default_factory=dict)
    error: str = ""


def measure_cell(cell: Cell, images: ImageSet, extract: Extract) -> CellResult:
    """Fit the cell's method and measure what its task is about; failures become the result's ``error``.

    ``extract`` gives features (N, F) for the Frechet distance of complete images.
    """
    start = time.perf_counter()
    try:
        found = TASKS[cell.task](cell, images, extract)
    except (ValueError, ArithmeticError, RuntimeError) as error:  # one cell never breaks a table
        return CellResult(error=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
    seconds = time.perf_counter() - start
    return dataclasses.replace(found, numbers={**found.numbers, "seconds": seconds})


def measure_complete(cell: Cell, images: ImageSet, extract: Extract) -> CellResult:
    """Tables 2, 4 to 7: error of reconstructed images of both splits, Frechet distance of prior samples."""
    params, train_images = cell.params, torch.from_numpy(images.train_images)
    reference = extract(train_images)
    n_generated = params.profile_settings.evaluate.n_generated
    rounds: dict[str, float] = {}

    def measure_distance(fitted: FittedMethod) -> float:
        return compute_frechet_distance(extract(fitted.sample(n_generated).cpu()), reference)

    def keep_round(state: TrainingState) -> None:
        record = state.records[-1]
        rounds.update(
            {
                f"{name}_{record.round}": getattr(record, name)
                for name in ("ot_cost", "mse_before", "mse_after")
            }
        )

    request = _build_request(params, cell.task, train_images, None)
    request = dataclasses.replace(request, on_round=keep_round)
    fitted = METHODS[cell.method](request)
    numbers = params.profile_settings
    latents = fitted.infer_training(request.images, None, numbers.train.K)
    test_images = torch.from_numpy(images.test_images).to(request.images.device)
    test_latents = fitted.infer(test_images, None, numbers.evaluate.reconstruct_steps, 0)
    shown = slice(0, N_SHOWN)
    return CellResult(
        {
            "mse_train": _measure_error(fitted, latents, request.images),
            "mse_test": _measure_error(fitted, test_latents, test_images),
            "frechet_distance": measure_distance(fitted),
            "floor": compute_frechet_distance(extract(test_images.cpu()), reference),
            "latent_std": float(latents.std(0, correction=0).mean()),
            "n": len(train_images),
            "n_generated": n_generated,
            **rounds,
        },
        {
            "images": images.train_images[shown],
            "reconstructions": _to_bytes(fitted.generate(latents[shown])),
            "samples": _to_bytes(fitted.sample(4 * N_SHOWN)),
        },
    )


def measure_normal(cell: Cell, images: ImageSet, extract: Extract) -> CellResult:
    """Table 3: AUPRC of the held-out class under both protocols, over independent test chains."""
    params = cell.params
    pooled = np.concatenate([images.train_images, images.test_images])
    labels = np.concatenate([images.train_labels, images.test_labels])
    split = split_anomaly(labels, params.anomaly.held_out)
    request = _build_request(params, cell.task, torch.from_numpy(pooled[split.train]), None)
    fitted = METHODS[cell.method](request)
    test_images = torch.from_numpy(pooled[split.pooled]).to(request.images.device)
    steps = params.profile_settings.evaluate.anomaly_steps
    scores = [fitted.score(test_images, steps, draw).double().cpu() for draw in range(params.anomaly.chains)]
    is_anomaly = labels[split.pooled] == params.anomaly.held_out
    numbers: dict[str, float] = {"chains": params.anomaly.chains, "n": len(split.train)}
    for protocol, chosen in (
        ("pooled", np.ones(len(is_anomaly), dtype=bool)),
        ("tenth", np.isin(split.pooled, split.tenth)),
    ):
        found = [compute_auprc(score.numpy()[chosen], is_anomaly[chosen]) for score in scores]
        base_rate = float(is_anomaly[chosen].mean())
        numbers |= {
            f"{protocol}_mean": float(np.mean(found)),
            f"{protocol}_std": float(np.std(found)),
            f"{protocol}_base_rate": base_rate,
            f"{protocol}_minimum": compute_minimum_auprc(base_rate),
        }
    return CellResult(numbers)


def measure_occluded(cell: Cell, images: ImageSet, extract: Extract) -> CellResult:
    """Table 8: error on the hidden pixels after training on the occluded images alone."""
    params, mask = cell.params, cell.params.mask
    n, _, height, width = images.train_images.shape
    size = scale_mask_size(mask.size, height)
    visible = make_masks(mask.kind, range(n), height, width, params.seed, size=size, share=mask.share)
    occluded = torch.from_numpy(apply_masks(images.train_images, visible))
    request = _build_request(params, cell.task, occluded, torch.from_numpy(visible))
    fitted = METHODS[cell.method](request)
    steps = params.profile_settings.evaluate.recover_steps
    latents = fitted.infer_training(request.images, request.visible, steps)
    recovered = torch.cat(
        [
            recover_images(
                fitted.generate(latents[rows]), to_unit(request.images[rows]), request.visible[rows]
            )
            for rows in torch.arange(n, device=latents.device).split(BATCH)
        ]
    )
    originals = to_unit(torch.from_numpy(images.train_images)).to(recovered.device)
    error = measure_recovery(recovered, originals, request.visible)
    shown = slice(0, N_SHOWN)
    return CellResult(
        {"absolute_error": error.absolute, "squared_error": error.squared, "n": n, "mask_size": size},
        {
            "originals": images.train_images[shown],
            "visible": visible[shown],
            "recovered": _to_bytes(recovered[shown]),
        },
    )


TASKS: dict[str, Callable[[Cell, ImageSet, Extract], CellResult]] = {
    "complete": measure_complete,
    "normal": measure_normal,
    "occluded": measure_occluded,
}


def _build_request(params: Params, task: str, images: Tensor, visible: Tensor | None) -> FitRequest:
    settings = choose_engine(**dataclasses.asdict(params.engine))
    return FitRequest(
        architecture=params.architecture,
        latent_dim=params.resolved_latent_dim,
        images=images.to(settings.device),
        visible=None if visible is None else visible.to(settings.device),
        plan=build_plan(params, task),
        settings=settings,
    )


def _measure_error(fitted: FittedMethod, latents: Tensor, images: Tensor) -> float:
    """Mean squared error per pixel and channel on [0, 1]."""
    total = sum(
        float((fitted.generate(latents[rows]) - to_unit(images[rows])).square().sum(dtype=torch.float64))
        for rows in torch.arange(len(images), device=images.device).split(BATCH)
    )
    return total / images.numel()


def _to_bytes(images: Tensor) -> np.ndarray:
    return (images * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
