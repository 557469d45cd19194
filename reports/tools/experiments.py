"""DVC's finished and failed experiments: what was set in each, what was measured, and in what they differ.

Reads what DVC and Git keep of them.
"""

from __future__ import annotations

import fnmatch
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from pipeline.evaluation.fitted_densities import FITTED_DISTANCES
from pipeline.settings.params import OWN_IMAGES, Params, parse_params
from pipeline.settings.yaml_files import ParamError
from pipeline.storage import places
from pipeline.storage.files import flatten
from pipeline.tracking.current_stages import find_current_stages, read_revision
from pipeline.tracking.run_identity import RESOLVED_ELSEWHERE, read_git
from reports.paper.names import name_method

SETTINGS = (  # which come first in a row's name and in the order of rows, as they stand here
    *("alpha", "s", "K", "L", "L2", "latent_dim", "sigma"),
    *("langevin.preset", "transport.solver", "mask.kind", "mask.side", "mask.share", "engine.precision"),
)
# A row is a mean over seeds, no number depends on where files lie, and some settings are in there twice.
OVERLOOKED = ("seed", "data.folder", "data.download", *RESOLVED_ELSEWHERE)
CHANNELS = "profile_settings.train.channels_divided_by"
# Whose ``auto`` follows from what has a name of its own: from the preset, L, the data set or its images.
FOLLOWING = ("langevin.", "latent_dim", "data.generator")
QUANTITIES = {  # title -> (stage, key)
    "MSE of training images, a draw, [0, 1]": ("reconstruct", "mse_train"),
    "MSE of test images, a draw, [0, 1]": ("reconstruct", "mse_test"),
    "MSE of training images, a point, [0, 1]": ("reconstruct", "mse_train_point"),
    "MSE of test images, a point, [0, 1]": ("reconstruct", "mse_test_point"),
    "Frechet distance to the training images": ("fid", "frechet_distance"),
    "Frechet distance to test images": ("fid", "frechet_distance_test"),
    **{f"Frechet distance, {one} fitted to z": ("fid", key) for one, key in FITTED_DISTANCES.items()},
    "share nearer to a training image": ("fid", "nearer_training"),
    "precision": ("fid", "precision"),
    "recall": ("fid", "recall"),
    "OT cost of the last correction": ("train-complete", "ot_cost"),
    "matched share": ("train-complete", "matched_share"),
    "latent std before the correction": ("train-complete", "latent_std_before"),
    "latent std at the end of the round": ("train-complete", "latent_std_after"),
    "AUPRC, pooled": ("anomaly", "pooled.auprc_mean"),
    "AUPRC, tenth": ("anomaly", "tenth.auprc_mean"),
    "mean absolute recovery error, a draw": ("recover", "absolute_error"),
    "mean absolute recovery error, a point": ("recover", "absolute_error_point"),
}


@dataclass(frozen=True)
class Experiment:
    """An experiment: its settings, what its stages measured with them, and why it failed, if it did.

    ``params`` have ``auto`` resolved; ``numbers`` are keyed by stage and metric.
    """

    name: str
    params: Params
    numbers: dict[tuple[str, str], Any]
    reason: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """What can change a number of it, but the seed; K = auto is the number that auto stands for."""
        flat = self.params.flat()
        divisors = {name: flat.pop(name) for name in list(flat) if name.startswith(CHANNELS)}
        flat[CHANNELS] = divisors[f"{CHANNELS}.{flat['data.generator']}"]  # of the one generator it has
        if self.params.dataset != OWN_IMAGES:
            del flat["data.images"]
        return {name: flat[name] for name in (*SETTINGS, *flat) if name not in OVERLOOKED}


def read_experiments(count: int, pattern: str = "*") -> list[Experiment]:
    """Read the finished and the failed experiments of the last ``count`` commits whose names match."""
    import dvc.api

    read: list[Experiment | None] = []
    for row in dvc.api.exp_show(num=count, force=True):
        name, state = row.get("Experiment") or "", row.get("State")
        if not name or not fnmatch.fnmatch(name, pattern):
            continue
        if state == "Failed":
            read.append(read_failed(name, row))
        elif state in (None, "", "Success") and not row.get("Error"):
            read.append(read_finished(name, row["rev"]))
    return [one for one in read if one is not None]


def find_earlier(pattern: str) -> int:
    """Count the commits back from HEAD to the nearest one with a finished experiment named so, HEAD as one.

    0 where there is none. What ``dvc exp show --num`` counts; a failed one leaves Git nothing.
    """
    found = set()
    for reference in read_git("for-each-ref", "--format=%(refname)", "refs/exps").splitlines():
        # The commit that it started from is cut in two there, as Git cuts the names of objects.
        *_, first, rest, name = reference.split("/")
        if fnmatch.fnmatch(name, pattern):
            found.add(first + rest)
    commits = read_git("rev-list", "--first-parent", "HEAD").splitlines()
    return next((count for count, commit in enumerate(commits, 1) if commit in found), 0)


def read_finished(name: str, revision: str) -> Experiment:
    """Read what an experiment's commit holds of the stages that ran with its parameters, and no others."""
    params = read_revision(revision, "params.yaml")
    current = find_current_stages(read_revision(revision, "dvc.lock"), params)
    numbers: dict[tuple[str, str], Any] = {}
    for stage in dict.fromkeys(stage for stage, _ in QUANTITIES.values()):
        if stage.replace("train-", "train@") in current:
            metrics = read_revision(revision, places.find_metrics(stage).as_posix())
            numbers.update({(stage, key): value for key, value in flatten(metrics)})
    return Experiment(name, parse_params(params), numbers)


def read_failed(name: str, row: dict[str, Any]) -> Experiment | None:
    """Read a queued experiment that failed, with the reason; None where its parameters are not valid ones."""
    try:
        params = parse_params(read_revision(row["rev"], "params.yaml"))
    except (ParamError, ValueError):
        return None
    return Experiment(name, params, {}, find_reason(read_log(row["rev"])))


def read_log(task: str) -> str:
    """Read what a queued experiment printed; empty where DVC no longer has it."""
    command = [sys.executable, "-m", "dvc", "queue", "logs", task]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


def find_reason(output: str) -> str:
    """Say ``diverged`` where the chains did, else the last thing said before the stage failed."""
    if "chains diverged" in output:
        return "diverged"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(("ERROR: failed to reproduce", ">", "Running"))]
    return f"failed: {said[-1]}" if said else "failed; its log is gone"


def find_varying(experiments: Sequence[Experiment]) -> list[str]:
    """Find the settings in which experiments differ, without those that follow from others of them."""
    settings = [one.settings for one in experiments]
    names = dict.fromkeys(name for one in settings for name in one)
    varying = [name for name in names if len({str(one.get(name)) for one in settings}) > 1]
    return [name for name in varying if not _follows(name, experiments)]


def _follows(name: str, experiments: Iterable[Experiment]) -> bool:
    return name.startswith(FOLLOWING) and all(attrgetter(name)(one.params) == "auto" for one in experiments)


def name_group(experiment: Experiment, varying: Iterable[str]) -> str:
    """Name a group ``ABP, K = 5``: the method, which alpha decides, and the other settings that vary."""
    settings = experiment.settings
    shown = [f"{_shorten(name)} = {show_value(settings.get(name))}" for name in varying if name != "alpha"]
    return ", ".join([name_method(experiment.params.alpha), *shown])


def _shorten(name: str) -> str:
    """``mask.side`` as ``side``; ``profile_settings.train.rounds.complete`` as ``rounds.complete``."""
    return name.removeprefix("profile_settings.").partition(".")[2] or name


def group_by_settings(experiments: Iterable[Experiment]) -> list[list[Experiment]]:
    """Group experiments that differ in their seed alone."""
    groups: dict[tuple[str, ...], list[Experiment]] = defaultdict(list)
    for one in experiments:
        groups[tuple(str(value) for value in one.settings.values())].append(one)
    return [groups[key] for key in sorted(groups)]


def list_values(experiments: Iterable[Experiment], place: tuple[str, str]) -> list[float]:
    """List what experiments measured of a quantity, without those that did not."""
    values = [one.numbers.get(place) for one in experiments]
    return [float(value) for value in values if isinstance(value, (int, float))]


def show_value(value: Any) -> str:
    """Write a setting's value, a float without trailing zeros."""
    return f"{value:g}" if isinstance(value, float) else str(value)
