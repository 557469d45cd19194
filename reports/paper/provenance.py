"""Where a shown number comes from: its cells, the commit that has them, and DVC's record of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pipeline.studies.making import read_making
from pipeline.studies.measured import FILE, MeasuredCell
from pipeline.tracking.run_identity import read_git
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
    makings: dict[str, Any] = {}
    for file in sorted((cells.parent / "provenance").glob("*.json")):
        makings |= read_making(cells.parent.name, file.stem)
    return Records(known, digests, makings)


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
    """Finds the cells whose numbers a shown number is: by place, method, data set and its very value."""

    def __init__(self, cells: Mapping[str, Sequence[MeasuredCell]], folder: Path, records: Records) -> None:
        self.cells, self.folder, self.records = cells, folder, records

    def find(self, study: str, row: ShownRow, number: Number) -> Origin:
        """The number's origin; fields are "not recorded" where no cell on disk has this number."""
        placed = [cell for cell in self.cells.get(study, ()) if not cell.error and _is_of(cell, row)]
        exact = [cell for cell in placed if describe_place(cell) == row.labels.get("place", "")]
        for candidates in filter(None, (exact, placed)):
            found = _match(candidates, number)
            if found:
                return self.describe(study, found)
        return Origin()

    def describe(self, study: str, cells: Sequence[MeasuredCell]) -> Origin:
        """The origin that is these cells."""
        folders = dict.fromkeys((self.folder / study / cell.method).as_posix() for cell in cells)
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
    machines = ", ".join(sorted({str(one["machine"]) for one in makings}))
    seconds = sorted(float(one["cpu_seconds"]) for one in makings)
    ends = dict.fromkeys(f"{one:.0f}" for one in (seconds[0], seconds[-1]))
    return f"{machines}, {' to '.join(ends)} processor seconds a cell"


def _is_of(cell: MeasuredCell, row: ShownRow) -> bool:
    if row.labels.get("method") not in (cell.method, name_row(cell)):
        return False
    return row.labels.get("dataset", name_dataset(cell.dataset)) == name_dataset(cell.dataset)


def _match(cells: Sequence[MeasuredCell], number: Number) -> list[MeasuredCell]:
    """The cells of which the number is a value, or the mean; none where no quantity of theirs gives it."""
    for key in dict.fromkeys(name for cell in cells for name in cell.numbers):
        having = [cell for cell in cells if key in cell.numbers]
        if (number.seeds or 1) == 1:
            for cell in having:
                if cell.numbers[key] == number.value and number.seed in (None, cell.seed):
                    return [cell]
        elif len(having) == number.seeds:
            mean = statistics.fmean(cell.numbers[key] for cell in having)
            if math.isclose(mean, number.value, rel_tol=1e-12):
                return having
    return []
