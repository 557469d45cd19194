"""MLflow's database: one parent run per experiment, one child per stage that ran.

The metric files are the record; MLflow is a view of them. This package alone imports mlflow, and late, for
that takes four seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterable, Sequence
from typing import Any

from filelock import FileLock

from pipeline.settings.params import Params
from pipeline.storage.files import project_root
from pipeline.tracking import run_identity
from pipeline.tracking.relocation import relocate_artifacts
from pipeline.tracking.run_record import TASKS_OF, StageRecord, describe_origin, read_data_sets
from pipeline.tracking.running_stages import Marker, take_dead_markers

EXPERIMENT = "short-run-mcmc-ot"
# MLflow's table of runs as its address can ask for it: what is varied, what to compare by.
RUNS_VIEW = "numbers"
VARIED = ("alpha", "s", "K", "latent_dim")
COMPARED = ("fid", "auprc", "auprc10", "recovery", "mse_train", "mse_test")
COLUMNS = [
    *(f"params.`{name}`" for name in VARIED),
    *(f"metrics.`{name}`" for name in COMPARED),
    "attributes.`Models`",
]
# Without its kind the UI opens as one for language models, and a training is an "evaluation run".
EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.note.content": "Short-run MCMC inference with optimal transport correction: one run per DVC "
    "experiment, one child per stage. Select several and press Compare.",
    f"mlflow.sharedViewState.{RUNS_VIEW}": json.dumps({"selectedColumns": COLUMNS}),
}
SYSTEM_SECONDS = 10  # between two points of a running stage's processor, memory and disk
LOCK_SECONDS = 120  # creating and migrating a fresh database takes about 10
KEY, STAGE, DIGEST = "experiment_key", "stage", "content_digest"


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI if the user set it, else a SQLite file in the main repository."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project_root() / 'mlflow.db'}"


def hide_password(text: str) -> str:
    """Replace user and password in every address in ``text`` by ***."""
    return re.sub(r"(?<=://)[^/\s]*@", "***@", text)


class Store:
    """The tracking database, opened once, with the parent run of the experiment at hand."""

    def __init__(self, params: Params):
        self.client = open_client()
        self.run_params = params
        self.params = run_identity.list_params(params)
        self.name = run_identity.name_run(params)  # once: it reads the committed params.yaml
        with _lock():
            self.experiment = find_or_create_experiment(self.client)
            self.parent = self._find_or_create_parent()
        self.bury()

    def _find_or_create_parent(self) -> str:
        key = run_identity.name_experiment(self.run_params)
        found = self._search(f"tags.{KEY} = '{key}'")
        if found:
            run = found[0]
            if not run.data.params:  # the store broke off between the two
                self._log_params(run.info.run_id)
            return run.info.run_id
        tags = {KEY: key, "mlflow.note.content": run_identity.describe_run(self.run_params)}
        tags |= describe_origin(tasks=()) | run_identity.describe_source("report")
        tags |= run_identity.describe_kind(self.run_params)
        run = self.client.create_run(self.experiment, run_name=self.name, tags=tags)
        self._log_params(run.info.run_id)
        return run.info.run_id

    def _search(self, condition: str) -> list[Any]:
        return self.client.search_runs([self.experiment], filter_string=condition)

    def _log_params(self, run_id: str) -> None:
        from mlflow.entities import Param

        self.client.log_batch(run_id, params=[Param(key, value[:500]) for key, value in self.params.items()])

    def _log_data_sets(self, run_id: str, stage: str) -> None:
        """Fill the column Dataset: name and digest of each folder of images that ``stage`` rests on.

        None for a stage of tables, whose cells say of which images they are.
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = [
            DatasetInput(
                Dataset(f"{data.name} ({data.task})", data.digest[:36], "local", data.source),
                tags=[InputTag("mlflow.data.context", data.task)],
            )
            for data in read_data_sets(tasks=TASKS_OF.get(stage, ()))
        ]
        if inputs:
            self.client.log_inputs(run_id, datasets=inputs)

    def find_child(self, stage: str) -> Any | None:
        """The run of ``stage`` under this experiment's parent, if there is one."""
        found = self._search(f"tags.{STAGE} = '{stage}' and tags.`mlflow.parentRunId` = '{self.parent}'")
        return found[0] if found else None

    def start_child(self, stage: str) -> str:
        """Begin a run for ``stage`` in the place of an earlier one; returns its id."""
        earlier = self.find_child(stage)
        if earlier is not None:
            self.client.delete_run(earlier.info.run_id)
        tags = {STAGE: stage, "mlflow.parentRunId": self.parent}
        origin = describe_origin(TASKS_OF.get(stage, ()))
        tags |= origin | run_identity.describe_source(stage)
        tags |= run_identity.describe_kind(self.run_params)  # a table's own tags replace them
        name = f"{stage}, {self.name}"
        run = self.client.create_run(self.experiment, run_name=name, tags=tags)
        self._log_params(run.info.run_id)
        for run_id in (run.info.run_id, self.parent):  # which has what its stages had
            self._log_data_sets(run_id, stage)
        for key in (key for key in origin if key.startswith("data_digest.")):
            self.client.set_tag(self.parent, key, origin[key])
        self.client.update_run(self.parent, status="RUNNING")
        return run.info.run_id

    def watch_system(self, run_id: str) -> Any:
        """Log what processor, memory, disk, network and GPU do, until the returned monitor's ``finish``."""
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor = SystemMetricsMonitor(run_id, SYSTEM_SECONDS, tracking_uri=tracking_uri())
        monitor.start()
        return monitor

    def log_points(self, run_id: str, points: list[tuple[str, float, int]]) -> None:
        """Log (name, value, step) points in batches of 1,000."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value, step in points]
        for start in range(0, len(metrics), 1000):
            self.client.log_batch(run_id, metrics=metrics[start : start + 1000])

    def fill_child(self, run_id: str, record: StageRecord, curves_logged: bool = False) -> None:
        """Log a stage's record to its run and end it FINISHED, and the parent with it."""
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
        self._end_parent()

    def publish(self, records: Sequence[StageRecord], of_tables: Sequence[StageRecord] = ()) -> int:
        """Bring parent and children up to date with ``records``; returns how many runs changed.

        The parent has the numbers and files of ``records``; ``of_tables`` are children alone.
        """
        changed = 0
        for record in [*records, *of_tables]:
            child = self.find_child(record.stage)
            is_current = (
                child is not None
                and child.info.status == "FINISHED"
                and child.data.tags.get(DIGEST) == record.digest
            )
            if not is_current:
                self.fill_child(self.start_child(record.stage), record)
                changed += 1
        digest = hashlib.sha256("".join(record.digest for record in records).encode()).hexdigest()
        parent = self.client.get_run(self.parent)
        if parent.data.tags.get(DIGEST) != digest and records:
            points = [(name, value, 0) for record in records for name, value in record.points]
            self.log_points(self.parent, points)
            for record in records:
                for path in record.files:
                    folder = "tables" if path.suffix != ".png" else "pictures"
                    self.client.log_artifact(self.parent, str(path), folder)
            shown = [path.name for record in records for path in record.files]
            note = run_identity.describe_run(self.run_params) + run_identity.show_pictures(self.parent, shown)
            self.client.set_tag(self.parent, "mlflow.note.content", note)
            self.client.set_tag(self.parent, DIGEST, digest)
            changed += 1
        if self._end_parent({record.stage for record in records}) != parent.info.status:
            changed += 1
        return changed

    def _end_parent(self, recorded: Iterable[str] = ()) -> str:
        """End the parent: FAILED while a stage has failed and left no newer record, else FINISHED."""
        children = self._search(f"tags.`mlflow.parentRunId` = '{self.parent}'")
        failed = {child.data.tags.get(STAGE) for child in children if child.info.status == "FAILED"}
        status = "FAILED" if failed - set(recorded) else "FINISHED"
        parent = self.client.get_run(self.parent)
        if status == "FINISHED" and "error" in parent.data.tags:
            self.client.delete_tag(self.parent, "error")
        if parent.info.status != status:
            self.client.set_terminated(self.parent, status)
        return status

    def fail(self, run_id: str, line: str) -> None:
        """End a stage's run and its parent as FAILED, with the error as a tag."""
        end_as_failed(self.client, [run_id, self.parent], line)

    def bury(self) -> None:
        """End the runs of stages that were killed."""
        bury_dead_stages(self.client, self.experiment)


def open_client() -> Any:
    """MLflow's client of the tracking database, which is migrated where it is new."""
    quieten_mlflow()
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    from mlflow import MlflowClient

    # Two workers that migrate one fresh database at once destroy each other's tables, and the client
    # migrates as soon as it is made.
    with _lock():
        return MlflowClient(tracking_uri())


def quieten_mlflow() -> None:
    """Let MLflow, which is not imported yet, send and print nothing."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # MLflow prints the traceback of a database error that we report in one line.
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # of files that lie here


def find_or_create_experiment(client: Any) -> str:
    """The id of our experiment, whose artifacts lie in this project's folder."""
    root = project_root()
    local = root / "mlflow.db" if tracking_uri().startswith("sqlite:") else None
    if local is not None and local.exists():
        relocate_artifacts(local, EXPERIMENT, root / "mlruns")
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None:
        # Absolute, in the main repository: a queued run's own folder is removed when it ends.
        location = None if local is None else (root / "mlruns").as_uri()
        return client.create_experiment(EXPERIMENT, artifact_location=location, tags=EXPERIMENT_TAGS)
    for key, value in EXPERIMENT_TAGS.items():
        if found.tags.get(key) != value:
            client.set_experiment_tag(found.experiment_id, key, value)
    return found.experiment_id


def bury_dead_stages(client: Any, experiment: str) -> list[Marker]:
    """End the runs of stages whose processes are gone as FAILED; returns what was found."""
    dead = take_dead_markers()
    for marker in dead:
        line = f"{marker.stage}: killed; process {marker.pid} ended without a word"
        parents = client.search_runs([experiment], filter_string=f"tags.{KEY} = '{marker.experiment}'")
        for parent in parents:
            children = client.search_runs(
                [experiment],
                filter_string=f"tags.`mlflow.parentRunId` = '{parent.info.run_id}' and "
                f"tags.{STAGE} = '{marker.stage}'",
            )
            running = [child.info.run_id for child in children if child.info.status == "RUNNING"]
            end_as_failed(client, [*running, parent.info.run_id], line)
    return dead


def end_as_failed(client: Any, run_ids: list[str], line: str) -> None:
    """End runs as FAILED, with the cause as a tag."""
    for run_id in run_ids:
        client.set_tag(run_id, "error", line[:5000])
        client.set_terminated(run_id, "FAILED")


def _lock() -> FileLock:
    folder = project_root() / ".dvc" / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / "mlflow.lock", timeout=LOCK_SECONDS)
