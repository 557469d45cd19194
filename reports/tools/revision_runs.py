"""Checkouts of two revisions with the same small settings, and the same stages run in both."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from pipeline.settings.yaml_files import read_yaml
from pipeline.storage.files import write_text
from pipeline.studies.machine import WORKERS
from reports.tools import stage_server
from reports.tools.revision_results import PAGES, PROFILE, RESULT_FOLDERS, Layout, detect_layout

# Of profile smoke in both; above chance, so that the extractor's distance is not refused.
SETTINGS: dict[str, dict[str, Any]] = {
    "prepare": {"n_train": 200, "n_test": 200},
    "extractor": {"epochs": 6},
    "train": {
        "K": 5,
        "L": 2,
        "L2": 1,
        "batch_size": 100,
        "minibatch": 100,
        "learning_rate": 0.001,
        "rounds": {"complete": 2, "normal": 1, "occluded": 1},
        "regression_passes": {"complete": 1, "normal": 1, "occluded": 1},
    },
    "evaluate": {"reconstruct_steps": 10, "anomaly_steps": 5, "recover_steps": 5, "n_generated": 200},
}
FEWER: dict[str, dict[str, list[Any]]] = {  # axes of studies, by what is left of their values; a mask by kind
    "table2": {"dataset": ["mnist"]},
    "table3": {"held_out": [4]},
    "table8": {"mask": ["region 30", "salt_pepper 0.5"]},
    "figure8": {"alpha": [0, 0.5]},
    "tuning": {"rate_factor": [0.3, 1]},
    "leaderboard": {"seed": [1]},
}
STUDIES = {  # one a task, and one that keeps curves; the methods that each is run for, None for the rivals
    "table2": ("VAE", "ABP", "Ours"),
    "table3": ("VAE", "ABP", "Ours"),
    "table8": ("VAE", "ABP", "Ours"),
    "figure3": ("VAE", "ABP", "Ours"),
    "figure8": ("Ours",),
    "tuning": None,
    "leaderboard": None,  # reads what tuning chose
}
OWN_RUN = (
    *(("prepare",), ("holdout",), ("mask",), ("extractor",)),
    *(("train", "complete"), ("train", "normal"), ("train", "occluded")),
    *(("reconstruct",), ("fid",), ("anomaly",), ("recover",), ("report",)),
)
RIVALS = ("VAE", "LEBM")
FOREIGN = ("DVC_", "MLFLOW_", "GIT_")  # variables of the session that would reach a run
PACKAGES = (  # imported once; without what starts threads when it is imported, for a fork has none of them
    *("numpy", "pandas", "scipy.stats", "torch", "torchvision", "torch_fidelity.utils"),
    "matplotlib.figure",
)
TAIL = 15  # lines shown of a stage that failed
Server = subprocess.Popen[str]


@dataclass(frozen=True)
class Checkout:
    """A revision's files in a folder of their own, and how it lays out its results."""

    revision: str
    folder: Path
    layout: Layout


def check_out(revision: str, folder: Path) -> Checkout:
    """Unpack a revision into ``folder``; raises ValueError for one that Git does not know."""
    done = subprocess.run(["git", "archive", revision], capture_output=True)
    if done.returncode:
        raise ValueError(f"--base: {revision!r}: {done.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return open_checkout(revision, folder)


def copy_working_tree(folder: Path) -> Checkout:
    """Copy the files of the working tree that Git does not ignore into ``folder``."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if Path(name).is_file():  # one that was removed is listed as well
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, folder / name)
    return open_checkout("the working tree", folder)


def open_checkout(revision: str, folder: Path) -> Checkout:
    """Take up a folder that has a revision's files."""
    return Checkout(revision, folder, detect_layout(folder))


def make_ready(checkout: Checkout, rivals: Sequence[str]) -> None:
    """Give a checkout the small settings, and take away the results that are committed in it."""
    for name in RESULT_FOLDERS:
        shutil.rmtree(checkout.folder / name, ignore_errors=True)
    for name in PAGES:
        (checkout.folder / name).unlink(missing_ok=True)
    params, tables = checkout.folder / "params.yaml", checkout.folder / "tables.yaml"
    content = read_yaml(params)
    settings = SETTINGS
    if "channels_divided_by" in content["profiles"][PROFILE]["train"]:  # else this revision knows no such key
        whole = {"channels_divided_by": {"mnist": 1, "svhn": 1, "celeba": 1}}
        settings = SETTINGS | {"train": SETTINGS["train"] | whole}
    profiles = {**content["profiles"], PROFILE: settings}
    write_text(params, yaml.safe_dump({**content, "profile": PROFILE, "profiles": profiles}, sort_keys=False))
    write_text(tables, yaml.safe_dump(restrict_grid(read_yaml(tables), rivals), sort_keys=False))


def restrict_grid(grid: dict[str, Any], rivals: Sequence[str]) -> dict[str, Any]:
    """Leave of tables.yaml's studies the cells of FEWER, and of the rivals' studies those of ``rivals``."""
    for study, fewer in FEWER.items():
        about = grid["studies"][study]
        for key, kept in fewer.items():
            axes = find_axes(about, key)
            axes[key] = [value for value in _as_list(axes[key]) if value in kept or _name(value) in kept]
    for about in grid["studies"].values():
        if about.get("tuned_by") == "rates":  # which older revisions do not have, nor their rates
            del about["tuned_by"]
    for study in ("tuning", "leaderboard"):
        about = grid["studies"][study]
        if "methods" not in about:  # before the rooms
            about["only"] = list(rivals)
        elif isinstance(about["methods"], list):
            about["methods"] = list(rivals)
        else:  # before a study listed its methods itself
            about["methods"] = "compared"
            grid["line_ups"]["compared"] = list(rivals)
    return grid


def find_axes(about: dict[str, Any], axis: str) -> dict[str, Any]:
    """Where a study's entry has an axis: among all methods', or those of Ours alone."""
    axes = about.get("axes", about)  # before the rooms, axes stood beside the study's other keys
    own: dict[str, Any] = about.get("own", {}).get("Ours", {})
    return axes if axis in axes else own


def _as_list(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _name(value: Any) -> str:
    """A mask as ``region 30``, under whatever name its size goes."""
    return " ".join(map(str, value.values())) if isinstance(value, dict) else str(value)


def list_stages(layout: Layout, rivals: Sequence[str]) -> list[tuple[str, ...]]:
    """The stages to run, each a module below ``stages`` and its arguments, in order."""
    steps: list[tuple[str, ...]] = [*OWN_RUN, ("extractor", "mnist")]
    for study, methods in STUDIES.items():
        steps += [("cells", study, *layout.method_option, method) for method in (methods or rivals)]
    steps += [("exhibit", study) for study, methods in STUDIES.items() if methods]
    return [*steps, ("leaderboard",), (layout.page_stage,)]


def run_both(checkouts: tuple[Checkout, Checkout], rivals: Sequence[str], at_once: int = 1) -> None:
    """Run every stage in the one checkout, then in the other, or ``at_once`` 2 of them side by side.

    Raises ValueError where one fails.
    """
    pairs = list(zip(*(list_stages(checkout.layout, rivals) for checkout in checkouts), strict=True))
    with ExitStack() as stack, ThreadPoolExecutor(at_once) as pool:
        servers = [stack.enter_context(serve_stages(checkout)) for checkout in checkouts]
        for pair in tqdm(pairs, unit="stage", disable=None):
            list(pool.map(run_step, checkouts, servers, pair))


@contextmanager
def serve_stages(checkout: Checkout, packages: Sequence[str] = PACKAGES) -> Iterator[Server]:
    """A process of this Python in a checkout that runs the stages whose names it is sent."""
    server = subprocess.Popen(
        [sys.executable, stage_server.__file__, *packages],
        cwd=checkout.folder,
        env=make_environment(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:  # which waits for it once its input is closed
        yield server


def make_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables that both run with: one process and thread, no other code, experiment or tracker."""
    kept = {key: value for key, value in variables.items() if not key.startswith(FOREIGN)}
    for name in ("PYTHONPATH", "PYTHONSAFEPATH", "DEBUG"):
        kept.pop(name, None)
    return kept | {"OMP_NUM_THREADS": "1", WORKERS: "0"}


def run_step(checkout: Checkout, server: Server, step: Sequence[str]) -> None:
    """Run one stage in a checkout; its seconds are a line on stderr. Raises ValueError where it fails."""
    start = time.perf_counter()
    if server.stdin is None or server.stdout is None:
        raise ValueError(f"{checkout.revision}: a server without pipes")
    print(json.dumps(step), file=server.stdin, flush=True)
    status, name = server.stdout.readline().strip(), " ".join(step)
    if status != "0":
        log = checkout.folder / stage_server.LOG
        tail = "\n".join(log.read_text().strip().splitlines()[-TAIL:])
        raise ValueError(f"{checkout.revision}: stages.{name} ended with status {status or 'none'}\n{tail}")
    print(f"{checkout.revision}: {name} {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)
