"""The paper's tables from measured cells, its numbers beside ours where they are of the same quantity."""

from __future__ import annotations

import statistics

from pipeline.studies.measured import MeasuredCell
from reports.paper.layouts import LAYOUTS, Quantity
from reports.paper.names import describe_place, name_dataset, name_row
from reports.paper.published import Published, find_published
from reports.result_table import ResultRow


def build_rows(
    study: str,
    cells: list[MeasuredCell],
    published: Published,
    quantities: tuple[Quantity, ...] | None = None,
) -> list[ResultRow]:
    """Build a row for each place and quantity, mean and std over several seeds; why a cell failed."""
    rows = []
    for group in group_by_seed(cells):
        cell = group[0]
        place = describe_place(cell)
        prefix = f"{place}: " if place else ""
        dataset, method = name_dataset(cell.dataset), name_row(cell)
        for failed in (one for one in group if one.error):
            rows.append(ResultRow(dataset, method, f"{prefix}{failed.error}", None, seed=failed.seed))
        for quantity in quantities or LAYOUTS[study].quantities:
            if quantity.key in cell.lacks:
                reason = f"{prefix}{quantity.title}: {method} {cell.lacks[quantity.key]}"
                rows.append(ResultRow(dataset, method, reason, None, seed=cell.seed))
            values = [one.numbers[quantity.key] for one in group if quantity.key in one.numbers]
            if not values:
                continue
            printed = find_published(study, cell, quantity, published)
            extractor = cell.extractor if quantity.extractor else None
            n = next(int(one.numbers["n"]) for one in group if one.numbers)
            with_value = [one.seed for one in group if quantity.key in one.numbers]
            seed = with_value[0] if len(with_value) == 1 else None
            title, several = prefix + quantity.title, len(values) > 1
            mean_title = f"{title}, mean over {len(values)} seeds" if several else title
            mean = statistics.fmean(values)
            rows.append(ResultRow(dataset, method, mean_title, mean, printed, n, seed, extractor))
            if several:
                spread, std_title = statistics.stdev(values), f"{title}, std over {len(values)} seeds"
                rows.append(ResultRow(dataset, method, std_title, spread, None, n, None, extractor))
    return rows


def group_by_seed(cells: list[MeasuredCell]) -> list[list[MeasuredCell]]:
    """Bring cells together that differ in their seed alone, in the order in which they come."""
    groups: dict[tuple[str, str, str], list[MeasuredCell]] = {}
    for cell in cells:
        groups.setdefault((cell.dataset, name_row(cell), describe_place(cell)), []).append(cell)
    return list(groups.values())
