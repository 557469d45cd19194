"""tables.yaml: the cells of the paper's tables, as settings that can be trained and measured one by one."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.methods import METHODS
from pipeline.params import ParamError, Params, parse_params

TABLES = ("table2", "table3", "table4", "table5", "table6", "table7", "table8")
TASKS = ("complete", "normal", "occluded")
AXES = ("dataset", "held_out", "latent_dim", "s", "K", "L2", "alpha", "mask")


@dataclass(frozen=True)
class Cell:
    """One training and its measurements: where it stands in a table, and the parameters it runs with.

    ``axes``: the values that place it, by name, such as {"held_out": 4}; ``method``: a key of METHODS.
    """

    table: str
    task: str
    method: str
    axes: tuple[tuple[str, Any], ...]
    params: Params

    @property
    def name(self) -> str:
        """The cell's place in words: `table3 Ours held_out=4 alpha=0.3`."""
        return " ".join([self.table, self.method, *(f"{key}={describe(value)}" for key, value in self.axes)])


def describe(value: Any) -> str:
    """A mask as `region 15` or `salt_pepper 0.5`, anything else as it is."""
    if isinstance(value, dict):
        return " ".join(str(part) for part in value.values())
    return f"{value:g}" if isinstance(value, float) else str(value)


def read_grid(path: str | Path = "tables.yaml") -> dict[str, Any]:
    """Read tables.yaml; raises ParamError in one line where it is not what `list_cells` can use."""
    try:
        with open(path, encoding="utf-8") as file:
            content = yaml.safe_load(file)
    except FileNotFoundError:
        raise ParamError(f"{path}: not found; run from the repository's root") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or set(content) != {"methods", "scales", "tables"}:
        raise ParamError(f"{path}: expected the keys methods, scales and tables")
    for method in content["methods"]:
        if method not in METHODS:
            raise ParamError(f"{path}: methods: found {method!r}, expected one of {', '.join(METHODS)}")
    unknown = set(content["tables"]) - set(TABLES)
    if unknown:
        raise ParamError(f"{path}: tables.{sorted(unknown)[0]}: unknown, expected {', '.join(TABLES)}")
    return content


def list_cells(table: str, method: str, params_content: dict[str, Any], grid: dict[str, Any]) -> list[Cell]:
    """List all cells of ``table`` for ``method`` at the profile of ``params_content`` (params.yaml, parsed).

    `own` holds axes that one method alone has, `only` names the method that a table is about. Raises
    ParamError naming the table and the key that is wrong.
    """
    about = dict(grid["tables"][table])
    task = about.pop("task", "complete")
    if task not in TASKS:
        raise ParamError(f"tables.{table}.task: found {task!r}, expected one of {', '.join(TASKS)}")
    own = about.pop("own", {})
    if about.pop("only", method) != method:
        return []
    axes = {**about, **own.get(method, {})}
    for key in axes:
        if key not in AXES:
            raise ParamError(f"tables.{table}.{key}: unknown axis, expected one of {', '.join(AXES)}")
    choices = [[(key, value) for value in _as_list(values)] for key, values in axes.items()]
    varying = {key for key, values in axes.items() if isinstance(values, list)}
    cells = []
    for chosen in itertools.product(*choices):
        params = _apply(dict(chosen), params_content, grid)
        placed = tuple((key, value) for key, value in chosen if key in varying)
        cells.append(Cell(table, task, method, placed, params))
    return cells


def _as_list(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _apply(chosen: dict[str, Any], content: dict[str, Any], grid: dict[str, Any]) -> Params:
    """The parameters of a cell: params.yaml, the scale of its profile and data set, its axes."""
    changed = {**content, **{key: value for key, value in chosen.items() if key in content}}
    if "held_out" in chosen:
        changed["anomaly"] = {**content["anomaly"], "held_out": chosen["held_out"]}
    if "mask" in chosen:
        changed["mask"] = {**content["mask"], **chosen["mask"]}
    profile = changed["profile"]
    scale = grid["scales"].get(profile, {}).get(changed["dataset"], {})
    changed["profiles"] = {**content["profiles"], profile: _merge(content["profiles"][profile], scale)}
    return parse_params(changed)


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        merged[key] = _merge(base[key], value) if isinstance(value, dict) else value
    return merged


def fingerprint(cell: Cell) -> dict[str, Any]:
    """Everything that decides the cell's numbers, apart from code and data: for a memo's key."""
    return {"task": cell.task, "method": cell.method, "params": dataclasses.asdict(cell.params)}
