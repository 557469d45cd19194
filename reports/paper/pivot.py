"""A study's numbers for reading: for each quantity a table of methods by places."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.storage.files import write_text
from pipeline.studies.measured import MeasuredCell
from reports.paper.layouts import LAYOUTS, Quantity
from reports.paper.learned import YARDSTICK, repeat_yardstick
from reports.paper.names import describe_place, name_dataset, name_row
from reports.paper.published import find_published
from reports.result_table import ResultTable, drop_rounding, write_digits, write_table


def render_tables(
    study: str,
    cells: Sequence[MeasuredCell],
    published: dict[str, Any],
    quantities: tuple[Quantity, ...] | None = None,
) -> str:
    """Render every quantity that a page shows, then why cells failed and what methods lack, in Markdown."""
    measured = [cell for cell in cells if not cell.error]
    parts = [
        render_pivot(study, quantity, cells, published)
        for quantity in quantities or LAYOUTS[study].quantities
        if quantity.in_page and any(quantity.key in cell.numbers for cell in measured)
    ]
    failed = [
        f"- {', '.join(filter(None, (name_row(cell), describe_column(cell))))}: {cell.error}"
        for cell in cells
        if cell.error
    ]
    lacking = [f"- {method} {reason}" for method, reason in _list_lacking(cells)]
    return "\n".join([*parts, *failed, *lacking, *([""] if failed or lacking else [])])


def write_tables(
    study: str,
    table: ResultTable,
    cells: list[MeasuredCell],
    published: dict[str, Any],
    quantities: tuple[Quantity, ...],
    folder: Path,
) -> None:
    """Write ``table`` as ``folder``/name.csv, a row for each number, and name.md, by places, for reading."""
    write_table(table, folder)
    text = f"### {table.title}\n\n{table.note}\n\n{render_tables(study, cells, published, quantities)}"
    write_text(folder / f"{table.name}.md", text)


def _list_lacking(cells: Sequence[MeasuredCell]) -> list[tuple[str, str]]:
    """What methods do not offer, once each: ``DCGAN infers no latent vectors``."""
    pairs = [(name_row(cell), reason) for cell in cells for reason in cell.lacks.values()]
    return list(dict.fromkeys(pairs))


def render_pivot(
    study: str, quantity: Quantity, cells: Sequence[MeasuredCell], published: dict[str, Any]
) -> str:
    """Render one line a method, one column a place: value, spread, and the paper's number in brackets."""
    cells = repeat_yardstick(cells)
    columns = order_columns([cell for cell in cells if cell.dataset])
    shown = [cell for cell in cells if cell.method != YARDSTICK or quantity.key in cell.numbers]
    rows = list(dict.fromkeys(name_row(cell) for cell in shown))
    lines = [f"| {quantity.title} | " + " | ".join(columns) + " |", "|" + "---|" * (len(columns) + 1)]
    for row in rows:
        texts = []
        for column in columns:
            seeds = [cell for cell in cells if name_row(cell) == row and describe_column(cell) == column]
            texts.append(_render_cell(study, seeds, quantity, published) if seeds else "")
        lines.append(f"| {row} | " + " | ".join(texts) + " |")
    return "\n".join(lines) + "\n"


def _render_cell(
    study: str, cells: Sequence[MeasuredCell], quantity: Quantity, published: dict[str, Any]
) -> str:
    """Mean over the cells, which differ in their seed alone, with its spread over seeds or test chains."""
    cell = cells[0]
    values = [one.numbers[quantity.key] for one in cells if quantity.key in one.numbers]
    if not values:
        return cell.error.partition(":")[0] or "lacking"
    text = f"{statistics.fmean(values):.4g}"
    spread = cell.numbers.get(quantity.key.replace("_mean", "_std"))
    if len(values) > 1:
        text += f" ± {write_digits(drop_rounding(statistics.stdev(values), statistics.fmean(values)))}"
    elif quantity.key.endswith("_mean") and spread is not None:
        text += f" ± {write_digits(drop_rounding(spread, values[0]))}"
    printed = find_published(study, cell, quantity, published)
    return text if printed is None else f"{text} ({printed:g})"


def order_columns(cells: Sequence[MeasuredCell]) -> list[str]:
    """The columns of all cells, each after the one that it follows in its own row: some may have gaps."""
    columns: list[str] = []
    for row in dict.fromkeys(name_row(cell) for cell in cells):
        place = 0
        for column in dict.fromkeys(describe_column(cell) for cell in cells if name_row(cell) == row):
            if column not in columns:
                columns.insert(place, column)
            place = columns.index(column) + 1
    return columns


def describe_column(cell: MeasuredCell) -> str:
    """Name the column in which a cell stands: its place, with the data set where the study has several."""
    place, dataset = describe_place(cell), name_dataset(cell.dataset)
    return ", ".join([dataset, place] if place and "dataset" in cell.axes else [place or dataset])
