"""Rows of a JSON file, one for each training that a tool measured, and how several seeds of them are told."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluation.effects import estimate_over_seeds
from pipeline.storage.files import write_json
from reports.paper.gains import write_factor
from reports.result_table import write_digits

Row = dict[str, Any]


def read_rows(path: Path) -> list[Row]:
    """What was measured so far; nothing where there is no file."""
    return list(json.loads(path.read_text())["rows"]) if path.exists() else []


def put_row(row: Row, path: Path, same: Sequence[str], order: Callable[[Row], Any]) -> None:
    """Put a row in the place of the one that agrees in the keys ``same``; rows are kept in ``order``."""
    others = [one for one in read_rows(path) if any(one[key] != row[key] for key in same)]
    write_json(path, {"rows": sorted([*others, row], key=order)})


def write_mean(rows: Sequence[Mapping[str, Any]], key: str) -> str:
    """Write the mean of a number over seeds, ± its standard deviation where there are several."""
    values = [row[key] for row in rows]
    mean = f"{statistics.mean(values):.3g}"
    return f"{mean} ± {write_digits(statistics.stdev(values))}" if len(values) > 1 else mean


def compare_rows(theirs: Sequence[Mapping[str, Any]], ours: Sequence[Mapping[str, Any]], key: str) -> str:
    """Their number over ours with its interval, over the seeds that both have; empty where there is none."""
    own = {row["seed"]: row[key] for row in ours}
    ratios = [math.log(row[key] / own[row["seed"]]) for row in theirs if row["seed"] in own]
    return write_factor(estimate_over_seeds(np.array(ratios))) if ratios else ""


def tell_machines(rows: Sequence[Mapping[str, Any]]) -> str:
    """Tell on which machines rows were trained."""
    machines = sorted({f"{row['machine']} in {row['precision_of_inference']}" for row in rows})
    return f"Trained on: {', '.join(machines)}."
