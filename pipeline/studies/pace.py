"""How long cells take on a machine, learned from the seconds that kept cells of the same kind took.

Those of the machine itself come first. What was timed on others alone is taken in proportion: as much longer
as the kinds timed on both took here.
"""

from __future__ import annotations

import functools
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pipeline.settings.yaml_files import read_yaml
from pipeline.studies.grid import PAPER_STUDIES, Cell, Grid, list_cells, list_methods
from pipeline.studies.making import read_again, read_making
from pipeline.studies.measured import RECORDED, read_cells
from pipeline.studies.workload import estimate_seconds

RATES = "rates"  # the study that tunes the paper's
PROFILES = ("smoke", "embedded", RECORDED, "paper")
# Ours, on the page of several seeds.
OF_SEVERAL_SEEDS = ("convergence", "fashion", "alphas", "table3_all", "authors")


@dataclass(frozen=True)
class TimedCell:
    """A cell, the seconds of one thread that it took, and on which machine."""

    cell: Cell
    seconds: float
    machine: str

    @functools.cached_property
    def ratio(self) -> float:
        """The seconds over those that the cell's arithmetic says."""
        return self.seconds / estimate_seconds(self.cell)


def describe_kinds(cell: Cell) -> tuple[tuple[str, ...], ...]:
    """What a cell has in common with others that cost alike, the closest first."""
    architecture, statistics = cell.params.architecture, cell.params.resolve_langevin().batch_norm
    closest = (cell.method, cell.task, architecture, statistics)
    return closest, (cell.method, architecture), (cell.method,)


@dataclass(frozen=True)
class Pace:
    """Seconds that a cell takes over those that its arithmetic says, by kind, as kept cells took them.

    ``slower``: how much longer a cell takes on this machine than on the others; None where no kind of cell
    was timed on both.
    """

    ratios: dict[tuple[str, ...], float]
    slower: float | None

    def predict(self, cell: Cell) -> float | None:
        """Seconds of one thread; None where no cell of the method was timed."""
        ratio = next((self.ratios[kind] for kind in describe_kinds(cell) if kind in self.ratios), None)
        return None if ratio is None else ratio * estimate_seconds(cell)

    def estimate(self, cell: Cell) -> float:
        """Seconds of one thread, by arithmetic alone where no cell of the method was timed."""
        return self.predict(cell) or estimate_seconds(cell)


def learn_pace(timed: Sequence[TimedCell], machine: str) -> Pace:
    """Learn the pace of each kind on ``machine``: the median over its cells."""
    own = _take_medians(one for one in timed if one.machine == machine)
    others = _take_medians(one for one in timed if one.machine != machine)
    both = [own[kind] / others[kind] for kind in own.keys() & others.keys()]
    slower = statistics.median(both) if both else None
    return Pace({kind: (slower or 1.0) * ratio for kind, ratio in others.items()} | own, slower)


def _take_medians(timed: Iterable[TimedCell]) -> dict[tuple[str, ...], float]:
    ratios: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for one in timed:
        for kind in describe_kinds(one.cell):
            ratios[kind].append(one.ratio)
    return {kind: statistics.median(values) for kind, values in ratios.items()}


def measure_errors(timed: Sequence[TimedCell], machine: str) -> list[float]:
    """How far each of the machine's cells is from what all others predict: |predicted / true - 1|.

    A cell is left out with all others of its place, which differ from it in the seed alone.
    """
    errors = []
    for one in timed:
        if one.machine == machine:
            others = [other for other in timed if name_place(other.cell) != name_place(one.cell)]
            predicted = learn_pace(others, machine).predict(one.cell)
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
    profile: str,
    grid: Grid,
    is_there: Callable[[str], bool] = lambda name: False,
    studies: Sequence[str] = (),
) -> dict[str, list[Cell]]:
    """The cells of each of ``studies``, or else of those that the page of ``profile`` can show."""
    content = read_yaml("params.yaml") | {"profile": profile}
    return {
        study: [
            cell
            for method in list_methods(study, grid)
            for cell in list_cells(study, method, content, grid, is_there)
        ]
        for study in studies or [RATES, *name_studies(profile)]
    }


def list_timed(grid: Grid) -> list[TimedCell]:
    """The kept cells of all profiles and studies whose seconds are known, and the machine they are of.

    One that was checked on another machine is there for both; one that studies share is there once.
    """
    timed: dict[tuple[str, str], TimedCell] = {}
    again = read_again()
    for profile in PROFILES:
        made = {study: read_making(profile, study) for study in grid["studies"]}
        known = [study for study, how in made.items() if how]
        for study, cells in list_studies(profile, grid, studies=known).items() if known else ():
            placed = {(cell.method, cell.place): cell for cell in cells}
            for measured in read_cells(profile, study, list_methods(study, grid)):
                cell = placed.get((measured.method, measured.place))
                for how in (made[study].get(measured.key), again.get(measured.key)):
                    if cell is not None and how and not measured.error:
                        one = TimedCell(cell, how["cpu_seconds"], how["machine"])
                        timed.setdefault((measured.key, one.machine), one)
    return list(timed.values())
