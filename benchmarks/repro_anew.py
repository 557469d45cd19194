"""What `make repro` takes where nothing is kept: a clone of the present commit, without its trained cells.

    python -m benchmarks.repro_anew --output reports/results/speed/repro.json    # an hour or more

Beside the seconds of each of its three commands stand those of one thread that the cells of each table
took; a cell that several tables share counts for the first.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.timing import report
from pipeline.settings.params import load_params
from pipeline.storage import places
from pipeline.storage.files import project_root
from pipeline.studies.grid import PAPER_STUDIES
from pipeline.studies.machine import count_cores
from pipeline.studies.making import Making
from pipeline.studies.threads import ONE_THREAD

STEPS = {  # of `make repro`, by what each is for
    "extractors and learning rates": "dvc repro extractors rates",
    "cells of all tables": "python -m stages.cells --ahead --changed",
    "the own run, tables, page": "dvc repro",
}
STUDIES = ("rates", *PAPER_STUDIES)
AUTHOR = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost")


def clone_project(folder: Path, profile: str) -> None:
    """Clone the present commit into ``folder``, without the profile's extractors and cells."""
    root = project_root()
    subprocess.run(["git", "clone", "--quiet", str(root), str(folder)], check=True)
    if (root / "data").exists():
        (folder / "data").symlink_to(root / "data")
    for name in ("cells", "extractors"):
        shutil.rmtree(folder / places.RESULTS / profile / name, ignore_errors=True)
    command = ["git", *AUTHOR, "commit", "--quiet", "--all", "--message", "Nothing kept"]
    subprocess.run(command, cwd=folder, check=True)


def time_steps(folder: Path) -> dict[str, float]:
    """Seconds of each command of `make repro` in ``folder``; raises CalledProcessError where one fails."""
    environment = {name: value for name, value in os.environ.items() if name not in ONE_THREAD}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    seconds = {}
    for name, command in STEPS.items():
        start = time.perf_counter()
        subprocess.run(command.split(), cwd=folder, env=environment, check=True)
        seconds[name] = time.perf_counter() - start
    return seconds


def sum_cells(makings: dict[str, dict[str, Making]]) -> dict[str, dict[str, float]]:
    """How many cells each study has that none before it has, and their seconds; by study and key."""
    found: dict[str, dict[str, float]] = {}
    seen: set[str] = set()
    for study, made in makings.items():
        own = {key: one for key, one in made.items() if key not in seen}
        seen |= own.keys()
        found[study] = {"cells": len(own), "seconds": sum(float(one["seconds"]) for one in own.values())}
    return found


def describe(folder: Path, profile: str, steps: dict[str, float]) -> dict[str, Any]:
    """What was measured in ``folder``, for ``report``."""
    paths = {study: folder / places.find_provenance(profile, study) for study in STUDIES}
    cells = sum_cells({study: json.loads(path.read_text()) for study, path in paths.items()})
    return {"profile": profile, "cores": count_cores(), "seconds": steps, "cells": cells}


def main() -> None:
    """Print one JSON object, or a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--output", type=Path, help="write the JSON object to this file as well")
    arguments = parser.parse_args()
    profile = load_params().profile
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "clone")
        clone_project(folder, profile)
        result = describe(folder, profile, time_steps(folder))
    report(arguments, result)
    if not arguments.json:
        for name, seconds in result["seconds"].items():
            print(f"{name}: {seconds:.0f} s")


if __name__ == "__main__":
    main()
