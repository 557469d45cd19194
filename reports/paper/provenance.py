"""Where a shown number comes from: its cells, the commit that has them, and DVC's record of them."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from pipeline.studies.making import describe_machine, read_making
from pipeline.studies.measured import FILE, MeasuredCell
from pipeline.tracking.run_identity import read_git
from reports.paper.all_methods import (
    CITED_TWICE,
    LEADERBOARD,
    MIXTURE,
    OURS,
    QUANTITIES,
    add_mixture,
    keep_longest,
)
from reports.paper.layouts import LAYOUTS
from reports.paper.names import describe_place, name_dataset, name_row
from reports.paper.shown_tables import Number, ShownRow

NOT_RECORDED = "not recorded"
LOCKS = (Path("dvc.lock"), Path("beyond/dvc.lock"))


@dataclass(frozen=True)
class Origin:
    """A number's cells by key with their seeds, the commit that has them and DVC's digest of their folder.

    ``made``: on which machine, in how many seconds of its processors.
    """

    keys: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    commit: str = NOT_RECORDED
    run: str = NOT_RECORDED
    made: str = NOT_RECORDED


@dataclass(frozen=True)
class Records:
    """What Git and DVC know of the cells: commits by file, digests by folder; nothing without them.

    ``makings``: how cells were made, by key (``pipeline.studies.making``).
    """

    commits: Mapping[str, str]
    digests: Mapping[str, str]
    makings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read_records(cells: Path, locks: Sequence[Path] = LOCKS) -> Records:
    """Read the commit of each cells.json below ``cells`` that is as committed, and what DVC's locks say."""
    listed = read_git("log", "--format=%x00%h %cs", "--name-only", "--", cells.as_posix())
    changed = {line[3:].strip('"') for line in _list_changed(cells)}
    commits: dict[str, str] = {}
    for block in listed.split("\0"):
        commit, *paths = block.splitlines() or [""]
        for path in paths:
            if path.endswith(f"/{FILE}"):
                commits.setdefault(path, commit)
    known = {path: commit for path, commit in commits.items() if path not in changed}
    digests = {path: words for lock in locks for path, words in read_digests(lock).items()}
    return Records(known, digests, read_makings(cells.parent))


def read_makings(results: Path) -> dict[str, Any]:
    """How the cells of all studies of a profile's folder ``results`` were made, by key."""
    makings: dict[str, Any] = {}
    for file in sorted((results / "provenance").glob("*.json")):
        makings |= read_making(results.name, file.stem)
    return makings


def _list_changed(cells: Path) -> list[str]:
    """What Git says is not as committed; each line has two letters and a path."""
    shown = read_git("-c", "core.quotePath=false", "status", "--porcelain", "-uall", "--", cells.as_posix())
    return [line if line[2:3] == " " else f" {line}" for line in shown.splitlines()]  # the first is stripped


def read_digests(lock: Path) -> dict[str, str]:
    """DVC's digest of each output that dvc.lock names, with the stage that made it; nothing without it."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it was compiled
    try:
        content = yaml.load(lock.read_text(encoding="utf-8"), loader)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    stages: dict[str, Any] = content.get("stages", {}) if isinstance(content, dict) else {}
    return {
        output["path"]: f"dvc stage {name}, output md5 {output.get('md5', '?')}"
        for name, stage in stages.items()
        for output in stage.get("outs", [])
    }


class CellIndex:
    """Finds the cells whose numbers a shown number is: by place, method, data set, quantity and value.

    Of the leaderboard those that its tables are made of: the longest trainings, Ours-mixture among them.
    """

    def __init__(self, cells: Mapping[str, Sequence[MeasuredCell]], folder: Path, records: Records) -> None:
        self.cells, self.folder, self.records = dict(cells), folder, records
        if LEADERBOARD in cells:
            self.cells[LEADERBOARD] = keep_longest(add_mixture(cells[LEADERBOARD]))

    def find(self, study: str, row: ShownRow, quantity: str, number: Number) -> Origin:
        """The number's origin; fields are "not recorded" where no cell on disk has this number."""
        measured = [cell for cell in self.cells.get(study, ()) if not cell.error]
        placed = [cell for cell in measured if _stands_in(cell, row, study)]
        found = _match(placed, find_key(study, quantity), number)
        return self.describe(study, found) if found else Origin()

    def describe(self, study: str, cells: Sequence[MeasuredCell]) -> Origin:
        """The origin that is these cells."""
        trained = dict.fromkeys(OURS if cell.method == MIXTURE else cell.method for cell in cells)
        folders = [(self.folder / study / method).as_posix() for method in trained]
        commits = {self.records.commits.get(f"{folder}/{FILE}", NOT_RECORDED) for folder in folders}
        runs = {self._find_run(folder) for folder in folders}
        seeds = tuple(cell.seed for cell in cells if cell.seed is not None)
        keys = tuple(cell.key or NOT_RECORDED for cell in cells)
        made = describe_makings([self.records.makings[key] for key in keys if key in self.records.makings])
        return Origin(keys, seeds, "; ".join(sorted(commits)), "; ".join(sorted(runs)), made)

    def _find_run(self, folder: str) -> str:
        above = folder.rpartition("/")[0]
        return self.records.digests.get(folder) or self.records.digests.get(above, NOT_RECORDED)


def describe_makings(makings: Sequence[Mapping[str, Any]]) -> str:
    """Say on which machines cells were trained and measured, and in how many seconds each."""
    if not makings:
        return NOT_RECORDED
    machines = ", ".join(sorted({describe_machine(one) for one in makings}))
    seconds = sorted(float(one["cpu_seconds"]) for one in makings)
    ends = dict.fromkeys(f"{one:.0f}" for one in (seconds[0], seconds[-1]))
    return f"{machines}, {' to '.join(ends)} processor seconds a cell"


def tell_machines(cells: Sequence[MeasuredCell], makings: Mapping[str, Mapping[str, Any]]) -> str:
    """Tell on which machines a study's cells were trained, and of how many nobody knows."""
    found = Counter(
        describe_machine(makings[cell.key]) if cell.key in makings else "" for cell in cells if not cell.error
    )
    unknown = found.pop("", 0)
    counts = sorted(found.items()) + [(NOT_RECORDED, unknown)] * bool(found and unknown)
    told = [f"{machine} ({counted} cell{'s' * (counted > 1)})" for machine, counted in counts]
    return f"Trained on: {', '.join(told)}." if told else ""


def find_key(study: str, quantity: str) -> str:
    """The key among a cell's numbers of what a table calls ``quantity``: a layout's, else its very words."""
    of_study = LAYOUTS[study].quantities if study in LAYOUTS else chain(*QUANTITIES.values())
    return next((one.key for one in of_study if one.title == quantity), quantity)


def _stands_in(cell: MeasuredCell, row: ShownRow, study: str) -> bool:
    """Whether a row is about the cell, as far as its words and columns of axes say."""
    if row.labels.get("method") not in (cell.method, name_row(cell), CITED_TWICE.get(cell.method)):
        return False
    if row.labels.get("dataset", name_dataset(cell.dataset)) != name_dataset(cell.dataset):
        return False
    if any(row.numbers[axis].value != value for axis, value in cell.axes.items() if axis in row.numbers):
        return False  # a candidate of the tuning is a row of its own
    place = describe_place(cell)
    # The leaderboard's longest trainings stand at one place, which its tables name by a mask or a digit.
    return study == LEADERBOARD or row.labels.get("place", place) == place


def _match(cells: Sequence[MeasuredCell], key: str, number: Number) -> list[MeasuredCell]:
    """The cells that a number is the mean of, or the only one whose value it is; none where none gives it."""
    having = [cell for cell in cells if key in cell.numbers]
    if number.spread is None and (number.seeds or 1) == 1:
        equal = [cell for cell in having if cell.numbers[key] == number.value]
        equal = [cell for cell in equal if number.seed in (None, cell.seed)]
        return equal if len(equal) == 1 else []  # nothing says which of several it was
    fits = len(having) == number.seeds if number.seeds else 1 < len(having) <= (number.most or 0)
    if not fits:
        return []
    mean = statistics.fmean(cell.numbers[key] for cell in having)
    return having if math.isclose(mean, number.value, rel_tol=1e-12) else []
