"""What a stage leaves for the tracking: its numbers, curves and files, and where they come from."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Collection
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.settings.params import TASKS
from pipeline.storage import places
from pipeline.storage.files import flatten
from pipeline.storage.processor import name_processor
from pipeline.tracking.run_identity import read_git

# The stages of the pipeline's own run, in its order; ``report`` stands for their summary and tables.
RUN_STAGES = (
    *("prepare", "holdout", "mask", "extractor"),
    *(f"train-{task}" for task in TASKS),
    *("reconstruct", "fid", "anomaly", "recover", "report"),
)
TASKS_OF = {  # stage -> whose images it rests on
    "prepare": ("complete",),
    "holdout": ("normal",),
    "mask": ("occluded",),
    "extractor": ("complete",),
    **{f"train-{task}": (task,) for task in TASKS},
    "reconstruct": ("complete",),
    "fid": ("complete",),
    "anomaly": ("normal",),
    "recover": ("occluded",),
    "report": tuple(TASKS),
}
MAX_POINTS = 1000  # per curve; more make the UI crawl


@dataclass(frozen=True)
class StageRecord:
    """What a stage left on disk for MLflow: numbers, curves over rounds, files."""

    stage: str
    metrics: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    digest: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def points(self) -> list[tuple[str, float]]:
        """Its numbers as the experiment's parent run has them: the summary's under their own names."""
        return [
            # MLflow's charts have a section for what stands before a slash, and the summary one of its own.
            # The seconds of ``report`` are not those of the run.
            (key if self.stage == "report" and key != "seconds" else f"{self.stage}/{key}", value)
            for key, value in self.metrics.items()
        ]


@dataclass(frozen=True)
class DataSet:
    """A folder of images that a stage has prepared: which trainings have it, and what is in it."""

    task: str
    name: str
    digest: str
    source: str


def read_record(stage: str, root: Path = Path(".")) -> StageRecord:
    """Read what one of the own run's stages left: metrics, seconds, curves, pictures and tables."""
    is_report = stage == "report"
    metrics_file = root / (places.SUMMARY if is_report else places.find_metrics(stage))
    curves_file = root / places.find_curves(stage.removeprefix("train-"))
    figures = root / places.FIGURES
    files = sorted([*figures.glob(f"{stage}_*.png"), *figures.glob(f"{stage}.png")])
    if is_report:
        files = [*sorted((root / places.TABLES).glob("*.*")), root / places.RUN_PAGE]
        files = [path for path in files if path.exists()]
    curves = _read_curves(curves_file) if curves_file.exists() else {}
    sources = [metrics_file, *([curves_file] if curves else []), *files]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    metrics = read_numbers(metrics_file) | read_seconds(stage, root)
    return StageRecord(stage, metrics, curves, tuple(files), digest)


def read_cells_record(profile: str, study: str, method: str, root: Path = Path(".")) -> StageRecord:
    """Read what the stage ``cells`` left of one method of a study, each cell's numbers under its place."""
    path = root / places.find_cells(profile, study, method) / "cells.json"
    cells = json.loads(path.read_text())["cells"]
    metrics = {
        f"{cell['place'] or 'all'}.{name}": float(value)
        for cell in cells
        for name, value in cell["numbers"].items()
    }
    stage = f"cells-{study}-{method}"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    datasets = ", ".join(sorted({cell["dataset"] for cell in cells}))
    tags = {"study": study, "method": method, "profile": profile, "dataset": datasets}
    return StageRecord(stage, metrics, digest=digest, tags=tags)


def read_numbers(path: Path) -> dict[str, float]:
    """All finite numbers of a JSON file by dotted name; raises ValueError naming one that is not whole."""
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: not whole ({error}); `dvc repro` writes it again") from error
    return {
        key: float(value)
        for key, value in flatten(content)
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def read_seconds(stage: str, root: Path = Path(".")) -> dict[str, float]:
    """How long a stage took where it ran here; nothing for one that did not."""
    path = root / places.SECONDS / f"{stage}.json"
    return read_numbers(path) if path.exists() else {}


def read_data_sets(root: Path = Path("."), tasks: Collection[str] = TASKS) -> list[DataSet]:
    """The folders of images that stages have prepared for ``tasks``.

    A stage that comes later has another task's not prepared yet: an earlier experiment's may lie there.
    """
    data_sets = []
    for path in sorted((root / places.DATA).glob("*/meta.json")):
        if path.parent.name not in tasks:
            continue
        meta: dict[str, Any] = json.loads(path.read_text())
        source = str(meta.get("source", path.parent.as_posix()))
        data_sets.append(
            DataSet(path.parent.name, str(meta.get("dataset")), str(meta.get("digest", "")), source)
        )
    return data_sets


def _read_curves(path: Path) -> dict[str, list[tuple[int, float]]]:
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    rows = rows[:: -(-len(rows) // MAX_POINTS)] if rows else rows
    names = [name for name in (rows[0] if rows else {}) if name != "round"]
    points = {name: [(int(row["round"]), float(row[name])) for row in rows if row[name]] for name in names}
    return {name: curve for name, curve in points.items() if curve}  # no gap where a solver proves none


def describe_origin(tasks: Collection[str] = TASKS) -> dict[str, str]:
    """Where a run comes from, as tags: experiment, revision, data digests of tasks, processors, versions."""
    tags = {
        "dvc_exp_name": os.environ.get("DVC_EXP_NAME", ""),
        "dvc_exp_baseline_rev": os.environ.get("DVC_EXP_BASELINE_REV", ""),
        "git_revision": read_git("rev-parse", "HEAD"),
        "cpu": f"{name_processor()}, {os.cpu_count()} cores",
        "gpu": _gpu_model(),
        "python": platform.python_version(),
        "torch": version("torch"),
    }
    for data in read_data_sets(tasks=tasks):
        tags[f"data_digest.{data.task}"] = data.digest
    return {key: value for key, value in tags.items() if value}


def _gpu_model() -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    command = [program, "--query-gpu=name", "--format=csv,noheader"]
    finished = subprocess.run(command, capture_output=True, text=True)
    return finished.stdout.strip().replace("\n", "; ") if finished.returncode == 0 else ""
