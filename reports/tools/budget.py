"""What studies cost: ``python -m reports.tools.budget --profile recorded``.

The arithmetic is counted from the plans as ``pipeline.studies.workload`` does. The hours are those of one
thread of this machine, from the seconds that kept cells of the same kind took on it, or on another in
proportion; ``--tflops`` reckons them from a machine's arithmetic instead.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence

import torch

from pipeline.studies.grid import read_grid
from pipeline.studies.making import name_machine
from pipeline.studies.pace import (
    PROFILES,
    Pace,
    TimedCell,
    learn_pace,
    list_studies,
    list_timed,
    measure_errors,
)
from pipeline.studies.workload import count_cell


def count_studies(profile: str, is_there: Callable[[str], bool] = lambda name: False) -> dict[str, float]:
    """Count the floating-point operations of each study at ``profile``."""
    studies = list_studies(profile, read_grid(), is_there)
    return {study: sum(map(count_cell, cells)) for study, cells in studies.items()}


def render_budget(profile: str, tflops: float) -> str:
    """Render a line a study: its arithmetic, and the hours that takes at ``tflops`` TFLOP/s."""
    lines = [f"| study | TFLOP | hours at {tflops:g} TFLOP/s |", "|---|---|---|"]
    flops_of = count_studies(profile)
    for study, flops in [*flops_of.items(), ("all", sum(flops_of.values()))]:
        lines.append(f"| {study} | {flops / 1e12:,.0f} | {flops / tflops / 1e12 / 3600:.2f} |")
    return "\n".join(lines)


def render_hours(profile: str, machine: str) -> str:
    """Render a line a study: its cells, their arithmetic, the hours of one thread, and how sure that is."""
    grid = read_grid()
    timed = list_timed(grid)
    pace = learn_pace(timed, machine)
    lines = ["| study | cells | TFLOP | hours of one thread |", "|---|---|---|---|"]
    total, unknown = 0.0, set()
    for study, cells in list_studies(profile, grid).items():
        unknown |= {cell.method for cell in cells if pace.predict(cell) is None}
        hours = sum(map(pace.estimate, cells))
        total += hours
        flops = sum(map(count_cell, cells)) / 1e12
        lines.append(f"| {study} | {len(cells)} | {flops:,.0f} | {hours / 3600:.2f} |")
    lines += [f"| all | | | {total / 3600:.1f} |", "", _describe_machines(machine, timed, pace)]
    if errors := measure_errors(timed, machine):
        within = sum(error <= 0.3 for error in errors)
        median = 100 * statistics.median(errors)
        lines.append(
            f"Each of this machine's places predicted from all others: median error {median:.0f} %, "
            f"{within} of {len(errors)} cells within 30 %."
        )
    if unknown:
        lines.append(f"No cell of these was timed, so by arithmetic alone: {', '.join(sorted(unknown))}.")
    return "\n".join(lines)


def _describe_machines(machine: str, timed: Sequence[TimedCell], pace: Pace) -> str:
    """Whose seconds the hours are from."""
    here = sum(one.machine == machine for one in timed)
    others = ", ".join(sorted({one.machine for one in timed} - {machine}))
    if not timed:
        return f"{machine}. No cell was timed on any machine, so by arithmetic alone."
    if not others:
        return f"{machine}, from {here} kept cells' seconds."
    elsewhere = f"{len(timed) - here} on other machines ({others})"
    if pace.slower is None:
        return (
            f"Not of this machine ({machine}), of whose cells none is kept like one of another's, but as the "
            f"cells took that were timed, {here} here and {elsewhere}. `python -m reports.tools.check_cells "
            "--cheapest` trains three of those again, and with them this says how fast this machine is."
        )
    return (
        f"{machine}, from {here} kept cells' seconds, and from {elsewhere}, "
        f"on which they took {1 / pace.slower:.2f} times as long as here."
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="paper", choices=PROFILES)
    parser.add_argument("--tflops", type=float, help="what the machine reaches, all told")
    arguments = parser.parse_args()
    if arguments.tflops:
        print(render_budget(arguments.profile, arguments.tflops))
    else:
        print(render_hours(arguments.profile, name_machine(torch.cuda.is_available())))


if __name__ == "__main__":
    main()
