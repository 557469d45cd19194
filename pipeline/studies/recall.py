"""Measure a cell, or recall what an earlier run measured with the same settings, data and code."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

from models.catalogue import METHODS
from pipeline.data.load import Choice, ImageSet, load_dataset
from pipeline.evaluation.features import FeatureExtractor, open_extractor
from pipeline.storage import places
from pipeline.storage.code_digest import digest_code
from pipeline.storage.files import project_root
from pipeline.studies.grid import DEFAULT_TASK, Cell, Grid
from pipeline.studies.measured import read_folder
from pipeline.studies.memo import compute_key, fingerprint, load_result, save_result
from pipeline.studies.result import CellResult
from pipeline.studies.tasks import TASKS, measure_cell
from pipeline.studies.tuning import choose_rate_factor

MEMO = Path(".dvc/tmp/cells")
WITH_FEATURES = ("complete", "all", "validation")  # tasks that measure a Frechet distance
NO_EXTRACTOR = FeatureExtractor(lambda images: images, False, "")  # for tasks without a Frechet distance


def read_rate_factor(profile: str, study: str, method: str) -> float:
    """The factor that the study ``study`` chose for a method; raises ValueError where it has not run."""
    folder = places.find_cells(profile, study, method)
    try:
        return choose_rate_factor(read_folder(folder))
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{folder}: {type(error).__name__}; `python -m stages.cells {study}` makes it"
        ) from error


def digest_measuring(study: str, method: str, grid: Grid) -> str:
    """A digest of the code that decides a study's numbers for one method: its task's and the method's."""
    root = Path(__file__).parents[2]
    task = TASKS[grid["studies"][study].get("task", DEFAULT_TASK)]
    return digest_code([Path(inspect.getfile(task)), METHODS[method].find_file(root)], root)


def run_or_recall(
    cell: Cell, code: str, seen: Iterable[Cell] = (), kept: Mapping[str, CellResult] | None = None
) -> tuple[str, CellResult]:
    """A cell's key and what was measured of it: now, by an interrupted run, or as ``kept`` has it by its key.

    ``seen``: the cells that tuned it.
    """
    images = load_images(cell, seen)
    extractor = find_extractor(cell) if cell.task in WITH_FEATURES else NO_EXTRACTOR
    key = compute_key(
        cell=fingerprint(cell, METHODS[cell.method].ignores),
        data=images.digest,
        code=code,
        torch=torch.__version__,
        extractor=extractor.digest or None,
    )
    if kept and key in kept:
        return key, kept[key]
    memo = project_root() / MEMO
    result = load_result(memo, key)
    if result is None:
        result = measure_cell(cell, images, extractor.extract, METHODS[cell.method].load())
        if is_final(result):
            save_result(memo, key, result)
    return key, result


def is_final(result: CellResult) -> bool:
    """Whether a result would come out the same again: a failure may be one of memory, unless it diverged."""
    return not result.error or result.error.startswith("diverged")


def recall_kept(folder: Path) -> dict[str, CellResult]:
    """What a folder of measured cells holds, by key; nothing where it is missing or damaged."""
    try:
        cells = read_folder(folder)
    except (OSError, ValueError):
        return {}
    return {cell.key: cell.result for cell in cells if cell.key and is_final(cell.result)}


def find_extractor(cell: Cell) -> FeatureExtractor:
    """Inception where the user has its file, else the classifier of the cell's data set."""
    file = cell.params.fid.inception_file
    folder = places.find_table_extractor(cell.params.profile, cell.paper_dataset)
    return open_extractor(folder / places.EXTRACTOR.name, None if file is None else project_root() / file)


def load_images(cell: Cell, seen: Iterable[Cell] = ()) -> ImageSet:
    """The cell's images, as many as its profile prepares, none of them among those that ``seen`` train on."""
    params = cell.params
    others = {choose(one) for one in seen if one.params.dataset == params.dataset}
    n_test = params.profile_settings.prepare.n_test
    folder = project_root() / params.data.folder
    return _load(params.dataset, folder, choose(cell), n_test, frozenset(others), params.data.download)


def choose(cell: Cell) -> Choice:
    """Which images a cell trains on."""
    return Choice(cell.params.profile_settings.prepare.n_train, cell.params.seed, cell.classes)


@functools.lru_cache(maxsize=2)
def _load(
    name: str, folder: Path, own: Choice, n_test: int | None, others: frozenset[Choice], download: bool
) -> ImageSet:
    return load_dataset(
        name,
        folder,
        n_train=own.n,
        n_test=n_test,
        seed=own.seed,
        classes=own.classes,
        apart_from=others,
        download=download,
    )
