"""What a profile's studies have not measured yet, with the command that does and the hours it takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.studies.grid import Grid, list_methods
from pipeline.studies.making import read_making
from pipeline.studies.measured import read_cells
from pipeline.studies.pace import PROFILES, learn_pace, list_studies, list_timed
from pipeline.studies.recall import is_final


@dataclass(frozen=True)
class Remaining:
    """A study's cells at a profile, how many of them are kept, and the hours of one thread for the others."""

    study: str
    cells: int
    kept: int
    hours: float


def find_machine(grid: Grid) -> str:
    """The machine that made most of the kept cells; empty where nobody knows of any."""
    made = Counter(
        how.get("machine", "")
        for profile in PROFILES
        for study in grid["studies"]
        for how in read_making(profile, study).values()
    )
    return made.most_common(1)[0][0] if made else ""


def list_remaining(profile: str, grid: Grid, machine: str) -> list[Remaining]:
    """What each study of a profile lacks, with hours as cells of the same kind took on ``machine``."""
    pace = learn_pace(list_timed(grid), machine)
    all_remaining = []
    for study, cells in list_studies(profile, grid).items():
        measured = read_cells(profile, study, list_methods(study, grid))
        kept = {(one.method, one.place) for one in measured if is_final(one.result)}
        missing = [cell for cell in cells if (cell.method, cell.place) not in kept]
        seconds = [pace.estimate(cell) for cell in missing]
        all_remaining.append(Remaining(study, len(cells), len(cells) - len(missing), sum(seconds) / 3600))
    return all_remaining


def render_remaining(profile: str, remaining: Sequence[Remaining], machine: str) -> str:
    """Render the studies that are not whole, in Markdown; empty where all are."""
    lacking = [one for one in remaining if one.kept < one.cells]
    if not lacking:
        return ""
    lines = [
        "## Not run yet",
        "",
        f"Hours of one thread, as kept cells of the same kind took them ({machine or 'no known machine'}). "
        "Several cores share them, and what is kept is not trained again.",
        "",
        "| study | cells kept | hours left | command |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {one.study} | {one.kept} of {one.cells} | {one.hours:.1f} | "
        f"`python -m stages.cells {one.study} --profile {profile}` |"
        for one in lacking
    ]
    hours = sum(one.hours for one in lacking)
    return "\n".join([*lines, f"| all | | {hours:.0f} | |", ""])
