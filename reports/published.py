"""The paper's printed numbers, looked up by what a row of ours measures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

PAPER = Path(__file__).with_name("paper_results.yaml")
COLUMN_OF = {"mnist5k": "mnist", "mnist": "mnist", "svhn": "svhn", "celeba": "celeba"}


def read_published() -> dict[str, Any]:
    """Read paper_results.yaml, kept beside this module as data."""
    with open(PAPER, encoding="utf-8") as file:
        return yaml.safe_load(file)


def name_method(alpha: float) -> str:
    """`ABP` for alpha = 0, which is what the method then is; `Ours (alpha=...)` otherwise."""
    return "ABP" if alpha == 0 else f"Ours (alpha={alpha:g})"


def find_table2(published: dict[str, Any], dataset: str, measure: str, alpha: float) -> float | None:
    """Table 2's ``measure`` (mse or fid) for the data set; None where the paper prints none."""
    column = COLUMN_OF.get(dataset)
    if column is None:
        return None
    table = published["table2_reconstruction_generation"]
    return table[column][measure][table["columns"].index("ABP" if alpha == 0 else "Ours")]


def find_table3(
    published: dict[str, Any], dataset: str, held_out: int, alpha: float, part: str
) -> float | None:
    """Table 3's mean or std for the held-out digit and alpha; None where the paper prints none."""
    table = published["table3_anomaly_auprc"]
    row = table.get(name_method(alpha))
    if COLUMN_OF.get(dataset) != "mnist" or row is None or held_out not in table["digits"]:
        return None
    return row[part][table["digits"].index(held_out)]


def find_table8(published: dict[str, Any], mask: dict[str, Any], method: str) -> float | None:
    """Table 8's CelebA error for the mask's 64 x 64 size or share; None where the paper prints none."""
    part = {
        "region": ("single_region", "mask_size", "size"),
        "salt_pepper": ("salt_and_pepper", "occlusion", "share"),
    }
    if mask["kind"] not in part:
        return None
    name, axis, key = part[mask["kind"]]
    table = published["table8_recovery_error_celeba"][name]
    if mask[key] not in table[axis]:
        return None
    return table[method][table[axis].index(mask[key])] if method in table else None
