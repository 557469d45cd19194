"""From the stages' metric files to result tables."""

from __future__ import annotations

from typing import Any

from pipeline.evaluation.fitted_densities import FITTED_DISTANCES
from pipeline.settings.params import Params
from reports.paper.names import name_column, name_method
from reports.paper.published import find_table2, find_table3, find_table8
from reports.result_table import ResultRow, ResultTable

Metrics = dict[str, dict[str, Any]]  # stage -> its metrics
REFUSED = ": refused"  # why, the table of Frechet distances says
DRAW_AND_POINT = (
    "A draw is one noisy chain's z, a point that of the same chain without noise. A draw's error has the "
    "spread of the images that the posterior allows in it: errors compare within one kind alone."
)


def collect_tables(params: Params, metrics: Metrics, published: dict[str, Any]) -> list[ResultTable]:
    """Bring every stage's numbers into tables, each with the paper's number beside it."""
    return [
        tabulate_reconstruction(params, metrics, published),
        tabulate_generation(params, metrics, published),
        tabulate_copies(params, metrics),
        tabulate_anomaly(params, metrics, published, "pooled"),
        tabulate_anomaly(params, metrics, published, "tenth"),
        tabulate_recovery(params, metrics, published),
        tabulate_training(params, metrics),
    ]


def summarise(metrics: Metrics) -> dict[str, float | None]:
    """Pick the numbers that ``dvc exp show``, ``dvc metrics`` and MLflow's Compare set side by side."""
    return {
        "mse_train": metrics["reconstruct"]["mse_train"],
        "mse_test": metrics["reconstruct"]["mse_test"],
        "fid": metrics["fid"]["frechet_distance"],
        "auprc": metrics["anomaly"]["pooled"]["auprc_mean"],
        "auprc10": metrics["anomaly"]["tenth"]["auprc_mean"],
        "recovery": metrics["recover"]["absolute_error"],
    }


def tabulate_reconstruction(params: Params, metrics: Metrics, published: dict[str, Any]) -> ResultTable:
    """Tabulate the MSE on both splits, in both units, Table 2's beside the training split's [0, 1] value."""
    errors = metrics["reconstruct"]
    printed = find_table2(published, params.dataset, "mse", params.alpha)
    how = {
        "train": f"training images, persistent chains and {errors['steps_train']} steps",
        "test": f"test images, from the prior, {errors['steps_test']} steps",
    }
    way = errors["way"]
    kinds = [("[0, 1]", "", way), ("[-1, 1]", "_pm1", way), ("[0, 1]", "_point", "point")]
    rows = [
        ResultRow(
            params.dataset,
            name_method(params.alpha),
            f"MSE {unit} of a {kind}, {how[split]}",
            errors[f"mse_{split}{suffix}"],
            printed if (split, suffix) == ("train", "") else None,
            errors[f"n_{split}"],
            params.seed,
        )
        for split in ("train", "test")
        for unit, suffix, kind in (kinds if way == "draw" else kinds[:2])
    ]
    note = f"Mean squared error per pixel and channel. {DRAW_AND_POINT}"
    if printed is not None:
        suspects = [
            f" Suspect: the paper's {suspect['printed']} ({suspect['why']})."
            for suspect in published["table2_reconstruction_generation"]["suspect"]
            if suspect["printed"] == printed
        ]
        where = "Table 2, on the full data set; the paper does not say which split."
        note += f" Published: {where}{''.join(suspects)}"
    return ResultTable("reconstruction", "Reconstruction (Table 2)", note, rows)


def tabulate_generation(params: Params, metrics: Metrics, published: dict[str, Any]) -> ResultTable:
    """Tabulate the Frechet distance and its floor; Table 2's FID compares with Inception's alone."""
    distance = metrics["fid"]
    method, extractor = name_method(params.alpha), distance["extractor"]
    reference = f"{distance['n_reference']} {distance['reference_split']} images"
    printed = find_table2(published, params.dataset, "fid", params.alpha)
    refused = REFUSED if distance.get("refused") else ""
    rows = [
        ResultRow(
            params.dataset,
            method,
            f"Frechet distance of prior samples to {reference}{refused}",
            distance["frechet_distance"],
            printed if extractor == "inception" else None,
            distance["n"],
            distance["seed"],
            extractor,
        ),
        *(
            ResultRow(
                params.dataset,
                f"{method}, z of {density} fitted to the training images' z",
                f"Frechet distance of samples to {reference}{refused}",
                distance[key],
                None,
                distance["n"],
                distance["seed"],
                extractor,
            )
            for density, key in FITTED_DISTANCES.items()
        ),
        ResultRow(
            params.dataset,
            "test images (floor)",
            f"Frechet distance of test images to {reference}{refused}",
            distance["floor"],
            None,
            distance["n_floor"],
            distance["seed"],
            extractor,
        ),
    ]
    if printed is not None:
        as_printed, quantity = (
            f"{method}, as the paper prints it",
            "Frechet distance, n and reference split not stated",
        )
        rows.append(ResultRow(params.dataset, as_printed, quantity, None, printed, extractor="inception"))
    note = (
        "Distances are comparable only within one extractor, n and reference split: the embedded extractor "
        "is a small classifier trained on this data set's labels, its scale is not Inception's. The "
        "correction moves z to the prior; a density that is fitted after training follows z, and costs no "
        "error."
    )
    if distance.get("refused"):
        note = f"Refused: {distance['refused']}; in the features of a poorer one anything is near. {note}"
    return ResultTable("generation", "Generation (Table 2)", note, rows)


def tabulate_copies(params: Params, metrics: Metrics) -> ResultTable:
    """Tabulate how samples lie among test images, and whether training images are nearer to them."""
    compared, method = metrics["fid"], name_method(params.alpha)
    n, refused = compared["n_compared"], REFUSED if compared.get("refused") else ""
    rows = [
        ResultRow(params.dataset, method, quantity, compared[key], None, count, params.seed, extractor)
        for key, quantity, count, extractor in (
            (
                "frechet_distance_test",
                f"Frechet distance of prior samples to {compared['n_floor']} test images{refused}",
                compared["n"],
                compared["extractor"],
            ),
            ("nearer_training", "samples nearer to a training image than to any test image", n, None),
            ("precision", f"precision: samples near to test images{refused}", n, compared["extractor"]),
            ("recall", f"recall: test images near to samples{refused}", n, compared["extractor"]),
        )
    ]
    note = (
        f"No training saw a test image. Nearer by pixels, {n} training and {n} test images: about a half of "
        "new images of the same source, all of copies, and any share of poor samples, which have few images "
        "as neighbours. Near: within the distance of the third neighbour in the extractor's features "
        "(Kynkäänniemi et al. 2019). The paper has none of these."
    )
    return ResultTable("copies", "Copies and coverage", note, rows)


def tabulate_anomaly(
    params: Params, metrics: Metrics, published: dict[str, Any], protocol: str
) -> ResultTable:
    """Tabulate the AUPRC under one protocol with base rate and smallest possible score."""
    measured = metrics["anomaly"]
    part = measured[protocol]
    context = (params.dataset, name_method(params.alpha))
    held_out, alpha = measured["held_out"], params.alpha
    # The paper's numbers for VAE and ABP lie below the pooled protocol's minimum: they belong to ``tenth``.
    printed = {
        statistic: find_table3(published, params.dataset, held_out, alpha, statistic)
        if protocol == "tenth"
        else None
        for statistic in ("mean", "std")
    }
    label = f"AUPRC, held-out {held_out}, {measured['chains']} chains of {measured['steps']} steps"
    rows = [
        ResultRow(*context, f"{label}, mean", part["auprc_mean"], printed["mean"], part["n"], params.seed),
        ResultRow(*context, f"{label}, std", part["auprc_std"], printed["std"], part["n"], params.seed),
        ResultRow(params.dataset, "chance", "base rate", part["base_rate"], None, part["n"]),
        ResultRow(
            params.dataset, "worst ranking", "smallest possible AUPRC", part["minimum"], None, part["n"]
        ),
    ]
    descriptions = {
        "pooled": "Train on 80 % of the normal images, test on the other 20 % and all held-out ones; the "
        "paper's own numbers cannot belong to this protocol (conventions, section 5).",
        "tenth": "Train on 80 % of the normal images, test on a slice with the data set's natural share of "
        f"the held-out class.{'' if printed['mean'] is None else ' Published: Table 3.'}",
    }
    return ResultTable(
        f"anomaly_{protocol}",
        f"Anomaly detection, protocol {protocol} (Table 3)",
        descriptions[protocol],
        rows,
    )


def tabulate_recovery(params: Params, metrics: Metrics, published: dict[str, Any]) -> ResultTable:
    """Tabulate errors on the hidden pixels; Table 8's CelebA number stands in a row of its own."""
    measured = metrics["recover"]
    method = name_method(params.alpha)
    mask = {"kind": params.mask.kind, "side": params.mask.side, "share": params.mask.share}
    size = mask["share"] if mask["kind"] == "salt_pepper" else f"{measured['mask']['side']} px"
    what = f"{mask['kind']} {size}, on hidden pixels"
    printed = find_table8(published, mask, name_column(params.alpha))
    is_celeba = params.dataset == "celeba"
    ways = {"": measured["way"]} | ({"_point": "point"} if measured["way"] == "draw" else {})
    rows = [
        ResultRow(
            params.dataset,
            method,
            f"mean {kind} error of a {way}, {what}",
            measured[f"{kind}_error{suffix}"],
            printed if is_celeba and (kind, suffix) == ("absolute", "") else None,
            measured["n"],
            params.seed,
        )
        for suffix, way in ways.items()
        for kind in ("absolute", "squared")
    ]
    if not is_celeba and printed is not None:
        size = mask["share"] if mask["kind"] == "salt_pepper" else f"{mask['side']} px"
        quantity = f"average per pixel difference, {mask['kind']} {size} of 64 x 64"
        rows.append(ResultRow("celeba", method, quantity, None, printed, 10000))
    note = (
        "Trained on the occluded images alone (Algorithm 3); the error is on [0, 1], per hidden pixel and "
        f"channel. {DRAW_AND_POINT}"
    )
    if printed is not None:
        other = "." if is_celeba else ", another data set: the same mask, not the same task."
        note += f" Published: Table 8, CelebA{other}"
    return ResultTable("recovery", "Recovery of occluded images (Table 8)", note, rows)


def tabulate_training(params: Params, metrics: Metrics) -> ResultTable:
    """Tabulate the last round of each training: transport cost, matched share, latent moments."""
    names = {
        "mse_before": "MSE before the correction",
        "mse_after": "MSE at the end of the round",
        "ot_cost": "transport cost",
        "matched_share": "matched share",
        "latent_mean_after": "latent mean, root mean square over coordinates, end of round",
        "latent_std_before": "latent std before the correction",
        "latent_std_after": "latent std, end of round",
    }
    method = name_method(params.alpha)
    rows = []
    for task in ("complete", "normal", "occluded"):
        last = metrics[f"train-{task}"]
        rows += [
            ResultRow(
                params.dataset,
                method,
                f"{task}, round {last['round']}: {name}",
                last[key],
                None,
                last["n_train"],
                params.seed,
            )
            for key, name in names.items()
        ]
    note = "State of the persistent chains in the last round. The prior has mean 0 and standard deviation 1."
    return ResultTable("training", "Training, last round", note, rows)
