"""How long cells take on a machine, learned from the seconds that kept cells of the same kind took on it."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pipeline.settings.yaml_files import read_yaml
from pipeline.studies.grid import PAPER_STUDIES, Cell, Grid, list_cells, list_methods
from pipeline.studies.making import read_making
from pipeline.studies.measured import RECORDED, read_cells
from pipeline.studies.workload import estimate_seconds

RATES = "rates"  # the study that tunes the paper's
PROFILES = ("smoke", "embedded", RECORDED, "paper")
OF_SEVERAL_SEEDS = ("convergence", "fashion", "alphas")  # studies of ours on the page of several seeds


@dataclass(frozen=True)
class TimedCell:
    """A cell that was trained on this machine, and the seconds of one thread that it took."""

    cell: Cell
    seconds: float


def describe_kinds(cell: Cell) -> tuple[tuple[str, ...], ...]:
    """What a cell has in common with others that cost alike, the closest first."""
    task, architecture = cell.task, cell.params.architecture
    return (cell.method, task, architecture), (cell.method, architecture), (cell.method,)


@dataclass(frozen=True)
class Pace:
    """Seconds that a cell takes over those that its arithmetic says, by kind, as kept cells took them."""

    ratios: dict[tuple[str, ...], float]

    def predict(self, cell: Cell) -> float | None:
        """Seconds of one thread; None where no cell of the method was trained on this machine."""
        ratio = next((self.ratios[kind] for kind in describe_kinds(cell) if kind in self.ratios), None)
        return None if ratio is None else ratio * estimate_seconds(cell)


def learn_pace(timed: Iterable[TimedCell]) -> Pace:
    """Learn the pace of each kind: the median over its cells."""
    ratios: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for one in timed:
        for kind in describe_kinds(one.cell):
            ratios[kind].append(one.seconds / estimate_seconds(one.cell))
    return Pace({kind: statistics.median(values) for kind, values in ratios.items()})


def measure_errors(timed: Sequence[TimedCell]) -> list[float]:
    """How far each cell is from what the other studies' and places' cells predict: |predicted / true - 1|.

    A cell is left out with all others of its place, which differ from it in the seed alone.
    """
    errors = []
    for one in timed:
        others = [other for other in timed if name_place(other.cell) != name_place(one.cell)]
        predicted = learn_pace(others).predict(one.cell)
        if predicted is not None:
            errors.append(abs(predicted / one.seconds - 1))
    return errors


def name_place(cell: Cell) -> tuple[object, ...]:
    """A cell's place without its seed."""
    return cell.study, cell.method, *((axis, str(value)) for axis, value in cell.axes if axis != "seed")


def name_studies(profile: str) -> list[str]:
    """The studies that a page of ``profile`` can show: the paper's, and of several seeds some of ours."""
    return [*PAPER_STUDIES, *(OF_SEVERAL_SEEDS if profile == RECORDED else ())]


def list_studies(
    profile: str, grid: Grid, is_there: Callable[[str], bool] = lambda name: False
) -> dict[str, list[Cell]]:
    """The cells of each study that has some at ``profile``, in order."""
    content = read_yaml("params.yaml") | {"profile": profile}
    return {
        study: [
            cell
            for method in list_methods(study, grid)
            for cell in list_cells(study, method, content, grid, is_there)
        ]
        for study in [RATES, *name_studies(profile)]
    }


def list_timed(grid: Grid, machine: str) -> list[TimedCell]:
    """The kept cells of all profiles that were trained on ``machine``, with their seconds."""
    timed = []
    for profile in PROFILES:
        for study, cells in list_studies(profile, grid).items():
            made = read_making(profile, study)
            if not made:
                continue
            placed = {(cell.method, cell.place): cell for cell in cells}
            for measured in read_cells(profile, study, list_methods(study, grid)):
                how, cell = made.get(measured.key, {}), placed.get((measured.method, measured.place))
                if cell is not None and how.get("machine") == machine and not measured.error:
                    timed.append(TimedCell(cell, how["cpu_seconds"]))
    return timed
