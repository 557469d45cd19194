"""A cell's key, a digest of settings, data and code, and what this run or an earlier one kept under it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from models.catalogue import METHODS
from pipeline.data.load import Choice, ImageSet, load_dataset
from pipeline.evaluation.features import FeatureExtractor, open_extractor
from pipeline.storage import places
from pipeline.storage.code_digest import digest_code
from pipeline.storage.files import project_root
from pipeline.studies.grid import DEFAULT_TASK, Cell, Grid
from pipeline.studies.making import Stopwatch, find_engine, read_making
from pipeline.studies.measured import FILE, read_folder
from pipeline.studies.memo import compute_key, fingerprint, load_result, save_result
from pipeline.studies.result import CellResult
from pipeline.studies.tasks import TASKS, measure_cell
from pipeline.studies.threads import THREADS, use_one_thread
from pipeline.studies.trained_here import MEMO
from pipeline.studies.tuning import choose_rate_factor

WITH_FEATURES = ("complete", "all", "validation")  # tasks that measure a Frechet distance
NO_EXTRACTOR = FeatureExtractor(lambda images: images, False, "")  # for tasks without a Frechet distance


@dataclass(frozen=True)
class KeyedCell:
    """A cell, the cells that tuned it, the key that its result is kept under, the digest of its code."""

    cell: Cell
    seen: tuple[Cell, ...]
    key: str
    code: str = ""

    def __str__(self) -> str:
        return f"{self.cell.study} {self.cell.method} {self.cell.place}".rstrip()


def choose_tuning(dataset: str, tuning: Sequence[Cell]) -> list[Cell]:
    """Those of a method's tuning cells that decide for ``dataset``: its own, else the first data set's.

    A rate goes with a generator and with how many updates it gets: what serves digits may be ten times too
    much for colour images.
    """
    names = [cell.params.dataset for cell in tuning]
    name = dataset if dataset in names else next(iter(names), dataset)
    return [cell for cell in tuning if cell.params.dataset == name]


def read_rate_factor(profile: str, study: str, method: str, tuning: Sequence[Cell]) -> float:
    """The factor that ``tuning`` chose, the cells of a method of ``study`` that ``choose_tuning`` names.

    Raises ValueError where the study has not run, or a cell lacks: the best of some is not the best.
    """
    folder = places.find_cells(profile, study, method)
    try:
        kept = {cell.place: cell for cell in read_folder(folder)}
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{folder}: {type(error).__name__}; `python -m stages.cells {study}` makes it"
        ) from error
    lacking = [cell.place for cell in tuning if cell.place not in kept]
    if lacking:
        raise ValueError(
            f"{folder}: found no cell of {', '.join(lacking)}, expected all; "
            f"`python -m stages.cells {study} --profile {profile}` trains them"
        )
    return choose_rate_factor([kept[cell.place] for cell in tuning])


def digest_measuring(study: str, method: str, grid: Grid) -> str:
    """A digest of the code that decides a study's numbers for one method: its task's and the method's."""
    root = Path(__file__).parents[2]
    task = TASKS[grid["studies"][study].get("task", DEFAULT_TASK)]
    return digest_code([Path(inspect.getfile(task)), METHODS[method].find_file(root)], root)


def key_cell(cell: Cell, code: str, seen: Iterable[Cell] = ()) -> KeyedCell:
    """Find a cell's key: a digest of its settings, images, code, library and extractor.

    ``seen``: the cells that tuned it. Raises ValueError where images or extractor are not there.
    """
    seen = tuple(seen)
    extractor = find_extractor(cell)  # first, for images may take seconds
    key = compute_key(
        cell=fingerprint(cell, METHODS[cell.method].ignores),
        data=load_images(cell, seen).digest,
        code=code,
        torch=torch.__version__,
        threads=THREADS,
        extractor=extractor.digest or None,
    )
    return KeyedCell(cell, seen, key, code)


def recall_cell(key: str) -> CellResult | None:
    """What an earlier run kept under a key; None where it kept nothing."""
    return load_result(project_root() / MEMO, key)


def measure_and_keep(keyed: KeyedCell) -> CellResult:
    """Measure a cell by one thread and keep what would come out the same again; recall it if it is kept."""
    result = recall_cell(keyed.key)
    if result is None:
        result = measure_anew(keyed)
        if is_final(result):
            save_result(project_root() / MEMO, keyed.key, result)
    return result


def measure_anew(keyed: KeyedCell) -> CellResult:
    """Measure a cell by one thread, whether or not it is kept, and keep nothing."""
    # torch counts the shapes that it compiled over a whole process, and past eight runs others uncompiled: a
    # cell would round otherwise after other cells than in a process of its own.
    torch.compiler.reset()
    cell = keyed.cell
    images, extractor = load_images(cell, keyed.seen), find_extractor(cell)
    watch = Stopwatch()
    with use_one_thread():
        result = measure_cell(cell, images, extractor.extract, METHODS[cell.method].load())
    engine = find_engine(cell.params.engine)
    return replace(result, made=watch.describe(engine, data=images.digest, code=keyed.code))


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


def recall_method(profile: str, study: str, method: str) -> dict[str, CellResult]:
    """What Git holds of a method's cells, by key: the study's own, and those of others that are the same.

    Studies share cells, as one alpha of Figure 8 is Table 2's. How a cell of another study was made comes
    with it; of the study's own that is known already.
    """
    own = places.find_cells(profile, study, method)
    found: dict[str, CellResult] = {}
    for folder in sorted(Path().glob(str(places.find_cells(profile, "*", method)))):
        if folder != own:
            made = read_making(profile, folder.parent.name)
            shared = _recall_folder(folder.resolve(), _find_time(folder))
            found |= {key: replace(result, made=made.get(key, {})) for key, result in shared.items()}
    return found | _recall_folder(own.resolve(), _find_time(own))


def _find_time(folder: Path) -> int:
    """When a folder's cells were written; 0 where there are none."""
    return (folder / FILE).stat().st_mtime_ns if (folder / FILE).exists() else 0


@functools.lru_cache(maxsize=256)  # a plan asks for the same folders for each study
def _recall_folder(folder: Path, changed: int) -> dict[str, CellResult]:
    """Recall a folder once; ``changed`` tells its contents of another time apart."""
    return recall_kept(folder)


def find_extractor(cell: Cell) -> FeatureExtractor:
    """Inception where the user has its file, else the data set's classifier, for tasks that use one.

    Raises ValueError where its file is not there.
    """
    if cell.task not in WITH_FEATURES:
        return NO_EXTRACTOR
    file = cell.params.fid.inception_file
    path = places.find_table_extractor(cell.params.profile, cell.paper_dataset) / places.EXTRACTOR.name
    changed = path.stat().st_mtime_ns if path.exists() else 0
    return _open_extractor(path, None if file is None else project_root() / file, changed)


@functools.lru_cache(maxsize=4)
def _open_extractor(path: Path, inception_file: Path | None, changed: int) -> FeatureExtractor:
    """Open an extractor once; ``changed`` tells files of another time apart."""
    return open_extractor(path, inception_file)


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


@functools.lru_cache(maxsize=8)  # a process has cells of all studies; stand-ins take seconds to make
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
