"""Keep measured cells whose code changed and whose numbers did not.

A cell's key has a digest of the code that measured it, so that a renamed variable makes every training stale.
``python -m reports.tools.carry_cells --base REVISION`` takes the cells that the code of that revision
measured, with the settings and images of now, measures the cheapest one of each task and method anew, and
keeps the others under the present code's keys if every bit of it is the same. Where one differs, its task and
method are trained anew. ``python -m stages.cells`` then recalls the rest.
"""

from __future__ import annotations

import argparse
import inspect
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.catalogue import METHODS
from pipeline.settings.params import Params, load_params
from pipeline.storage import places
from pipeline.storage.code_digest import digest_code
from pipeline.storage.files import project_root
from pipeline.studies.crew import train_cells
from pipeline.studies.grid import DEFAULT_TASK, Grid, list_methods, read_grid
from pipeline.studies.making import read_making
from pipeline.studies.memo import save_result
from pipeline.studies.planning import find_result, key_method
from pipeline.studies.recall import KeyedCell, key_cell, recall_method
from pipeline.studies.result import CellResult
from pipeline.studies.tasks import TASKS
from pipeline.studies.trained_here import MEMO
from pipeline.studies.workload import estimate_seconds


@dataclass(frozen=True)
class Candidate:
    """A cell of the present code, and what the base's code measured of it."""

    keyed: KeyedCell
    result: CellResult


def digest_base(study: str, method: str, grid: Grid, base: Path) -> str:
    """The digest of a study's measuring code for a method, as a checkout ``base`` has it."""
    task = Path(inspect.getfile(TASKS[grid["studies"][study].get("task", DEFAULT_TASK)]))
    return digest_code([base / task.relative_to(project_root()), METHODS[method].find_file(base)], base)


def find_candidates(study: str, method: str, params: Params, grid: Grid, base: Path) -> list[Candidate]:
    """The cells that are not kept for the present code and were kept for that of ``base``, all else equal."""
    kept = recall_method(params.profile, study, method)
    makings = read_making(params.profile, study)
    code = digest_base(study, method, grid, base)
    candidates = []
    for keyed in key_method(study, method, params, grid):
        if find_result(keyed, kept) is None:
            key = key_cell(keyed.cell, code, keyed.seen)
            before = find_result(key, kept)
            if before is not None:  # where and how long it was made is of the cell, not of its key
                made = before.made or makings.get(key.key, {})
                candidates.append(Candidate(keyed, replace(before, made=made)))
    return candidates


def keep_measurements(numbers: Mapping[str, float]) -> dict[str, float]:
    """The numbers without those of a clock, which differ from run to run."""
    return {name: value for name, value in numbers.items() if not name.endswith("_seconds")}


def is_same(one: CellResult, other: CellResult) -> bool:
    """Whether two results are equal in every bit; how they were made, and in what time, aside."""
    return (
        keep_measurements(one.numbers) == keep_measurements(other.numbers)
        and (one.curves, one.error, one.lacks) == (other.curves, other.error, other.lacks)
        and one.arrays.keys() == other.arrays.keys()
        and all(np.array_equal(array, other.arrays[name]) for name, array in one.arrays.items())
    )


def carry(
    candidates: Sequence[Candidate],
    measure: Callable[[list[KeyedCell]], Iterable[tuple[KeyedCell, CellResult]]],
    keep: Callable[[str, CellResult], None],
) -> list[str]:
    """Prove by the cheapest candidate of each task and method, and keep the others; a line for each.

    ``measure``: cells, and what each gives, in any order.
    """
    groups: dict[tuple[str, str], list[Candidate]] = {}
    for one in candidates:
        groups.setdefault((one.keyed.cell.task, one.keyed.cell.method), []).append(one)
    proofs = {
        kind: min(group, key=lambda one: estimate_seconds(one.keyed.cell)) for kind, group in groups.items()
    }
    measured = {keyed.key: result for keyed, result in measure([one.keyed for one in proofs.values()])}
    lines = []
    for (task, method), group in groups.items():
        proof = proofs[task, method]
        same = is_same(measured[proof.keyed.key], proof.result)
        if same:
            for one in group:
                keep(one.keyed.key, one.result)
        verdict = f"bit-equal, {len(group)} kept" if same else f"DIFFERS, {len(group)} to be trained anew"
        lines.append(f"{task} {method}: {proof.keyed}: {verdict}")
    return lines


def carry_studies(studies: Iterable[str], params: Params, grid: Grid, base: Path) -> list[str]:
    """Carry the cells of ``studies`` over from the checkout ``base``; a line for each task and method."""
    candidates = [
        one
        for study in studies
        for method in list_methods(study, grid)
        if places.find_cells(params.profile, study, method).is_dir()
        for one in find_candidates(study, method, params, grid, base)
    ]
    folder = project_root() / MEMO
    return carry(candidates, train_cells, lambda key, result: save_result(folder, key, result))


def main() -> None:
    """Carry over what can be, and say what cannot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", required=True, help="the revision whose code measured the cells")
    parser.add_argument("--profile", metavar="NAME", help="params.yaml's, if not given")
    parser.add_argument("studies", nargs="*", metavar="study", help="one of tables.yaml's; all, if none is")
    arguments = parser.parse_args()
    params, grid = load_params(profile=arguments.profile), read_grid()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        add = ["git", "worktree", "add", "--quiet", "--detach", str(base), arguments.base]
        if (done := subprocess.run(add, capture_output=True, text=True)).returncode:
            sys.exit(f"--base: found {arguments.base!r}: {' '.join(done.stderr.split())}")
        try:
            lines = carry_studies(arguments.studies or grid["studies"], params, grid, base)
        except ValueError as error:
            sys.exit(f"carry_cells: {error}")
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(base)], check=True)
    print(
        "\n".join(lines) or "nothing to carry over: all cells are kept, or none is of that code and settings"
    )
    sys.exit(any("DIFFERS" in line for line in lines))


if __name__ == "__main__":
    main()
