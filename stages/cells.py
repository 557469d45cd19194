"""Stage cells: train and measure every cell of one study by as many processes as there are cores.

Each finished cell is kept under its key, and kept cells are the truth: what is kept is never trained again,
whoever trained it, this stage, ``--ahead`` of all stages, ``--cell`` or another machine with the same folder.
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence

import torch

from models.catalogue import METHODS
from pipeline.settings.params import Params, load_params
from pipeline.settings.yaml_files import ParamError, read_yaml
from pipeline.stage import INTERRUPTED, add_profile, describe_error, run_stage, set_up_logging
from pipeline.storage import places
from pipeline.studies.ahead import check_mixture, train_missing
from pipeline.studies.crew import train_cells
from pipeline.studies.grid import Grid, check_grid, check_study, list_methods, read_grid
from pipeline.studies.making import name_machine, write_making
from pipeline.studies.measured import place_result, read_cells, write_cells
from pipeline.studies.pace import Pace, learn_pace, list_timed
from pipeline.studies.planning import PlannedCell, find_result, key_method, plan_studies
from pipeline.studies.recall import KeyedCell, is_final, recall_method
from pipeline.studies.result import CellResult
from pipeline.studies.study_folders import hold_study, recover_cells

log = logging.getLogger(__name__)


def run_study(
    params: Params,
    tracker: object,
    study: str,
    only: Sequence[str] = (),
    workers: int | None = None,
    train: bool = True,
) -> None:
    """Measure a study's cells for the methods of its line-up, or for those in ``only``.

    A cell that is there already with the same key is not measured again. A method that left the line-up
    loses its folder. ``workers`` as in ``train_cells``. Without ``train``, nothing is measured: a method's
    folder gets those of its cells that are kept, and stays as it is where none is. Raises ParamError for a
    study or method that is unknown, ValueError as ``check_mixture`` does.
    """
    recover_cells(params.profile)
    grid = read_checked_grid([study], params.profile)
    line_up = list_methods(study, grid)
    keyed = {method: key_method(study, method, params, grid) for method in only or line_up}
    results: dict[str, CellResult] = {}
    for method, cells in keyed.items():
        kept = recall_method(params.profile, study, method)
        found = {cell.key: find_result(cell, kept) for cell in cells}
        results |= {key: result for key, result in found.items() if result is not None}
    missing = [cell for cells in keyed.values() for cell in cells if cell.key not in results]
    if train and missing:
        check_mixture(study, plan_studies([study], params, grid), params)
        results |= {cell.key: result for cell, result in train_cells(missing, workers)}
    with hold_study(params.profile, study):
        write_study(params.profile, study, line_up, keyed, results)


def write_study(
    profile: str,
    study: str,
    line_up: Sequence[str],
    keyed: Mapping[str, Sequence[KeyedCell]],
    results: Mapping[str, CellResult],
) -> None:
    """Write those of the ``keyed`` cells of some methods that have results, and how all were made."""
    for method, cells in keyed.items():
        named_by_alpha = METHODS[method].named_by_alpha
        measured = [
            place_result(one.cell, results[one.key], one.key, named_by_alpha)
            for one in cells
            if one.key in results
        ]
        if measured:
            write_cells(places.find_cells(profile, study, method), measured)
    for folder in places.find_cells(profile, study, "").glob("*"):
        if folder.name not in line_up and not folder.name.startswith("."):  # one that is just being filled
            shutil.rmtree(folder)
    made = {key: result.made for key, result in results.items()}
    # Of every method: a folder that stays as it was keeps what is known of its cells.
    present = [cell.key for cell in read_cells(profile, study, line_up)]
    write_making(profile, study, made, present)


def read_checked_grid(studies: Iterable[str], profile: str) -> Grid:
    """Read tables.yaml; raises ParamError for what is unknown in it, and for a study that it lacks."""
    grid = read_grid()
    check_grid(grid, METHODS, read_yaml("params.yaml") | {"profile": profile})
    for study in studies:
        check_study(grid, study)
    return grid


def list_changed() -> list[str]:
    """The studies of dvc.yaml whose stage DVC would run again."""
    command = [sys.executable, "-m", "dvc", "status", "--json", "cells"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"dvc status: {' '.join(done.stderr.split())}")
    return [name.removeprefix("cells@") for name in json.loads(done.stdout) if name.startswith("cells@")]


def train_one(key: str, studies: Sequence[str], params: Params, workers: int | None) -> int:
    """Train the one cell of that key and keep it; returns 0. Raises ValueError where it fails."""
    grid = read_checked_grid(studies, params.profile)
    for one in plan_studies(studies, params, grid, download=True):
        if one.keyed and one.keyed.key == key:
            study = one.cell.study
            check_mixture(study, plan_studies([study], params, grid), params)
            for keyed, result in train_cells([one.keyed], workers):
                if not is_final(result):
                    raise ValueError(f"{keyed}: {result.error}")
            return 0
    raise ParamError(f"--cell: found {key!r}, expected one of the keys that --plan lists")


def render_plan(planned: Sequence[PlannedCell], pace: Pace) -> str:
    """A line a cell: its key, estimated seconds of one thread, whether it is kept, and which it is."""
    lines = []
    for one in planned:
        key = one.keyed.key if one.keyed else "-" * 32
        state = "kept" if one.is_kept else "missing" if one.keyed else f"no key ({one.reason})"
        cell = one.cell
        words = f"{key}  {pace.estimate(cell):8.1f} s  {state:7}  {cell.study} {cell.method} {cell.place}"
        lines.append(words.rstrip())
    missing = [pace.estimate(one.cell) for one in planned if not one.is_kept]
    kept = len(planned) - len(missing)
    lines.append(
        f"{len(planned)} cells, {kept} kept, {len(missing)} missing: about {sum(missing):.0f} s of one thread"
    )
    return "\n".join(lines)


def render_methods() -> str:
    """A line a method: its name, who proposed it, where it is written."""
    width = max(map(len, METHODS))
    return "\n".join(f"{name:{width}}  {one.source}  ({one.module})" for name, one in METHODS.items())


def parse_arguments() -> argparse.Namespace:
    """Read the command line; ends the process where it makes no sense."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__.split("\n\n")[1])
    parser.add_argument(
        "studies", nargs="*", metavar="study", help="one of tables.yaml's; for what follows, all"
    )
    parser.add_argument("--method", choices=list(METHODS), help="this one alone of the study's line-up")
    add_profile(parser)
    parser.add_argument(
        "--workers", type=int, metavar="N", help="processes, 0 for this one; as many as there are cores"
    )
    does = parser.add_mutually_exclusive_group()
    does.add_argument("--ahead", action="store_true", help="train what is missing of several studies at once")
    does.add_argument(
        "--plan", action="store_true", help="list all cells, their keys, seconds, whether they are kept"
    )
    does.add_argument("--missing", action="store_true", help="list the keys of the cells that are not kept")
    does.add_argument("--cell", metavar="KEY", help="train this one cell, and keep it")
    does.add_argument(
        "--gather",
        action="store_true",
        help="write what is kept into the studies' folders, and train nothing",
    )
    does.add_argument("--list-methods", action="store_true", help="name the methods, and do nothing else")
    parser.add_argument(
        "--changed", action="store_true", help="of dvc.yaml's studies, those that DVC would run again"
    )
    arguments = parser.parse_args()
    if not (is_command(arguments) or arguments.list_methods) and len(arguments.studies) != 1:
        parser.error("one study is needed, or --ahead, --plan, --missing, --cell, --gather, --list-methods")
    if arguments.workers is not None and arguments.workers < 0:
        parser.error(f"--workers: found {arguments.workers}, expected 0 or more")
    return arguments


def is_command(arguments: argparse.Namespace) -> bool:
    """Whether something else is asked for than the stage of one study."""
    return any((arguments.ahead, arguments.plan, arguments.missing, arguments.cell, arguments.gather))


def run_command(arguments: argparse.Namespace) -> int:
    """Do what is no stage; returns the exit status."""
    studies = list_changed() if arguments.changed else arguments.studies or list(read_grid()["studies"])
    params = load_params(profile=arguments.profile)
    if arguments.cell:
        return train_one(arguments.cell, studies, params, arguments.workers)
    grid = read_checked_grid(studies, params.profile)
    if arguments.ahead:
        train = functools.partial(train_cells, workers=arguments.workers)
        return int(train_missing(studies, params, grid, train) > 0)
    if arguments.gather:
        for study in studies:
            run_study(params, None, study, train=False)
        return 0
    planned = list(plan_studies(studies, params, grid))
    if arguments.plan:
        machine = name_machine(params.engine.device != "cpu" and torch.cuda.is_available())
        print(render_plan(planned, learn_pace(list_timed(grid), machine)))
    else:
        keys = {one.keyed.key: None for one in planned if one.keyed and not one.is_kept}
        print("\n".join(keys))
    return 0


def main() -> None:
    """Run the stage for the study named on the command line, or do what else is asked for there."""
    arguments = parse_arguments()
    if arguments.list_methods:
        print(render_methods())
    elif is_command(arguments):
        set_up_logging("cells")
        try:
            sys.exit(run_command(arguments))
        except (ValueError, OSError) as error:
            sys.exit(f"cells: {describe_error(error)}")
        except KeyboardInterrupt:
            print(
                "cells: interrupted; what was finished is kept, and the same command goes on", file=sys.stderr
            )
            sys.exit(INTERRUPTED)
    else:
        (study,) = arguments.studies
        only = [arguments.method] if arguments.method else []
        stage = functools.partial(run_study, study=study, only=only, workers=arguments.workers)
        run_stage(f"cells-{study}", stage, profile=arguments.profile)


if __name__ == "__main__":
    main()
