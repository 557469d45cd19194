"""The tables' missing cells as Slurm arrays: ``python -m reports.tools.submit_cells --partition cpu``.

Submits what is not kept, a job a cell, and waits until it is; ``dvc repro`` then only assembles. The
repository lies in a folder that all nodes see, and kept cells are the truth: they are looked for, Slurm is
only asked which jobs are alive. A job that is lost is submitted once more. Needs the extra ``cluster``.
"""

from __future__ import annotations

import argparse
import json
import math
import pickle
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from models.catalogue import METHODS
from pipeline.settings.params import load_params
from pipeline.settings.yaml_files import read_yaml
from pipeline.stage import add_profile
from pipeline.storage.files import project_root, write_json
from pipeline.studies.ahead import train_missing
from pipeline.studies.grid import check_grid, check_study, read_grid
from pipeline.studies.recall import KeyedCell, measure_and_keep, recall_cell
from pipeline.studies.result import CellResult
from pipeline.studies.threads import ONE_THREAD
from pipeline.studies.workload import estimate_memory, estimate_seconds

if TYPE_CHECKING:
    from submitit import AutoExecutor, Job

FOLDER = Path(".dvc/tmp/slurm")
TRIES = 2
LARGEST_ARRAY = 500  # Slurm's own limit is 1,001 where nobody changed it


def run_cell(keyed: KeyedCell) -> str:
    """Measure and keep a cell, in its job; returns why nothing is kept, if so."""
    return measure_and_keep(keyed).error


@dataclass
class Cluster:
    """Slurm, as far as cells need it: submit, see what is alive, read what a job left.

    ``grace``: seconds after which a job that Slurm does not know, and whose cell is not kept, is lost: other
    machines' files take a while to be seen.
    """

    executor: AutoExecutor
    folder: Path
    grace: float = 60.0
    poll: float = 2.0

    def train(self, cells: Sequence[KeyedCell]) -> Iterator[tuple[KeyedCell, CellResult]]:
        """Have cells trained, those first whose jobs are alive from an earlier call; yields what came out."""
        waiting = {keyed.key: keyed for keyed in cells}
        jobs, tries, unseen = self._read_jobs(waiting), Counter[str](), dict[str, float]()
        self._submit([keyed for key, keyed in waiting.items() if key not in jobs], jobs)
        with tqdm(total=len(waiting), unit="cell", desc="cells", disable=None) as bar:
            while waiting:
                alive, lost = list_alive(), []
                for key, keyed in list(waiting.items()):
                    result = recall_cell(key) or self._read_failure(jobs[key])
                    if result is not None:
                        yield keyed, result
                    elif alive is None or jobs[key] in alive:
                        unseen.pop(key, None)
                        continue
                    elif time.monotonic() - unseen.setdefault(key, time.monotonic()) < self.grace:
                        continue
                    elif tries[key] + 1 < TRIES:
                        tries[key] += 1
                        lost.append(keyed)
                        del unseen[key]
                        bar.write(f"{keyed}: job {jobs[key]} was lost; submitted once more", sys.stderr)
                        continue
                    else:
                        yield keyed, CellResult(error=f"its job was lost {TRIES} times")
                    del waiting[key]
                    bar.update()
                self._submit(lost, jobs)
                time.sleep(self.poll if waiting else 0)

    def _submit(self, cells: Sequence[KeyedCell], jobs: dict[str, str]) -> None:
        """Submit a job for each cell, in arrays, the longest first; notes the jobs' numbers."""
        ordered = sorted(cells, key=lambda keyed: estimate_seconds(keyed.cell), reverse=True)
        for start in range(0, len(ordered), LARGEST_ARRAY):
            part = ordered[start : start + LARGEST_ARRAY]
            submitted: list[Job[str]] = self.executor.map_array(run_cell, part)
            jobs |= {keyed.key: job.job_id for keyed, job in zip(part, submitted, strict=True)}
        write_json(self.folder / "jobs.json", jobs)

    def _read_jobs(self, waiting: dict[str, KeyedCell]) -> dict[str, str]:
        """Jobs of an earlier call that are alive, by the keys of their cells."""
        try:
            known = json.loads((self.folder / "jobs.json").read_text())
        except (OSError, ValueError):
            return {}
        alive = list_alive() or set()
        return {key: job for key, job in known.items() if key in waiting and job in alive}

    def _read_failure(self, job: str) -> CellResult | None:
        """Why a job kept nothing, as it says itself; None where it says nothing, or that it did."""
        array = job.partition("_")[0]
        try:
            left = (self.folder / array / f"{job}_0_result.pkl").read_bytes()
            outcome, said = pickle.loads(left)  # our own job's, from our own folder
        except (OSError, EOFError, pickle.UnpicklingError):
            return None
        if outcome == "error":
            return CellResult(error=f"job {job}: {str(said).strip().splitlines()[-1]}")
        return CellResult(error=said) if said else None


def list_alive() -> set[str] | None:
    """The numbers of this user's jobs that wait or run; None where Slurm does not answer just now."""
    command = ["squeue", "--me", "--array", "--noheader", "--format=%i"]
    done = subprocess.run(command, capture_output=True, text=True)
    return None if done.returncode else set(done.stdout.split())


def open_cluster(
    arguments: argparse.Namespace,
) -> Callable[[Sequence[KeyedCell]], Iterator[tuple[KeyedCell, CellResult]]]:
    """A function that trains cells in jobs as the command line wants them.

    Raises ValueError where submitit or Slurm's programs are not there.
    """
    try:
        import submitit
    except ImportError:
        raise ValueError("submitit is not installed: uv pip install -e .[cluster]") from None
    folder = project_root() / FOLDER

    def train(cells: Sequence[KeyedCell]) -> Iterator[tuple[KeyedCell, CellResult]]:
        memory = max(estimate_memory(keyed.cell) for keyed in cells)
        asked = {"slurm_partition": arguments.partition, "gpus_per_node": arguments.gpus}
        executor = submitit.AutoExecutor(folder / "%A", cluster="slurm")
        executor.update_parameters(
            name="cells",
            timeout_min=arguments.minutes,
            cpus_per_task=1,
            mem_gb=arguments.memory or math.ceil(memory / 1e9),
            slurm_array_parallelism=arguments.at_once,
            slurm_setup=[f"export {name}={value}" for name, value in ONE_THREAD.items()],
            slurm_additional_parameters=dict(arguments.option),
            **{name: value for name, value in asked.items() if value},
        )
        yield from Cluster(executor, folder, arguments.grace).train(cells)

    return train


def parse_arguments() -> argparse.Namespace:
    """Read the command line; ends the process where it makes no sense."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "studies", nargs="*", metavar="study", help="some of tables.yaml's; all if none is named"
    )
    add_profile(parser)
    parser.add_argument("--partition", help="Slurm's default if not given")
    parser.add_argument("--minutes", type=int, default=720, metavar="N", help="a job's limit (%(default)s)")
    parser.add_argument(
        "--memory", type=float, metavar="GB", help="of a job; as the largest cell needs if not given"
    )
    parser.add_argument("--gpus", type=int, default=0, metavar="N", help="of a job (%(default)s)")
    parser.add_argument(
        "--at-once", type=int, default=256, metavar="N", help="jobs that may run (%(default)s)"
    )
    parser.add_argument(
        "--grace", type=float, default=60.0, metavar="S", help="until a job is lost (%(default)s)"
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        type=_split_option,
        metavar="NAME=VALUE",
        help="one of sbatch's",
    )
    return parser.parse_args()


def _split_option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected NAME=VALUE, such as account=mine")
    return name, value


def main() -> None:
    """Submit what is missing and wait for it; status 1 where something is missing all the same."""
    arguments = parse_arguments()
    try:
        grid = read_grid()
        params = load_params(profile=arguments.profile)
        check_grid(grid, METHODS, read_yaml("params.yaml") | {"profile": params.profile})
        studies = arguments.studies or list(grid["studies"])
        for study in studies:
            check_study(grid, study)
        missing = train_missing(studies, params, grid, open_cluster(arguments))
    except (ValueError, OSError, RuntimeError) as error:
        sys.exit(f"submit_cells: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        print(
            "submit_cells: the jobs go on (squeue --me); the same command waits for them again",
            file=sys.stderr,
        )
        sys.exit(130)
    sys.exit(int(missing > 0))


if __name__ == "__main__":
    main()
