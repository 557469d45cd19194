"""Which stages of a DVC experiment belong to its parameters.

An experiment that ran some stages keeps the others' metrics as they were committed: ``dvc exp run fid``
changes alpha and leaves metrics/anomaly.json alone. dvc.lock tells the two apart.
"""

from __future__ import annotations

import subprocess
from typing import Any, NamedTuple

import yaml

PER_PROFILE = ("profiles", "datasets", "scales")  # sections of the settings with a part for each profile


class Out(NamedTuple):
    """An output that dvc.lock records: the stage that made it, and its digest."""

    maker: str
    md5: str | None


def read_revision(revision: str, path: str) -> dict[str, Any]:
    """Read a YAML file as it was at a git revision; raises ValueError where there is none."""
    shown = subprocess.run(["git", "show", f"{revision}:{path}"], capture_output=True, text=True)
    if shown.returncode:
        raise ValueError(f"{path} at {revision}: {shown.stderr.strip()}")
    return yaml.safe_load(shown.stdout)


def find_current_stages(
    lock: dict[str, Any], params: dict[str, Any], grid: dict[str, Any] | None = None
) -> set[str]:
    """Name the stages of ``lock`` (dvc.lock) that ran with ``params`` (params.yaml) on present inputs.

    A stage is current if its recorded parameters are those of ``params``, and of ``grid`` (tables.yaml) if
    that is given, none of another profile among them, and each input that another stage makes has the content
    which that stage recorded, and that stage is current too. An input that is a folder holds what its makers
    left in it.
    """
    stages = lock["stages"]
    settings = {"params.yaml": params} | ({} if grid is None else {"tables.yaml": grid})
    outs = {
        out["path"]: Out(name, out.get("md5"))
        for name, stage in stages.items()
        for out in stage.get("outs", [])
    }
    current = {
        name for name, stage in stages.items() if _has_settings(stage, settings, params.get("profile"))
    }
    # Each pass drops the stages that stand on a dropped one, so there are at most as many as the DAG is deep.
    while stale := {name for name in current if not _has_inputs(stages[name], outs, current)}:
        current -= stale
    return current


def _has_settings(stage: dict[str, Any], settings: dict[str, dict[str, Any]], profile: str | None) -> bool:
    """Whether all that the stage recorded of its settings is in them still, and of this profile."""
    return all(
        _look_up(values, key) == recorded and not _is_of_other_profile(key, profile)
        for file, values in settings.items()
        for key, recorded in stage.get("params", {}).get(file, {}).items()
    )


def _has_inputs(stage: dict[str, Any], outs: dict[str, Out], current: set[str]) -> bool:
    """Whether every input that a stage made is as its maker left it, and its maker among ``current``."""
    for dep in stage.get("deps", []):
        path = dep["path"]
        if path.endswith(".py"):
            continue
        if path in outs:
            if dep.get("md5") != outs[path].md5 or outs[path].maker not in current:
                return False
        elif any(out.maker not in current for inside, out in outs.items() if inside.startswith(f"{path}/")):
            return False
    return True


def _is_of_other_profile(dotted: str, profile: str | None) -> bool:
    section, *rest = dotted.split(".")
    return section in PER_PROFILE and bool(rest) and rest[0] != profile


def _look_up(values: Any, dotted: str) -> Any:
    for key in dotted.split("."):
        if not isinstance(values, dict) or key not in values:
            return None
        values = values[key]
    return values
