"""tables.yaml: the cells of the paper's tables and figures, as settings that can be trained one by one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.settings.params import Params, parse_params
from pipeline.settings.yaml_files import ParamError, read_yaml

TABLES = ("table2", "table3", "table4", "table5", "table6", "table7", "table8")
PAPER_STUDIES = (*TABLES, "figure3", "figure8")
TASK_NAMES = (
    "complete",
    "anomaly",
    "occluded",
    "latent",
    "all",
    "validation",
)  # of pipeline/studies/tasks.py
DEFAULT_TASK = "complete"
DEFAULT_PRESET = "eq8"
AXES = (
    *("dataset", "held_out", "latent_dim", "s", "K", "L2", "alpha", "solver", "mask", "space"),
    *("rate_factor", "n_train", "rounds", "preset", "seed"),
)
GRID_KEYS = ("line_ups", "datasets", "scales", "studies")
STUDY_KEYS = ("task", "methods", "axes", "axes_at", "own", "tuned_by", "scale")
OR = " or "  # between data sets of which the first whose files are at hand is taken
Grid = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One training and its measurements: where it stands, and the parameters it runs with.

    ``method``: a row of the tables; ``axes``: the values that place it, by name, such as {"held_out": 4};
    ``paper_dataset``: the paper's data set that params.dataset is or stands for; ``classes``: of it, None
    for all; ``rate_factor``: what the method's learning rate is multiplied by.
    """

    study: str
    task: str
    method: str
    axes: tuple[tuple[str, Any], ...]
    params: Params
    paper_dataset: str
    classes: tuple[int, ...] | None = None
    rate_factor: float = 1.0

    @property
    def place(self) -> str:
        """The cell's place in its study, in letters that MLflow allows: ``held_out 4 alpha 0.3``."""
        return " ".join(f"{key} {describe(value)}" for key, value in self.axes)


def describe(value: Any) -> str:
    """Write an axis's value in words: a mask as ``region 15``, a latent space as ``mnist 0 1 2``."""
    if isinstance(value, dict):
        return " ".join(describe(part) for part in value.values())
    if isinstance(value, list):
        return " ".join(describe(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def read_grid(path: str | Path = "tables.yaml") -> Grid:
    """Read tables.yaml; raises ParamError in one line where it is not what ``list_cells`` can use."""
    grid = read_yaml(path)
    if not isinstance(grid, dict) or set(grid) != set(GRID_KEYS):
        raise ParamError(f"{path}: expected the keys {', '.join(GRID_KEYS)}")
    for study, entry in grid["studies"].items():
        _check_names((f"studies.{study}.{key}", key, STUDY_KEYS) for key in entry)
        if not isinstance(methods := entry.get("methods"), list) or not methods:
            raise ParamError(
                f"{path}: studies.{study}.methods: found {methods!r}, expected a list of methods"
            )
    check_axes(grid)
    return grid


def check_axes(grid: Grid) -> None:
    """Raise ParamError for an axis of a study that no cell can be placed by."""
    for study, entry in grid["studies"].items():
        parts = {"axes": entry.get("axes", {})}
        parts |= {f"axes_at.{profile}": axes for profile, axes in entry.get("axes_at", {}).items()}
        for name, axes in parts.items():
            _check_names((f"studies.{study}.{name}.{key}", key, AXES) for key in axes)


def check_grid(grid: Grid, methods: Iterable[str], params_content: dict[str, Any]) -> None:
    """Raise ParamError for anything in tables.yaml that is not right: names, and every cell's settings.

    ``methods``: those that exist; ``params_content``: params.yaml, parsed, which is right itself.
    """
    for name, line_up in grid["line_ups"].items():
        _check_names((f"line_ups.{name}", method, methods) for method in line_up)
    for study, entry in grid["studies"].items():
        _check_names((f"studies.{study}.methods", method, methods) for method in list_methods(study, grid))
        _check_names([(f"studies.{study}.task", entry.get("task", DEFAULT_TASK), TASK_NAMES)])
        _check_names([(f"studies.{study}.tuned_by", entry.get("tuned_by", study), grid["studies"])])
        for method in list_methods(study, grid):
            try:
                list_cells(study, method, params_content, grid)
            except ParamError as error:
                if str(error).startswith("tables.yaml"):
                    raise
                raise ParamError(f"tables.yaml: study {study}, {method}: {error}") from error


def _check_names(entries: Iterable[tuple[str, Any, Iterable[str]]]) -> None:
    """Refuse an entry, (its place in tables.yaml, its name, the names known there), of an unknown name."""
    for place, name, known in entries:
        if name not in known:
            raise ParamError(f"tables.yaml: {place}: found {name!r}, expected one of {', '.join(known)}")


def check_study(grid: Grid, study: str) -> None:
    """Raise ParamError for a study that tables.yaml does not have."""
    if study not in grid["studies"]:
        raise ParamError(f"tables.yaml: no study {study!r}, expected one of {', '.join(grid['studies'])}")


def list_methods(study: str, grid: Grid) -> list[str]:
    """The methods that have cells in ``study``, in its line-up's order."""
    methods: list[str] = grid["studies"][study]["methods"]
    return methods


def choose_dataset(
    grid: Grid, profile: str, paper_dataset: str, is_there: Callable[[str], bool] = lambda name: False
) -> str:
    """Name the data set of ours that is measured where the paper has ``paper_dataset``.

    tables.yaml names one, or several (``a or b``), of which the first that ``is_there`` is taken, else the
    last. Raises ParamError naming the key where tables.yaml names none.
    """
    candidates = grid["datasets"].get(profile, {}).get(paper_dataset)
    if not candidates:
        raise ParamError(f"tables.yaml: datasets.{profile}.{paper_dataset}: missing, expected a data set")
    names = candidates.split(OR)
    return next((name for name in names[:-1] if is_there(name)), names[-1])


def list_cells(
    study: str,
    method: str,
    params_content: dict[str, Any],
    grid: Grid,
    is_there: Callable[[str], bool] = lambda name: False,
) -> list[Cell]:
    """List all cells of ``study`` for ``method`` at the profile of ``params_content`` (params.yaml, parsed).

    ``is_there`` says whether a data set's files are at hand. Raises ParamError naming the key that is wrong.
    """
    if method not in list_methods(study, grid):
        return []
    entry, profile = grid["studies"][study], params_content["profile"]
    axes = {
        **entry.get("axes", {}),
        **entry.get("own", {}).get(method, {}),
        **entry.get("axes_at", {}).get(profile, {}),
    }
    varying = {axis for axis, values in axes.items() if isinstance(values, list)}
    cells = []
    for combination in itertools.product(*map(_as_list, axes.values())):
        on_axes = dict(zip(axes, combination, strict=True))
        settings = {**on_axes, **on_axes.get("space", {})}
        paper_dataset = settings.get("dataset", "mnist")
        settings["dataset"] = choose_dataset(grid, profile, paper_dataset, is_there)
        # The axis names the paper's data set; a cell's place names ours, which ``settings`` has by now.
        place = tuple((axis, settings.get(axis, value)) for axis, value in on_axes.items() if axis in varying)
        cells.append(
            Cell(
                study,
                entry.get("task", DEFAULT_TASK),
                method,
                place,
                _apply(settings, study, params_content, grid),
                paper_dataset,
                tuple(settings["classes"]) if "classes" in settings else None,
                settings.get("rate_factor", 1.0),
            )
        )
    return cells


def _as_list(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _apply(settings: dict[str, Any], study: str, params_content: dict[str, Any], grid: Grid) -> Params:
    """The parameters of a cell: params.yaml, the scales of its profile, data set and study, its settings."""
    base = params_content
    changed = {**base, **{key: value for key, value in settings.items() if key in base}}
    changed["anomaly"] = {**base["anomaly"], "held_out": settings.get("held_out", 0)}
    preset = settings.get("preset", base["langevin"]["preset"])
    changed["langevin"] = {**base["langevin"], "preset": preset}
    if preset != DEFAULT_PRESET:  # the authors' chains draw, also where they score
        changed["anomaly"]["inference"] = "draw"
    changed["mask"] = {**base["mask"], **settings.get("mask", {})}
    solver = settings.get("solver", base["transport"]["solver"])
    changed["transport"] = {**base["transport"], "solver": solver}
    profile = changed["profile"]
    of_data_set = dict(grid["scales"].get(profile, {}).get(changed["dataset"], {}))
    step_size = of_data_set.pop("s", base["s"])
    changed["s"] = settings.get("s", step_size)
    of_study = grid["studies"][study].get("scale", {}).get(profile, {})
    scaled = _merge(_merge(base["profiles"][profile], of_data_set), of_study)
    if "n_train" in settings:
        scaled = _merge(scaled, {"prepare": {"n_train": settings["n_train"]}})
    if "rounds" in settings:  # of all three trainings, of which a cell has one
        rounds = dict.fromkeys(scaled["train"]["rounds"], settings["rounds"])
        scaled = _merge(scaled, {"train": {"rounds": rounds}})
    changed["profiles"] = {**base["profiles"], profile: scaled}
    return parse_params(changed)


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        merged[key] = _merge(base.get(key, {}), value) if isinstance(value, dict) else value
    return merged
