"""The paper's printed numbers, looked up by what a row of ours measures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pipeline.studies.measured import MeasuredCell
from reports.paper.layouts import FRECHET, MSE, Quantity
from reports.paper.names import name_column, name_method, name_row

PAPER = Path(__file__).parents[1] / "published.yaml"
COLUMN_OF = {"mnist5k": "mnist", "mnist": "mnist", "svhn": "svhn", "celeba": "celeba"}


def read_published() -> dict[str, Any]:
    """Read reports/published.yaml, which is data of this package."""
    with open(PAPER, encoding="utf-8") as file:
        return yaml.safe_load(file)


def find_table2(published: dict[str, Any], dataset: str, measure: str, alpha: float) -> float | None:
    """Find Table 2's ``measure`` (mse or fid) for the data set; None where the paper prints none."""
    column = COLUMN_OF.get(dataset)
    if column is None:
        return None
    table = published["table2_reconstruction_generation"]
    return table[column][measure][table["columns"].index(name_column(alpha))]


def find_table3(
    published: dict[str, Any], dataset: str, held_out: int, alpha: float, part: str
) -> float | None:
    """Find Table 3's mean or std for the held-out digit and alpha; None where the paper prints none."""
    table = published["table3_anomaly_auprc"]
    row = table.get(name_method(alpha))
    if COLUMN_OF.get(dataset) != "mnist" or row is None or held_out not in table["digits"]:
        return None
    return row[part][table["digits"].index(held_out)]


def find_table8(published: dict[str, Any], mask: dict[str, Any], method: str) -> float | None:
    """Find Table 8's CelebA error for the mask's 64 x 64 size or share; None where the paper prints none."""
    part = {
        "region": ("single_region", "mask_size", "side"),
        "salt_pepper": ("salt_and_pepper", "occlusion", "share"),
    }
    if mask["kind"] not in part:
        return None
    name, axis, key = part[mask["kind"]]
    table = published["table8_recovery_error_celeba"][name]
    if mask[key] not in table[axis]:
        return None
    return table[method][table[axis].index(mask[key])] if method in table else None


CITED_IN_TABLE3 = ("MEG", "BiGAN-sigma", "EnGAN", "EBM-VAE", "LEBM")  # from MEG's paper and later ones
PRINTED_AS = {"SRI-L5": "SRI (L=5)"}
SWEEPS = {
    "table4": ("table4_latent_dim_svhn", "latent_dim", "svhn"),
    "table6": ("table6_langevin_steps_mnist", "K", "mnist"),
    "table7": ("table7_learning_iterations_mnist", "L2", "mnist"),
}
Published = dict[str, Any]


def find_protocol(method: str) -> str:
    """Name the test set on which Table 3's row of ``method`` was measured (conventions, section 5).

    The paper measured its own method, ABP and the VAE where a tenth of the images are anomalies; the others'
    rows are cited from papers whose test sets hold all anomalies.
    """
    return "pooled" if method in CITED_IN_TABLE3 else "tenth"


def find_published(study: str, cell: MeasuredCell, quantity: Quantity, published: Published) -> float | None:
    """Find the paper's number for the same quantity on the same data; None where it prints none.

    A Frechet distance is the same quantity in Inception's features alone.
    """
    column, axes = COLUMN_OF.get(cell.dataset), cell.axes
    if column is None or (quantity.extractor and cell.extractor != "inception"):
        return None
    name = {MSE: "mse", FRECHET: "fid"}.get(quantity)
    method = PRINTED_AS.get(cell.method, cell.method)
    if study == "table2" and name:
        table = published["table2_reconstruction_generation"]
        columns = table["columns"]
        return table[column][name][columns.index(method)] if method in columns else None
    protocol, _, part = quantity.key.partition("_")
    if study == "table3" and column == "mnist" and protocol == find_protocol(cell.method):
        table = published["table3_anomaly_auprc"]
        row = table.get(name_row(cell), {}).get(part)
        return row[table["digits"].index(axes["held_out"])] if row else None
    if study == "table5" and method == "Ours":
        table = published["table5_step_size_mnist"]
        printed_s = [round(10 * s, 6) for s in table["s"]]
        keys = {"frechet_before": "fid_before", "frechet_distance": "fid_after"}
        key = keys.get(quantity.key, quantity.key)
        is_printed = key in table and axes["s"] in printed_s
        return table[key][printed_s.index(axes["s"])] if is_printed else None
    if study == "table8" and column == "celeba" and quantity.key == "absolute_error":
        return find_table8(published, axes["mask"], cell.method)
    if study in SWEEPS and name and method == "Ours":  # the only row of these tables
        key, axis, data = SWEEPS[study]
        table = published[key]
        if column == data and axes[axis] in table[axis]:
            return table[name][table[axis].index(axes[axis])]
    return None
