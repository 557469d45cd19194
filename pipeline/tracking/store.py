"""MLflow: one parent run per experiment, one child per stage. The only module that imports mlflow.

The metric files are the record; MLflow is a view of them. Nothing here raises into a training: a server
that cannot be reached costs one warning line, and the stage `publish` brings the runs up to date later.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from pathlib import Path
from typing import Any

from filelock import FileLock

from pipeline.settings.params import Params
from pipeline.storage.files import project_root
from pipeline.tracking.run_record import StageRecord, describe_origin

EXPERIMENT = "short-run-mcmc-ot"
LOCK_SECONDS = 120  # creating and migrating a fresh database takes about 10
KEY, STAGE, DIGEST = "experiment_key", "stage", "content_digest"


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI if the user set it, else a SQLite file in the main repository."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project_root() / 'mlflow.db'}"


class Store:
    """The tracking database, opened once, with the parent run of the experiment at hand."""

    def __init__(self, params: Params):
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        # MLflow prints the traceback of a database error that we report in one line.
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        from mlflow import MlflowClient  # 3 s: only when there is something to track

        self.params = {key: str(value) for key, value in params.flat().items()}
        root = project_root()
        (root / ".dvc" / "tmp").mkdir(parents=True, exist_ok=True)
        # Two workers that migrate one fresh database at once destroy each other's tables, and the client
        # migrates as soon as it is made.
        with FileLock(root / ".dvc" / "tmp" / "mlflow.lock", timeout=LOCK_SECONDS):
            self.client = MlflowClient(tracking_uri())
            self.experiment = self._find_or_create_experiment(root)
            self.parent = self._find_or_create_parent()

    def _find_or_create_experiment(self, root: Path) -> str:
        found = self.client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return found.experiment_id
        # Absolute, in the main repository: a queued run's own folder is removed when it ends.
        local = tracking_uri().startswith("sqlite:")
        return self.client.create_experiment(
            EXPERIMENT, artifact_location=(root / "mlruns").as_uri() if local else None
        )

    def _find_or_create_parent(self) -> str:
        digest = hashlib.sha256(json.dumps(self.params, sort_keys=True).encode()).hexdigest()[:8]
        name = os.environ.get("DVC_EXP_NAME") or "workspace"
        key = f"{name}-{digest}"
        found = self._search(f"tags.{KEY} = '{key}'")
        if found:
            run = found[0]
            if not run.data.params:  # the store broke off between the two
                self._log_params(run.info.run_id)
            return run.info.run_id
        run = self.client.create_run(self.experiment, run_name=key, tags={KEY: key, **describe_origin()})
        self._log_params(run.info.run_id)
        return run.info.run_id

    def _search(self, condition: str) -> list[Any]:
        return self.client.search_runs([self.experiment], filter_string=condition)

    def _log_params(self, run_id: str) -> None:
        from mlflow.entities import Param

        self.client.log_batch(run_id, params=[Param(key, value[:500]) for key, value in self.params.items()])

    def find_child(self, stage: str) -> Any | None:
        """The run of ``stage`` under this experiment's parent, if there is one."""
        found = self._search(f"tags.{STAGE} = '{stage}' and tags.`mlflow.parentRunId` = '{self.parent}'")
        return found[0] if found else None

    def start_child(self, stage: str) -> str:
        """Begin a run for ``stage`` in the place of an earlier one; returns its id."""
        earlier = self.find_child(stage)
        if earlier is not None:
            self.client.delete_run(earlier.info.run_id)
        tags = {STAGE: stage, "mlflow.parentRunId": self.parent, **describe_origin()}
        run = self.client.create_run(self.experiment, run_name=stage, tags=tags)
        self._log_params(run.info.run_id)
        return run.info.run_id

    def log_points(self, run_id: str, points: list[tuple[str, float, int]]) -> None:
        """Log (name, value, step) points in batches of 1,000."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value, step in points]
        for start in range(0, len(metrics), 1000):
            self.client.log_batch(run_id, metrics=metrics[start : start + 1000])

    def fill_child(self, run_id: str, record: StageRecord, curves_logged: bool = False) -> None:
        """Log a stage's record to its run and end it FINISHED."""
        if not curves_logged:
            curves = record.curves.items()
            self.log_points(
                run_id, [(name, value, step) for name, points in curves for step, value in points]
            )
        last = max((step for points in record.curves.values() for step, _ in points), default=0)
        # A curve's last point is there already.
        finals = [(name, value, last) for name, value in record.metrics.items() if name not in record.curves]
        self.log_points(run_id, finals)
        for path in record.files:
            self.client.log_artifact(run_id, str(path), "tables" if path.suffix != ".png" else "pictures")
        for key, value in {**record.tags, DIGEST: record.digest}.items():
            self.client.set_tag(run_id, key, value)
        self.client.set_terminated(run_id, "FINISHED")

    def publish(self, records: list[StageRecord], extra_files: list[Path]) -> int:
        """Bring parent and children up to date with ``records``; returns how many runs changed."""
        changed = 0
        for record in records:
            child = self.find_child(record.stage)
            is_current = child is not None and child.data.tags.get(DIGEST) == record.digest
            if not is_current or child.info.status != "FINISHED":
                self.fill_child(self.start_child(record.stage), record)
                changed += 1
        digest = hashlib.sha256("".join(record.digest for record in records).encode()).hexdigest()
        parent = self.client.get_run(self.parent)
        status = self._judge({record.stage for record in records})
        if parent.data.tags.get(DIGEST) != digest or parent.info.status != status:
            points = [(f"{r.stage}.{key}", value, 0) for r in records for key, value in r.metrics.items()]
            self.log_points(self.parent, points)
            for path in extra_files:
                self.client.log_artifact(self.parent, str(path), path.parent.name)
            self.client.set_tag(self.parent, DIGEST, digest)
            if status == "FINISHED" and "error" in parent.data.tags:
                self.client.delete_tag(self.parent, "error")
            self.client.set_terminated(self.parent, status)
            changed += 1
        return changed

    def _judge(self, recorded: set[str]) -> str:
        """FAILED while a stage has failed and left no newer record, else FINISHED."""
        children = self._search(f"tags.`mlflow.parentRunId` = '{self.parent}'")
        failed = {child.data.tags.get(STAGE) for child in children if child.info.status == "FAILED"}
        return "FAILED" if failed - recorded else "FINISHED"

    def fail(self, run_id: str, line: str) -> None:
        """End a stage's run and its parent as FAILED, with the error as a tag."""
        for failed in (run_id, self.parent):
            self.client.set_tag(failed, "error", line[:5000])
            self.client.set_terminated(failed, "FAILED")


def hide_password(text: str) -> str:
    """Replace user and password in every address in ``text`` by ***."""
    return re.sub(r"(?<=://)[^/\s]*@", "***@", text)
