"""Measure one cell of a table: fit a method, then take the numbers its table prints."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from models.images import to_bytes, to_unit
from models.interface import FittedMethod, Lacking
from models.short_run.algorithm import TrainingState
from models.short_run.method import TrainingRequest, stop_training
from pipeline.data.anomaly_split import split_anomaly
from pipeline.data.load import ImageSet
from pipeline.data.masks import occlude_images
from pipeline.evaluation.auprc import judge_scores, score_chains
from pipeline.evaluation.frechet import Reference, take_reference
from pipeline.evaluation.image_bootstrap import rank_scores
from pipeline.evaluation.inpainting import illustrate_inpainting
from pipeline.evaluation.prior_distance import measure_distance_to_normal, measure_distance_to_prior
from pipeline.evaluation.reconstruction import measure_recovery, reconstruct_splits, recover_training
from pipeline.studies.grid import Cell
from pipeline.studies.request import build_request
from pipeline.studies.result import CellResult, Extract, Fit, describe_lack, unite_results

Measured = TypeVar("Measured")
N_SHOWN = 16  # images kept for the figures
SHOWN = slice(0, N_SHOWN)
CHAINS_KEPT = 3  # whose scores a cell keeps, for what resampled test images would give
ENDS = ("frechet_before", "mse_before", "mse_after", "ot_cost", "matched_share")  # of curves, as numbers
RECORDED = ("ot_cost", "matched_share", "mse_before", "mse_after", "latent_std_before")  # of each round
DETECTION = ("mean", "std", "base_rate", "minimum")  # of each protocol
WAYS = ("", "_point", "_draw")  # to infer z: as the method's source does, by a point, by a draw
MSES = tuple(f"{name}{way}" for way in WAYS for name in ("mse_train", "mse_test"))
RECOVERY_ERRORS = tuple(f"{name}{way}" for way in WAYS for name in ("absolute_error", "squared_error"))
NUMBERS = {  # by task, what a method that cannot be measured at all is said to lack
    "complete": (*MSES, "frechet_distance"),
    "anomaly": tuple(f"{protocol}_{part}" for protocol in ("pooled", "tenth") for part in DETECTION),
    "occluded": RECOVERY_ERRORS,
    "latent": ("to_prior", "floor"),
}


def measure_complete(cell: Cell, images: ImageSet, extract: Extract, fit: Fit) -> CellResult:
    """Tables 2, 4 to 7, Figures 4, 6 to 8: reconstruction of both splits, prior samples, inpainting."""
    train_images = torch.from_numpy(images.train_images)
    request = build_request(cell, train_images, None)
    reference = take_reference(extract, train_images)
    n_generated = cell.params.profile_settings.evaluate.n_generated
    watch = RoundWatch(request, reference, n_generated)
    fitted = fit(replace(request, on_round=watch.keep_round, on_inferred=watch.keep_inferred))
    test_images = torch.from_numpy(images.test_images).to(request.device)
    training = CellResult(
        {
            "floor": reference.measure_images(test_images),
            "n": len(train_images),
            "n_generated": n_generated,
            **fitted.diagnostics,
            **{name: watch.curves[name][-1] for name in ENDS if name in watch.curves},
        },
        dict(watch.curves),
        {"images": images.train_images[SHOWN]},
    )
    return unite_results(
        (
            training,
            _measure_reconstruction(cell, fitted, request.images, test_images),
            _show_inpainting(cell, fitted, test_images),
            _measure_generation(fitted, reference, n_generated),
        )
    )


def _measure_reconstruction(
    cell: Cell, fitted: FittedMethod, train_images: Tensor, test_images: Tensor
) -> CellResult:
    """The error of both splits, and some training images' reconstructions."""
    numbers = cell.params.profile_settings
    train_steps, test_steps = numbers.train.K, numbers.evaluate.reconstruct_steps
    try:
        measured = reconstruct_splits(fitted, train_images, test_images, train_steps, test_steps)
    except Lacking as cause:
        return describe_lack(MSES, cause)
    found = measure_ways(
        fitted,
        measured,
        lambda method: reconstruct_splits(method, train_images, test_images, train_steps, test_steps),
    )
    return CellResult(
        {
            **{f"mse_train{way}": one.mse_train for way, one in found.items()},
            **{f"mse_test{way}": one.mse_test for way, one in found.items()},
            "latent_std": measured.latent_std,
        },
        arrays={"reconstructions": to_bytes(fitted.generate(measured.train_latents[SHOWN]))},
        lacks=describe_missing_ways(found, MSES),
    )


def measure_ways(
    fitted: FittedMethod, as_source: Measured, measure: Callable[[FittedMethod], Measured]
) -> dict[str, Measured]:
    """What ``measure`` finds by each way to infer z, by the way's ending in the name of a number.

    ``as_source``: what it finds of ``fitted`` itself, which is one of the ways and is not measured twice.
    """
    found = {"": as_source}
    for way, method in list_ways(fitted).items():
        found[f"_{way}"] = as_source if method is fitted else measure(method)
    return found


def list_ways(fitted: FittedMethod) -> dict[str, FittedMethod]:
    """The ways to infer one z for an image: ``point``, and ``draw`` where the method draws a posterior.

    A draw's error is larger by the variance of the images that the posterior allows, so that errors compare
    within one way alone.
    """
    drawing = fitted.as_draws()
    return {"point": fitted.as_points()} | ({} if drawing is None else {"draw": drawing})


def describe_missing_ways(found: Collection[str], names: Iterable[str]) -> dict[str, str]:
    """Say of each of ``names`` that is of a way not in ``found`` why it is not there."""
    missing = [way for way in WAYS if way not in found]
    return {name: "draws no posterior" for name in names if any(name.endswith(way) for way in missing)}


def _show_inpainting(cell: Cell, fitted: FittedMethod, test_images: Tensor) -> CellResult:
    """What Figures 6 and 7 show, and no number."""
    steps = cell.params.profile_settings.evaluate.recover_steps
    try:
        shown = illustrate_inpainting(fitted, test_images, cell.params.seed, steps)
    except Lacking:  # which the reconstruction's numbers say already
        return CellResult()
    return CellResult(arrays={f"inpainting_{name}": array for name, array in shown.items()})


def _measure_generation(fitted: FittedMethod, reference: Reference, n_generated: int) -> CellResult:
    """The Frechet distance of draws from the method, and some of them."""
    try:
        distance = reference.measure_samples(fitted, n_generated)
    except Lacking as cause:
        return describe_lack(("frechet_distance",), cause)
    samples = to_bytes(fitted.sample(4 * N_SHOWN))
    return CellResult({"frechet_distance": distance}, arrays={"samples": samples})


def measure_latent(cell: Cell, images: ImageSet, extract: Extract, fit: Fit) -> CellResult:
    """Figures 2 and 3: the aggregated posterior of a low-dimensional latent space against the prior."""
    params, train_images = cell.params, torch.from_numpy(images.train_images)
    request = build_request(cell, train_images, None)
    curves: dict[str, list[float]] = defaultdict(list)
    inferred = []

    def keep_inferred(state: TrainingState) -> None:
        inferred.append(state.latents.cpu().numpy().copy())
        curves["to_prior"].append(measure_distance_to_normal(state.latents, params.seed))

    fitted = fit(
        replace(request, on_inferred=keep_inferred, on_round=lambda state: _keep_record(curves, state))
    )
    latents = fitted.draw_posterior(request.images, params.profile_settings.train.K)
    cost, floor = measure_distance_to_prior(fitted, latents, params.seed)
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
    test_images = torch.from_numpy(pooled[split.pooled]).to(request.device)
    steps, chains = params.profile_settings.evaluate.anomaly_steps, params.anomaly.chains
    scores = score_chains(fitted, test_images, steps, chains)
    is_anomaly = labels[split.pooled] == params.anomaly.held_out
    protocols = {
        "pooled": np.ones(len(is_anomaly), dtype=bool),
        "tenth": np.isin(split.pooled, split.tenth),
    }
    numbers: dict[str, float] = {"chains": chains, "n": len(split.train)}
    for protocol, judged in judge_scores(scores, is_anomaly, protocols).items():
        numbers |= {f"{protocol}_{part}": getattr(judged, part) for part in DETECTION}
    arrays = {
        "score_ranks": np.stack([rank_scores(chain) for chain in scores[:CHAINS_KEPT]]),
        "is_anomaly": is_anomaly,
        "in_tenth": protocols["tenth"],
        "image_ids": np.array([zlib.crc32(pooled[row].tobytes()) for row in split.pooled], dtype=np.uint32),
    }
    return CellResult(numbers, arrays=arrays)


def measure_occluded(cell: Cell, images: ImageSet, extract: Extract, fit: Fit) -> CellResult:
    """Table 8: error on the hidden pixels after training on the occluded images alone."""
    params, mask = cell.params, cell.params.mask
    occlusion = occlude_images(images.train_images, mask.kind, mask.side, mask.share, params.seed)
    request = build_request(cell, torch.from_numpy(occlusion.images), torch.from_numpy(occlusion.visible))
    curves: dict[str, list[float]] = defaultdict(list)
    fitted = fit(replace(request, on_round=lambda state: _keep_record(curves, state)))
    steps = params.profile_settings.evaluate.recover_steps
    seen = request.visible
    assert seen is not None  # as built above
    recovered = recover_training(fitted, request.images, seen, steps)
    originals = to_unit(torch.from_numpy(images.train_images)).to(recovered.device)
    found = measure_ways(
        fitted, recovered, lambda method: recover_training(method, request.images, seen, steps)
    )
    errors = {way: measure_recovery(one, originals, seen) for way, one in found.items()}
    return CellResult(
        {
            **{f"absolute_error{way}": error.absolute for way, error in errors.items()},
            **{f"squared_error{way}": error.squared for way, error in errors.items()},
            "n": len(originals),
            "mask_size": occlusion.size,
        },
        dict(curves),
        {
            "originals": images.train_images[SHOWN],
            "visible": occlusion.visible[SHOWN],
            "recovered": to_bytes(recovered[SHOWN]),
        },
        lacks=describe_missing_ways(found, RECOVERY_ERRORS),
    )


@dataclass(frozen=True)
class RoundWatch:
    """Keeps curves of a training: Algorithm 1's records, and the Frechet distance of the samples so far."""

    request: TrainingRequest
    reference: Reference
    n_generated: int
    curves: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def keep_inferred(self, state: TrainingState) -> None:
        """Before a round's correction: the distance, before the last one alone."""
        if state.round + 1 == self.request.plan.rounds:
            self.curves["frechet_before"].append(self._measure_distance(state))

    def keep_round(self, state: TrainingState) -> None:
        """After a round: its record and the distance."""
        _keep_record(self.curves, state)
        self.curves["frechet_distance"].append(self._measure_distance(state))

    def _measure_distance(self, state: TrainingState) -> float:
        paused = stop_training(self.request, state.generator, state.latents)
        return self.reference.measure_samples(paused, self.n_generated)


def _keep_record(curves: dict[str, list[float]], state: TrainingState) -> None:
    for name in RECORDED:
        curves[name].append(getattr(state.records[-1], name))
