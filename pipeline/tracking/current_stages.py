"""Which stages of a DVC experiment belong to its parameters.

An experiment that ran some stages keeps the others' metrics as they were committed: `dvc exp run fid` changes
alpha and leaves metrics/anomaly.json alone. dvc.lock tells the two apart.
"""

from __future__ import annotations

import subprocess
from typing import Any

import yaml

PER_PROFILE = ("profiles", "datasets", "scales")  # sections of the settings with a part for each profile


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
    makers = {out["path"]: name for name, stage in stages.items() for out in stage.get("outs", [])}
    contents = {out["path"]: out.get("md5") for stage in stages.values() for out in stage.get("outs", [])}
    known: dict[str, bool] = {}

    def is_current(name: str) -> bool:
        if name not in known:
            stage = stages[name]
            with_present_settings = all(
                _find(content, key) == value and not _is_of_other_profile(key, params)
                for file, content in settings.items()
                for key, value in stage.get("params", {}).get(file, {}).items()
            )
            known[name] = with_present_settings and all(
                is_present(dep) for dep in stage.get("deps", []) if not dep["path"].endswith(".py")
            )
        return known[name]

    def is_present(dep: dict[str, Any]) -> bool:
        path = dep["path"]
        if path in makers:
            return dep.get("md5") == contents[path] and is_current(makers[path])
        return all(is_current(maker) for out, maker in makers.items() if out.startswith(f"{path}/"))

    return {name for name in stages if is_current(name)}


def _is_of_other_profile(dotted: str, params: dict[str, Any]) -> bool:
    section, *rest = dotted.split(".")
    return section in PER_PROFILE and bool(rest) and rest[0] != params.get("profile")


def _find(content: Any, dotted: str) -> Any:
    for key in dotted.split("."):
        if not isinstance(content, dict) or key not in content:
            return None
        content = content[key]
    return content
