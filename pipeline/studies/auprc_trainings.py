"""The trainings of the study of the AUPRC, by one-thread processes; each is kept when it is done.

What is kept on this machine lies under .dvc/tmp, and what Git holds in one table below reports/results, by
key: a clone trains what neither has.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_type_hints

import numpy as np
import torch

from pipeline.data.anomaly_split import AnomalySplit, split_anomaly
from pipeline.settings.plan import build_plan
from pipeline.storage import places
from pipeline.storage.code_digest import digest_code
from pipeline.storage.files import project_root, write_folder, write_json, write_text
from pipeline.studies import auprc_factors
from pipeline.studies.auprc_factors import Setting, StudyRow, list_settings, study_setting
from pipeline.studies.grid import Cell
from pipeline.studies.making import Making, Stopwatch, find_engine
from pipeline.studies.memo import compute_key
from pipeline.studies.recall import load_images
from pipeline.studies.threads import ONE_THREAD, THREADS, set_environment, use_one_thread

STUDY = "anomaly_study"
MEMO = Path(".dvc/tmp/auprc")
FILE = "trainings.csv"


@dataclass(frozen=True)
class Pool:
    """Both splits of a data set as one pool: ``images`` (N, C, H, W) uint8, what is an anomaly, the split."""

    name: str
    images: torch.Tensor
    is_anomaly: np.ndarray
    split: AnomalySplit
    digest: str


@dataclass(frozen=True)
class StudyTraining:
    """One training of the study, with all that decides its numbers; the cells ``seen`` tuned its rate."""

    setting: Setting
    cell: Cell
    seen: tuple[Cell, ...]

    @property
    def sample_passes(self) -> float:
        """What it costs, up to what all have in common."""
        return self.setting.plan.rounds * self.setting.share


def list_trainings(base: Cell, seen: Sequence[Cell], n_seeds: int, rate_factor: float) -> list[StudyTraining]:
    """All kinds of training of ``base`` for each seed, at ``rate_factor`` times its learning rate.

    ``seen``: the cells that chose the factor, from none of whose images they learn.
    """
    trainings = []
    for seed in range(base.params.seed, base.params.seed + n_seeds):
        own = replace(base, params=replace(base.params, seed=seed))
        plan = build_plan(own.params, "normal")
        plan = replace(plan, learning_rate=rate_factor * plan.learning_rate)
        settings = list_settings(plan, own.params.resolved_latent_dim)
        trainings += [StudyTraining(setting, own, tuple(seen)) for setting in settings]
    return trainings


def load_pool(cell: Cell, seen: Sequence[Cell]) -> Pool:
    """Load the images of the cell's seed, none that ``seen`` learn from; split them for its class."""
    images, held_out = load_images(cell, seen), cell.params.anomaly.held_out
    labels = np.concatenate([images.train_labels, images.test_labels])
    pooled = torch.from_numpy(np.concatenate([images.train_images, images.test_images]))
    return Pool(images.name, pooled, labels == held_out, split_anomaly(labels, held_out), images.digest)


def key_training(training: StudyTraining, pool: Pool) -> str:
    """Find a training's key: a digest of its settings, images, code and library."""
    setting, params = training.setting, training.cell.params
    return compute_key(
        setting=dataclasses.asdict(setting),
        architecture=params.architecture,
        held_out=params.anomaly.held_out,
        engine=dataclasses.asdict(find_engine(params.engine)),
        data=pool.digest,
        code=digest_code([Path(auprc_factors.__file__)], Path(__file__).parents[2]),
        torch=torch.__version__,
        threads=THREADS,
    )


def recall_training(key: str, profile: str) -> list[StudyRow] | None:
    """What an earlier run here kept under a key, or Git holds; None where neither does."""
    path = project_root() / MEMO / f"{key}.json"
    if path.exists():
        return [StudyRow(**row) for row in json.loads(path.read_text())["rows"]]
    return read_trainings(project_root() / places.find_cells(profile, STUDY, "")).get(key)


def recall_making(key: str) -> Making:
    """How a training was made that was kept on this machine; empty where nobody knows."""
    path = project_root() / MEMO / f"{key}.json"
    found: Making = json.loads(path.read_text()).get("made", {}) if path.exists() else {}
    return found


def write_trainings(folder: Path, trainings: Mapping[str, Sequence[StudyRow]]) -> None:
    """Write the rows of all trainings, by key, as one table."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["key", *(item.name for item in dataclasses.fields(StudyRow))])
    for key, rows in trainings.items():
        writer.writerows([key, *dataclasses.astuple(row)] for row in rows)
    with write_folder(folder) as partial:
        write_text(partial / FILE, text.getvalue())


def read_trainings(folder: Path) -> dict[str, list[StudyRow]]:
    """Read what ``write_trainings`` wrote, to the bit; empty where there is none."""
    path, types = folder / FILE, get_type_hints(StudyRow)
    trainings: dict[str, list[StudyRow]] = {}
    if path.exists():
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                values = {name: types[name](text) for name, text in row.items() if name != "key"}
                trainings.setdefault(row["key"], []).append(StudyRow(**values))
    return trainings


def measure_and_keep(training: StudyTraining) -> list[StudyRow]:
    """Train and score by one thread, and keep the rows; take them where they are kept."""
    setting, params = training.setting, training.cell.params
    pool = load_pool(training.cell, training.seen)
    key = key_training(training, pool)
    kept = recall_training(key, params.profile)
    if kept is not None:
        return kept
    engine, watch = find_engine(params.engine), Stopwatch()
    with use_one_thread():
        rows = study_setting(setting, params.architecture, pool.images, pool.is_anomaly, pool.split, engine)
    made = watch.describe(engine, data=pool.digest)
    content = {"rows": [dataclasses.asdict(row) for row in rows], "made": made}
    write_json(project_root() / MEMO / f"{key}.json", content)
    return rows


def train_all(trainings: Sequence[StudyTraining], workers: int) -> Iterator[tuple[int, list[StudyRow]]]:
    """Measure all, the longest first, by ``workers`` processes, 0 for this one: (its number, its rows)."""
    order = sorted(range(len(trainings)), key=lambda number: -trainings[number].sample_passes)
    if workers == 0:
        for number in order:
            yield number, measure_and_keep(trainings[number])
        return
    with set_environment(ONE_THREAD):
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            numbers = {pool.submit(measure_and_keep, trainings[number]): number for number in order}
            try:
                for done in as_completed(numbers):
                    yield numbers[done], done.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
