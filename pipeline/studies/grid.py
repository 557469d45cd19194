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
DEFAULT_TASK = "complete"
AXES = (
    "dataset",
    "held_out",
    "latent_dim",
    "s",
    "K",
    "L2",
    "alpha",
    "solver",
    "mask",
    "space",
    "rate_factor",
    "seed",
)
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
        """The cell's place in its study, in letters that MLflow allows in a name: `held_out 4 alpha 0.3`."""
        return " ".join(f"{key} {describe(value)}" for key, value in self.axes)


def describe(value: Any) -> str:
    """A mask as `region 15`, a latent space as `mnist 0 1 2`, anything else as it is."""
    if isinstance(value, dict):
        return " ".join(describe(part) for part in value.values())
    if isinstance(value, list):
        return " ".join(describe(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def read_grid(path: str | Path = "tables.yaml") -> Grid:
    """Read tables.yaml; raises ParamError in one line where it is not what `list_cells` can use."""
    content = read_yaml(path)
    keys = ("methods", "datasets", "studies", "scales")
    if not isinstance(content, dict) or set(content) != set(keys):
        raise ParamError(f"{path}: expected the keys {', '.join(keys)}")
    return content


def check_grid(grid: Grid, methods: Iterable[str], tasks: Iterable[str]) -> None:
    """Raise ParamError for a method or a task in tables.yaml that is not one of those given."""
    asked: list[tuple[str, Any, Iterable[str]]] = []
    for study, about in grid["studies"].items():
        asked.append((f"studies.{study}.task", about.get("task", DEFAULT_TASK), tasks))
        asked.append((f"studies.{study}.tuned_by", about.get("tuned_by", study), grid["studies"]))
    check_methods(grid, methods)
    _check_names(asked)


def check_methods(grid: Grid, methods: Iterable[str]) -> None:
    """Raise ParamError for a method in tables.yaml that is not one of ``methods``."""
    asked = [("methods", method, methods) for method in grid["methods"]]
    for study, about in grid["studies"].items():
        asked += [(f"studies.{study}.only", method, methods) for method in _as_list(about.get("only", []))]
    _check_names(asked)


def _check_names(asked: Iterable[tuple[str, Any, Iterable[str]]]) -> None:
    for key, found, known in asked:
        if found not in known:
            raise ParamError(f"tables.yaml: {key}: found {found!r}, expected one of {', '.join(known)}")


def check_study(grid: Grid, study: str) -> None:
    """Raise ParamError for a study that tables.yaml does not have."""
    if study not in grid["studies"]:
        raise ParamError(f"tables.yaml: no study {study!r}, expected one of {', '.join(grid['studies'])}")


def list_methods(study: str, grid: Grid) -> list[str]:
    """The methods that have cells in ``study``: those that it is about, else all, in tables.yaml's order."""
    return _as_list(grid["studies"][study].get("only", grid["methods"]))


def choose_dataset(
    grid: Grid, profile: str, paper_dataset: str, is_there: Callable[[str], bool] = lambda name: False
) -> str:
    """Name what stands for one of the paper's data sets: of several the first that ``is_there``, or the last.

    Raises ParamError naming the key where tables.yaml names none.
    """
    found = grid["datasets"].get(profile, {}).get(paper_dataset)
    if not found:
        raise ParamError(f"tables.yaml: datasets.{profile}.{paper_dataset}: missing, expected a data set")
    names = _as_list(found)
    return next((name for name in names[:-1] if is_there(name)), names[-1])


def list_cells(
    study: str,
    method: str,
    params_content: dict[str, Any],
    grid: Grid,
    is_there: Callable[[str], bool] = lambda name: False,
) -> list[Cell]:
    """List all cells of ``study`` for ``method`` at the profile of ``params_content`` (params.yaml, parsed).

    `own` holds axes that one method alone has, `only` names the method or methods that a study is about.
    ``is_there`` says whether a data set's files are at hand. Raises ParamError naming the study and the key
    that is wrong.
    """
    about = {key: value for key, value in grid["studies"][study].items() if key != "tuned_by"}
    task = about.pop("task", DEFAULT_TASK)
    own = about.pop("own", {})
    if method not in _as_list(about.pop("only", method)):
        return []
    axes = {**about, **own.get(method, {})}
    for key in axes:
        if key not in AXES:
            raise ParamError(f"studies.{study}.{key}: unknown axis, expected one of {', '.join(AXES)}")
    choices = [[(key, value) for value in _as_list(values)] for key, values in axes.items()]
    varying = {key for key, values in axes.items() if isinstance(values, list)}
    cells = []
    for chosen in itertools.product(*choices):
        named = dict(chosen)
        values = {**named, **named.get("space", {})}
        paper_dataset = values.get("dataset", "mnist")
        values["dataset"] = choose_dataset(grid, params_content["profile"], paper_dataset, is_there)
        params = _apply(values, study, params_content, grid)
        classes = tuple(values["classes"]) if "classes" in values else None
        placed = tuple((key, values.get(key, value)) for key, value in chosen if key in varying)
        factor = values.get("rate_factor", 1.0)
        cells.append(Cell(study, task, method, placed, params, paper_dataset, classes, factor))
    return cells


def _as_list(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _apply(values: dict[str, Any], study: str, content: dict[str, Any], grid: Grid) -> Params:
    """The parameters of a cell: params.yaml, the scales of its profile, data set and study, its axes."""
    changed = {**content, **{key: value for key, value in values.items() if key in content}}
    changed["anomaly"] = {**content["anomaly"], "held_out": values.get("held_out", 0)}
    changed["mask"] = {**content["mask"], **values.get("mask", {})}
    changed["transport"] = {
        **content["transport"],
        "solver": values.get("solver", content["transport"]["solver"]),
    }
    profile = changed["profile"]
    scales = grid["scales"].get(profile, {})
    scaled = content["profiles"][profile]
    for name in (changed["dataset"], study):
        scaled = _merge(scaled, scales.get(name, {}))
    changed["profiles"] = {**content["profiles"], profile: scaled}
    return parse_params(changed)


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        merged[key] = _merge(base[key], value) if isinstance(value, dict) else value
    return merged
