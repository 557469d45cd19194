"""Measure one cell of a table: fit a method, then take the numbers its table prints."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import torch

from models.images import to_bytes, to_unit
from models.interface import FittedMethod, Lacking
from models.short_run.algorithm import TrainingState
from models.short_run.method import ShortRun, TrainingRequest
from pipeline.data.anomaly_split import split_anomaly
from pipeline.data.load import ImageSet
from pipeline.data.masks import apply_masks, make_masks, scale_mask_size
from pipeline.evaluation.auprc import compute_auprc, compute_minimum_auprc
from pipeline.evaluation.frechet import compute_frechet_distance
from pipeline.evaluation.inpainting import illustrate_inpainting
from pipeline.evaluation.prior_distance import measure_distance_to_prior
from pipeline.evaluation.reconstruction import measure_error, measure_recovery, recover_images
from pipeline.studies.grid import Cell
from pipeline.studies.request import build_request
from pipeline.studies.result import CellResult, Extract, Fit

N_SHOWN = 16  # images kept for the figures
BATCH = 2000  # images generated at once
SHOWN = slice(0, N_SHOWN)


def measure_complete(cell: Cell, images: ImageSet, extract: Extract, fit: Fit) -> CellResult:
    """Tables 2, 4 to 7, Figures 4, 6 to 8: reconstruction of both splits, prior samples, inpainting."""
    params, train_images = cell.params, torch.from_numpy(images.train_images)
    numbers = params.profile_settings
    reference = extract(train_images)
    n_generated = numbers.evaluate.n_generated
    request = build_request(cell, train_images, None)
    curves: dict[str, list[float]] = defaultdict(list)

    def measure_distance(fitted: FittedMethod) -> float:
        return compute_frechet_distance(extract(fitted.sample(n_generated).cpu()), reference)

    def keep_inferred(state: TrainingState) -> None:
        if state.round + 1 == request.plan.rounds:
            curves["frechet_before"].append(measure_distance(_pause(request, state)))

    def keep_round(state: TrainingState) -> None:
        _keep_record(curves, state)
        curves["frechet_distance"].append(measure_distance(_pause(request, state)))

    fitted = fit(replace(request, on_round=keep_round, on_inferred=keep_inferred))
    test_images = torch.from_numpy(images.test_images).to(request.images.device)
    result = CellResult(
        {
            "floor": compute_frechet_distance(extract(test_images.cpu()), reference),
            "n": len(train_images),
            "n_generated": n_generated,
        },
        dict(curves),
        {"images": images.train_images[SHOWN]},
    )
    result.numbers.update(fitted.diagnostics)
    for name in ("frechet_before", "mse_before", "mse_after", "ot_cost", "matched_share"):
        if name in curves:
            result.numbers[name] = curves[name][-1]
    try:
        latents = fitted.infer_training(request.images, None, numbers.train.K)
        test_latents = fitted.infer(test_images, None, numbers.evaluate.reconstruct_steps, 0)
        result.numbers["mse_train"] = measure_error(fitted.generate, latents, request.images)
        result.numbers["mse_test"] = measure_error(fitted.generate, test_latents, test_images)
        result.numbers["latent_std"] = float(latents.std(0, correction=0).mean())
        result.arrays["reconstructions"] = to_bytes(fitted.generate(latents[SHOWN]))
        shown = illustrate_inpainting(fitted, test_images, params.seed, numbers.evaluate.recover_steps)
        result.arrays.update({f"inpainting_{name}": array for name, array in shown.items()})
    except Lacking as cause:
        result.lacks.update(mse_train=str(cause), mse_test=str(cause))
    try:
        result.numbers["frechet_distance"] = measure_distance(fitted)
        result.arrays["samples"] = to_bytes(fitted.sample(4 * N_SHOWN))
    except Lacking as cause:
        result.lacks["frechet_distance"] = str(cause)
    return result


def measure_latent(cell: Cell, images: ImageSet, extract: Extract, fit: Fit) -> CellResult:
    """Figures 2 and 3: the aggregated posterior of a low-dimensional latent space against the prior."""
    params, train_images = cell.params, torch.from_numpy(images.train_images)
    request = build_request(cell, train_images, None)
    curves: dict[str, list[float]] = defaultdict(list)
    inferred = []

    def keep_inferred(state: TrainingState) -> None:
        inferred.append(state.latents.cpu().numpy().copy())
        curves["to_prior"].append(measure_distance_to_prior(state.latents, params.seed)[0])

    fitted = fit(
        replace(request, on_inferred=keep_inferred, on_round=lambda state: _keep_record(curves, state))
    )
    latents = fitted.draw_posterior(request.images, params.profile_settings.train.K)
    cost, floor = measure_distance_to_prior(latents, params.seed)
    arrays = {"latents": latents.cpu().numpy(), "labels": images.train_labels}
    if inferred:
        arrays["inferred"] = np.stack(inferred)  # (rounds, N, d)
    return CellResult({"to_prior": cost, "floor": floor, "n": len(train_images)}, dict(curves), arrays)


def measure_anomaly(cell: Cell, images: ImageSet, extract: Extract, fit: Fit) -> CellResult:
    """Table 3: AUPRC of the held-out class under both protocols, over independent test chains."""
    params = cell.params
    pooled = np.concatenate([images.train_images, images.test_images])
    labels = np.concatenate([images.train_labels, images.test_labels])
    split = split_anomaly(labels, params.anomaly.held_out)
    request = build_request(cell, torch.from_numpy(pooled[split.train]), None)
    fitted = fit(request)
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


def measure_occluded(cell: Cell, images: ImageSet, extract: Extract, fit: Fit) -> CellResult:
    """Table 8: error on the hidden pixels after training on the occluded images alone."""
    params, mask = cell.params, cell.params.mask
    n, _, height, width = images.train_images.shape
    size = scale_mask_size(mask.side, height)
    visible = make_masks(mask.kind, range(n), height, width, params.seed, size=size, share=mask.share)
    occluded = torch.from_numpy(apply_masks(images.train_images, visible))
    request = build_request(cell, occluded, torch.from_numpy(visible))
    curves: dict[str, list[float]] = defaultdict(list)
    request = replace(request, on_round=lambda state: _keep_record(curves, state))
    fitted = fit(request)
    steps = params.profile_settings.evaluate.recover_steps
    seen = request.visible
    assert seen is not None  # as built above
    latents = fitted.infer_training(request.images, seen, steps)
    recovered = torch.cat(
        [
            recover_images(fitted.generate(latents[rows]), to_unit(request.images[rows]), seen[rows])
            for rows in torch.arange(n, device=latents.device).split(BATCH)
        ]
    )
    originals = to_unit(torch.from_numpy(images.train_images)).to(recovered.device)
    error = measure_recovery(recovered, originals, seen)
    return CellResult(
        {"absolute_error": error.absolute, "squared_error": error.squared, "n": n, "mask_size": size},
        dict(curves),
        {
            "originals": images.train_images[SHOWN],
            "visible": visible[SHOWN],
            "recovered": to_bytes(recovered[SHOWN]),
        },
    )


def _pause(request: TrainingRequest, state: TrainingState) -> ShortRun:
    """The method as it stands in the middle of its training."""
    return ShortRun(request, state.generator, state.latents)


def _keep_record(curves: dict[str, list[float]], state: TrainingState) -> None:
    record = state.records[-1]
    for name in ("ot_cost", "matched_share", "mse_before", "mse_after", "latent_std_before"):
        curves[name].append(getattr(record, name))
