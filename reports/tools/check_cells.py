"""Train cells that Git holds again on this machine, and say whether the same numbers come out.

``python -m reports.tools.check_cells --profile recorded`` takes three of the kept cells of the present code
by chance (``--seed``), or with ``--cheapest`` the cheapest one of three methods, trains each from nothing as
its study did, and compares every number, curve and picture with what is kept. On the processor that made a
cell it is the same to the bit; another one may round otherwise, and then each number stands beside the kept
one and the spread of that over seeds. ``reports.tools.budget`` learns from the seconds how fast this machine
is; ``--record`` notes what came out in reports/results/checks.json. Nothing that is kept is changed.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from pipeline.settings.params import Params, load_params
from pipeline.settings.yaml_files import ParamError
from pipeline.storage import places
from pipeline.storage.files import write_json
from pipeline.studies.grid import Grid, check_study, list_methods, read_grid
from pipeline.studies.making import Making, describe_machine, name_machine, note_again, read_making
from pipeline.studies.pace import learn_pace, list_timed, name_place
from pipeline.studies.planning import key_method
from pipeline.studies.recall import KeyedCell, measure_anew, recall_kept
from pipeline.studies.result import CellResult
from pipeline.studies.workload import estimate_seconds
from reports.tools.benchmark_tables import NOT_RUN
from reports.tools.carry_cells import is_same, keep_measurements

CHECKS = places.RESULTS / "checks.json"


@dataclass(frozen=True)
class KeptCell:
    """A cell that Git holds: what was measured, and how it was made, as far as anyone knows."""

    keyed: KeyedCell
    result: CellResult
    made: Making


@dataclass(frozen=True)
class Deviation:
    """A number that came out otherwise; ``spread``: the kept one's over seeds (std), if there are several."""

    name: str
    here: float | None
    kept: float | None
    spread: float | None


def list_kept(studies: Iterable[str], params: Params, grid: Grid) -> list[KeptCell]:
    """The cells of ``studies`` whose results are kept under the present code's keys.

    Methods whose images are not on this machine are left out.
    """
    found = []
    for study in studies:
        makings = read_making(params.profile, study)
        for method in list_methods(study, grid):
            results = recall_kept(places.find_cells(params.profile, study, method))
            try:
                keyed = key_method(study, method, params, grid) if results else []
            except (ValueError, OSError):
                continue
            found += [
                KeptCell(one, results[one.key], makings.get(one.key, {}))
                for one in keyed
                if one.key in results
            ]
    return found


def choose_cells(kept: Sequence[KeptCell], count: int, seed: int, cheapest: bool) -> list[KeptCell]:
    """Choose ``count`` cells by chance, or the cheapest one of as many methods; in the order of their cost.

    Of the methods those come first that cost the most, for a closed form says little of a machine. A cell
    that studies share is one.
    """
    distinct = {one.keyed.key: one for one in kept}.values()
    by_cost = sorted(distinct, key=lambda one: estimate_seconds(one.keyed.cell))
    if cheapest:
        methods = {one.keyed.cell.method: one for one in reversed(by_cost)}
        return sorted(methods.values(), key=by_cost.index)[-count:]
    numbers = random.Random(seed).sample(range(len(by_cost)), min(count, len(by_cost)))
    return [by_cost[number] for number in sorted(numbers)]


def find_deviations(one: KeptCell, here: CellResult, kept: Sequence[KeptCell]) -> list[Deviation]:
    """Which numbers of a cell came out otherwise ``here``; ``kept``: all cells, for the spread over seeds."""
    place = name_place(one.keyed.cell)
    seeds = [other.result.numbers for other in kept if name_place(other.keyed.cell) == place]
    ours, theirs = keep_measurements(here.numbers), keep_measurements(one.result.numbers)
    deviations = []
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            values = [numbers[name] for numbers in seeds if name in numbers]
            spread = statistics.stdev(values) if len(values) > 1 else None
            deviations.append(Deviation(name, ours.get(name), theirs.get(name), spread))
    return deviations


def render_check(one: KeptCell, here: CellResult, deviations: Sequence[Deviation]) -> str:
    """Render what came out of a cell, in a line and one for each number that deviates."""
    seconds = f"{here.made['cpu_seconds']:.0f} s here"
    if one.made:
        seconds += f", {one.made['cpu_seconds']:.0f} s on {one.made['machine']}"
    if here.error and here.error != one.result.error:
        return f"{one.keyed}: FAILED here: {here.error}"
    if is_same(one.result, here):
        return f"{one.keyed}: the same bits ({seconds})"
    lines = [f"{one.keyed}: DIFFERS ({seconds})"]
    lines += [
        f"  {that.name}: {_format(that.here)} here, {_format(that.kept)} kept"
        + (f", which spreads by {that.spread:.3g} over seeds" if that.spread is not None else "")
        for that in deviations
    ]
    return "\n".join(
        lines if deviations else [*lines, "  in curves or pictures alone; every number is the same"]
    )


def _format(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def describe_check(one: KeptCell, here: CellResult, deviations: Sequence[Deviation]) -> dict[str, Any]:
    """What a check found, for the record."""
    return {
        "cell": f"{one.keyed}",
        "profile": one.keyed.cell.params.profile,
        "key": one.keyed.key,
        "is_same": is_same(one.result, here),
        "kept_by": describe_machine(one.made),
        "checked_by": describe_machine(here.made),
        "torch": here.made["torch"],
        "finished": here.made["finished"],
        "deviations": [asdict(that) for that in deviations],
    }


def read_checks(path: Path) -> list[dict[str, Any]]:
    """What was recorded of earlier checks; empty where nothing was."""
    return list(json.loads(path.read_text())["checks"]) if path.exists() else []


def record_check(path: Path, check: dict[str, Any]) -> None:
    """Add a check to the record, in the place of an earlier one of the same cell by the same machine."""

    def name(one: dict[str, Any]) -> tuple[str, str]:
        return one["key"], one["checked_by"]

    others = [one for one in read_checks(path) if name(one) != name(check)]
    write_json(path, {"checks": [*others, check]})


def render_checks(path: Path = CHECKS) -> str:
    """Render what checks were recorded, in a sentence for each pair of machines."""
    pairs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in read_checks(path):
        pairs.setdefault((one["kept_by"], one["checked_by"]), []).append(one)
    lines = []
    for (kept_by, checked_by), checks in pairs.items():
        same = sum(one["is_same"] for one in checks)
        cells = "; ".join(f"{one['profile']} {one['cell']}" for one in checks)
        lines.append(
            f"- Made by {kept_by or 'an unknown machine'}, trained again by {checked_by}: "
            f"{same} of {len(checks)} the same to the bit ({cells}).{describe_deviations(checks)}"
        )
    return "\n".join(lines) or NOT_RUN


def describe_deviations(checks: Iterable[Mapping[str, Any]]) -> str:
    """Say how far numbers are from the kept ones, in percent and in spreads over seeds; "" where none is."""
    parts, spreads = [], []
    for one in checks:
        for that in one.get("deviations", []):
            if that["here"] is None or not that["kept"]:
                continue
            parts.append((abs(that["here"] / that["kept"] - 1), f"{that['name']} of {one['cell']}"))
            if that["spread"]:
                spreads.append(abs(that["here"] - that["kept"]) / that["spread"])
    if not parts:
        return ""
    middle, (farthest, name) = statistics.median(part for part, _ in parts), max(parts)
    said = f" {len(parts)} numbers differ, by {middle:.2%} in the median, {name} by {farthest:.2%}"
    if spreads:
        middle, farthest = statistics.median(spreads), max(spreads)
        said += f"; {len(spreads)} have a spread over seeds, of which the difference is {middle:.2g}"
        said += f" in the median and {farthest:.2g} at most"
    return f"{said}."


def check_cells(chosen: Sequence[KeptCell], kept: Sequence[KeptCell], record: Path | None = None) -> bool:
    """Train the chosen cells again, the cheapest first; print what came out; whether all are the same.

    ``record``: the file that each check is added to.
    """
    all_same = True
    bar = tqdm(total=sum(estimate_seconds(one.keyed.cell) for one in chosen), desc="cells", disable=None)
    with bar:
        for one in chosen:
            here = measure_anew(one.keyed)
            note_again(one.keyed.key, here.made)
            deviations = find_deviations(one, here, kept)
            if record is not None:
                record_check(record, describe_check(one, here, deviations))
            bar.update(estimate_seconds(one.keyed.cell))
            bar.write(render_check(one, here, deviations), file=sys.stdout)
            all_same = all_same and is_same(one.result, here)
    return all_same


def main() -> None:
    """Check some cells; the exit status is 1 where one came out otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__.split("\n\n")[1])
    parser.add_argument("--profile", metavar="NAME", help="params.yaml's, if not given")
    parser.add_argument("--count", type=int, default=3, metavar="N", help="how many cells (default: 3)")
    parser.add_argument("--seed", type=int, default=1, help="which ones, by chance (default: 1)")
    parser.add_argument(
        "--cheapest", action="store_true", help="the one that takes the least of each method, none by chance"
    )
    parser.add_argument("--record", action="store_true", help=f"note what comes out in {CHECKS}")
    parser.add_argument("studies", nargs="*", metavar="study", help="one of tables.yaml's; all, if none is")
    arguments = parser.parse_args()
    if arguments.count < 1:
        parser.error(f"--count: found {arguments.count}, expected 1 or more")
    try:
        params, grid = load_params(profile=arguments.profile), read_grid()
        for study in arguments.studies:
            check_study(grid, study)
        kept = list_kept(arguments.studies or grid["studies"], params, grid)
    except ParamError as error:
        sys.exit(f"check_cells: {error}")
    if not kept:
        sys.exit(
            f"check_cells: no cell of the present code is kept at profile {params.profile}; "
            "expected some in reports/results (is the version of torch that of requirements.lock?)"
        )
    chosen = choose_cells(kept, arguments.count, arguments.seed, arguments.cheapest)
    pace = learn_pace(list_timed(grid), name_machine(torch.cuda.is_available()))
    seconds = sum(pace.estimate(one.keyed.cell) for one in chosen)
    print(
        f"{len(chosen)} of {len(kept)} kept cells, trained again by one thread, about {seconds:.0f} s:",
        flush=True,
    )
    sys.exit(not check_cells(chosen, kept, CHECKS if arguments.record else None))


if __name__ == "__main__":
    main()
