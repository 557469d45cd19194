"""Trained models in MLflow: logged with their training, registered, the best one called ``champion``.

What a champion is chosen by looks at no test image. Of ``complete`` it is the run's Frechet distance, of
samples to the training images; of ``occluded`` the squared error on the hidden pixels of training images,
which training never sees. A run has no validation images (its data has a training and a test part), and what
it measures of ``normal`` is the AUPRC on test images: that one has no champion.

Numbers compare where they were measured under equal conditions, which each version is tagged with
(pipeline/tracking/conditions.py). The best of each conditions is ``champion-<digest of them>``. ``champion``
itself stays with the conditions of the version that has it, so that no easier task takes it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.inference.portable import PortableModel, read_trained
from pipeline.settings.params import TASKS, Params
from pipeline.storage import places
from pipeline.tracking.conditions import describe_conditions, hash_conditions
from pipeline.tracking.logged_model_files import write_logged_model
from pipeline.tracking.run_identity import describe_source
from pipeline.tracking.run_record import StageRecord, read_data_sets
from pipeline.tracking.store import Store

log = logging.getLogger(__name__)

CHAMPION = "champion"
MODEL_DIGEST, MODEL_ID, DISTANCE, DISTANCE_OF = "model_digest", "model_id", "distance", "distance_of"
CONDITIONS, CONDITIONS_DIGEST = "conditions", "conditions_digest"
MEASURED_BY = {"complete": ("reconstruct", "fid"), "normal": ("anomaly",), "occluded": ("recover",)}
# Stage, number, and what it is: lowest is best.
CHOSEN_BY = {
    "complete": ("fid", "frechet_distance", "Frechet distance of samples to the training images"),
    "occluded": ("recover", "squared_error", "squared error on hidden pixels of training images"),
}


def name_registered(params: Params, task: str) -> str:
    """What a training's models are called in the registry."""
    return f"{params.dataset}-{params.profile}-{task}"


def log_models(store: Store, records: Sequence[StageRecord]) -> int:
    """Log the model of each training whose file is here, unless it is there already; returns how many.

    A model's file that cannot be read is a warning.
    """
    new = 0
    for task in TASKS:
        if not (places.MODELS / task / "model.pt").exists():
            continue
        try:
            new += _log_model(store, task, records)
        except ValueError as error:
            log.warning("model of %s not logged: %s", task, error)
    return new


def _log_model(store: Store, task: str, records: Sequence[StageRecord]) -> bool:
    """Log one training's model, a version for each conditions it was measured under, and one copy of it."""
    run = store.find_child(f"train-{task}")
    if run is None:
        return False
    path = places.MODELS / task / "model.pt"
    model = read_trained(task, store.run_params)
    settings = json.dumps(dataclasses.asdict(model.settings), sort_keys=True)
    digest = hashlib.sha256(path.read_bytes() + settings.encode()).hexdigest()
    metrics = {
        f"{'train' if record.stage == run.data.tags['stage'] else record.stage}/{name}": value
        for record in records
        if record.stage in (f"train-{task}", *MEASURED_BY[task])
        for name, value in record.metrics.items()
        if name != "seconds"
    }
    conditions = describe_conditions(store.run_params, task, model.settings.data_digest)
    numbers = hashlib.sha256(json.dumps([metrics, conditions], sort_keys=True).encode()).hexdigest()
    if run.data.tags.get(MODEL_DIGEST) == digest + numbers:
        return False
    name = name_registered(store.run_params, task)
    copies = [one for one in _list_versions(store.client, name) if one.tags.get(MODEL_DIGEST) == digest]
    version = _find_version(copies, conditions)
    model_id = _find_model(copies[0]) if copies else _upload(store, model, digest)
    _link(store, run.info.run_id, model_id, task, metrics)
    version = version or _register(store.client, name, model_id, run.info.run_id, digest)
    _measure(store.client, version, task, metrics, conditions)
    _crown(store.client, name, conditions)
    store.client.set_tag(run.info.run_id, MODEL_ID, model_id)
    store.client.set_tag(run.info.run_id, MODEL_DIGEST, digest + numbers)
    return True


def _upload(store: Store, model: PortableModel, digest: str) -> str:
    """Put the model's folder into MLflow, named after its training; returns the model's id.

    Its source is the parent run: MLflow's table of runs fills the column Models by source alone, and a
    parent's row is the one that users compare.
    """
    task = model.settings.task
    from mlflow.models import Model

    logged = store.client.create_logged_model(
        store.experiment,
        name=task,
        source_run_id=store.parent,
        tags={MODEL_DIGEST: digest} | describe_source(f"train-{task}"),
        params=store.params,
        model_type="generator",
    )
    try:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch, task)
            known = Model(
                artifact_path=logged.artifact_location,
                run_id=store.parent,
                model_id=logged.model_id,
                model_uuid=logged.model_id,
            )
            write_logged_model(folder, model, known)
            store.client.log_model_artifacts(logged.model_id, str(folder))
    except BaseException:
        store.client.finalize_logged_model(logged.model_id, "FAILED")
        raise
    store.client.finalize_logged_model(logged.model_id, "READY")
    return logged.model_id


def _link(store: Store, run_id: str, model_id: str, task: str, metrics: dict[str, float]) -> None:
    """Let run and parent name the model as an output, and the model the run's numbers and data."""
    from mlflow.entities import LoggedModelOutput, Metric

    for one in (run_id, store.parent):
        outputs = store.client.get_run(one).outputs
        if model_id not in {output.model_id for output in (outputs.model_outputs if outputs else ())}:
            store.client.log_outputs(one, [LoggedModelOutput(model_id, 0)])
    data = next((data for data in read_data_sets() if data.task == task), None)
    about = (
        {} if data is None else {"dataset_name": f"{data.name} ({task})", "dataset_digest": data.digest[:36]}
    )
    now = int(time.time() * 1000)
    points = [
        Metric(name, value, now, 0, model_id=model_id, run_id=run_id, **about)
        for name, value in metrics.items()
    ]
    store.client.log_batch(run_id, metrics=points)


def _find_version(copies: Sequence[Any], conditions: str) -> Any | None:
    """The version of these conditions, else one whose conditions nobody knows: it gets them now."""
    found = (one for tag in (conditions, "") for one in copies if one.tags.get(CONDITIONS, "") == tag)
    return next(found, None)


def _find_model(version: Any) -> str:
    """The id of a version's model: MLflow's search leaves it out, and the source names it."""
    return str(version.source).removeprefix("models:/")


def _list_versions(client: Any, name: str) -> list[Any]:
    return list(client.search_model_versions(f"name = '{name}'"))


def _register(client: Any, name: str, model_id: str, run_id: str, digest: str) -> Any:
    from mlflow.exceptions import MlflowException

    task = name.rpartition("-")[2]
    chosen, which = "No champion: what is measured of it looks at test images.", "/1"
    if task in CHOSEN_BY:
        chosen = f"Alias {CHAMPION}: lowest {CHOSEN_BY[task][2]} of all versions with its `{CONDITIONS}`."
        which = f"@{CHAMPION}"
    command = f"python -m pipeline.use sample --model models:/{name}{which} --output out"
    try:
        client.create_registered_model(name, description=f"{chosen} `{command}`")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return client.create_model_version(
        name, f"models:/{model_id}", run_id, tags={MODEL_DIGEST: digest}, model_id=model_id
    )


def _measure(client: Any, version: Any, task: str, metrics: dict[str, float], conditions: str) -> None:
    """Tag a version with its conditions and, where it has it, the number that champions are chosen by."""
    stage, number, what = CHOSEN_BY.get(task, ("", "", ""))
    tags = {CONDITIONS: conditions, CONDITIONS_DIGEST: hash_conditions(conditions)} if conditions else {}
    if (value := metrics.get(f"{stage}/{number}")) is not None:
        tags |= {DISTANCE: repr(value), DISTANCE_OF: what}
    elif DISTANCE in version.tags:  # of an earlier measurement, which the run refuses now
        client.delete_model_version_tag(version.name, version.version, DISTANCE)
    for key, tag in tags.items():
        client.set_model_version_tag(version.name, version.version, key, tag)


def _crown(client: Any, name: str, conditions: str) -> None:
    """Give the lowest distance of these conditions, of equal ones the first, the alias of the conditions.

    It is ``champion`` too, unless a version of other conditions is.
    """
    versions = _list_versions(client, name)
    alike = [one for one in versions if DISTANCE in one.tags and one.tags.get(CONDITIONS) == conditions]
    if not alike:
        return
    best = min(alike, key=lambda one: (float(one.tags[DISTANCE]), int(one.version)))
    client.set_registered_model_alias(name, f"{CHAMPION}-{hash_conditions(conditions)}", best.version)
    crowned = client.get_registered_model(name).aliases.get(CHAMPION)
    held = [one.tags.get(CONDITIONS) for one in versions if str(one.version) == str(crowned)]
    if held in ([], [None], [conditions]):  # None: of a version without the tag, crowned among unlike ones
        client.set_registered_model_alias(name, CHAMPION, best.version)
