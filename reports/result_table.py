"""Result rows and the CSV and Markdown tables made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.storage.files import write_text

COLUMNS = ("dataset", "method", "quantity", "value", "published", "n", "seed", "extractor")
ROUNDING = 1e-12  # of a mean: a smaller spread is none


@dataclass(frozen=True)
class ResultRow:
    """One measured number beside the paper's; None where a column does not apply."""

    dataset: str
    method: str
    quantity: str
    value: float | None
    published: float | None = None
    n: int | None = None
    seed: int | None = None
    extractor: str | None = None


@dataclass(frozen=True)
class ResultTable:
    """A titled table; ``note`` says in a sentence how it was measured and what ``published`` is."""

    name: str
    title: str
    note: str
    rows: Sequence[ResultRow]


def drop_rounding(spread: float, mean: float) -> float:
    """A standard deviation, or 0 where it is of rounding alone."""
    return 0.0 if spread < ROUNDING * abs(mean) else spread


def write_digits(value: float, digits: int = 2) -> str:
    """Write a number by its first digits, and never by a power of ten: ``210``, ``2.1``, ``0.00021``."""
    return np.format_float_positional(float(f"{value:.{digits}g}"), trim="-")


def write_table(table: ResultTable, folder: Path, markdown: str | None = None) -> None:
    """Write the table as ``folder``/name.csv, in full precision, and name.md, for reading.

    ``markdown``: what name.md says, where a row for each number would be hard to read.
    """
    frame = pd.DataFrame([asdict(row) for row in table.rows], columns=list(COLUMNS)).astype(
        {"n": "Int64", "seed": "Int64"}
    )
    write_text(folder / f"{table.name}.csv", frame.to_csv(index=False))
    write_text(folder / f"{table.name}.md", render_markdown(table) if markdown is None else markdown)


def render_markdown(table: ResultTable) -> str:
    """Render the table with its title and note; empty cells where a column does not apply."""
    lines = [
        f"### {table.title}",
        "",
        table.note,
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
    ]
    for row in table.rows:
        cells = [_format_cell(value) for value in asdict(row).values()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _format_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.1f}"
    return str(value)
