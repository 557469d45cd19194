"""What inferring z for one image costs: how often a method evaluates its network for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.studies.grid import Cell
from pipeline.studies.workload import count_evaluations
from reports.paper.layouts import LAYOUTS
from reports.paper.names import name_dataset

EVALUATIONS, WITH_GRADIENT = "Evaluations of the network for one image's z", "a chain's come with a gradient"


def describe_evaluations(study: str, cells: Sequence[Cell]) -> str:
    """Say how often each method evaluates its network for one image, by data set where they differ.

    ``cells``: all of the study; "" for studies that do not set points and draws side by side.
    """
    if not any(quantity.key.endswith("_point") for quantity in LAYOUTS[study].quantities):
        return ""
    counts: dict[str, dict[int, list[str]]] = {}
    for cell in cells:
        datasets = counts.setdefault(cell.method, {}).setdefault(count_evaluations(cell), [])
        if (name := name_dataset(cell.params.dataset)) not in datasets:
            datasets.append(name)
    parts = [f"{method} {' or '.join(_list_counts(found))}" for method, found in counts.items()]
    return f"{EVALUATIONS}: {', '.join(parts)}; {WITH_GRADIENT}."


def _list_counts(found: Mapping[int, Sequence[str]]) -> list[str]:
    """A method's numbers of evaluations, with their data sets where there are several."""
    return [
        f"{count} ({', '.join(names)})" if len(found) > 1 else str(count) for count, names in found.items()
    ]
