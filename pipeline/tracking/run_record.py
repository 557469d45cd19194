"""What a stage leaves for the tracking: its numbers, curves and files, and where they come from."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from pipeline.storage.files import flatten

TABLES_OF = {  # stages whose tables do not carry their name
    "report": ("reconstruction", "generation", "anomaly_pooled", "anomaly_tenth", "recovery", "training"),
    "paper": ("table1", "claims"),
    "leaderboard": ("leaderboard", "methods", "rivals_*", "tuning"),
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

    @property
    def tags(self) -> dict[str, str]:
        """Study and method of a stage `cells-<study>-<method>`; nothing for the others."""
        kind, *rest = self.stage.split("-", 2)
        return dict(zip(("study", "method"), rest, strict=True)) if kind == "cells" and len(rest) == 2 else {}


def read_record(stage: str, root: Path = Path(".")) -> StageRecord:
    """Read metrics/<stage>.json, its timing, curves, pictures and tables."""
    metrics_file = root / "metrics" / f"{stage}.json"
    timing_file = root / "metrics" / "timing" / f"{stage}.json"
    curves_file = root / "metrics" / "curves" / f"{stage}.csv"
    figures, tables = root / "reports" / "figures", root / "reports" / "tables"
    files = sorted([*figures.glob(f"{stage}_*.png"), *figures.glob(f"{stage}.png")])
    names = TABLES_OF.get(stage, (stage, f"{stage}_*"))
    files += sorted(path for name in names for path in tables.glob(f"{name}.*"))
    sources = [metrics_file, *(path for path in (timing_file, curves_file) if path.exists()), *files]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    metrics = _read_numbers(metrics_file)
    if timing_file.exists():
        metrics |= _read_numbers(timing_file)
    curves = _read_curves(curves_file) if curves_file.exists() else {}
    return StageRecord(stage, metrics, curves, tuple(files), digest)


def _read_numbers(path: Path) -> dict[str, float]:
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: not whole ({error}); `dvc repro` writes it again") from error
    return {
        key: float(value)
        for key, value in flatten(content)
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def _read_curves(path: Path) -> dict[str, list[tuple[int, float]]]:
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    rows = rows[:: -(-len(rows) // MAX_POINTS)] if rows else rows
    names = [name for name in (rows[0] if rows else {}) if name != "round"]
    return {name: [(int(row["round"]), float(row[name])) for row in rows] for name in names}


def describe_origin() -> dict[str, str]:
    """Where a run comes from, as tags: experiment, revision, data digests, processors, versions."""
    tags = {
        "dvc_exp_name": os.environ.get("DVC_EXP_NAME", ""),
        "dvc_exp_baseline_rev": os.environ.get("DVC_EXP_BASELINE_REV", ""),
        "git_revision": _git_revision(),
        "cpu": f"{_cpu_model()}, {os.cpu_count()} cores",
        "gpu": _gpu_model(),
        "python": platform.python_version(),
        "torch": version("torch"),
    }
    for meta in sorted(Path("artifacts/data").glob("*/meta.json")):
        tags[f"data_digest.{meta.parent.name}"] = json.loads(meta.read_text()).get("digest", "")
    return {key: value for key, value in tags.items() if value}


def _git_revision() -> str:
    return _run_if_installed("git", "rev-parse", "HEAD")


def _gpu_model() -> str:
    return _run_if_installed("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").replace("\n", "; ")


def _run_if_installed(program: str, *arguments: str) -> str:
    path = shutil.which(program)
    if path is None:
        return ""
    finished = subprocess.run([path, *arguments], capture_output=True, text=True)
    return finished.stdout.strip() if finished.returncode == 0 else ""


def _cpu_model() -> str:
    """The processor's name; platform.processor() is empty on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
