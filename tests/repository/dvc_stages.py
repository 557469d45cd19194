"""The stages of dvc.yaml and beyond/dvc.yaml as tests read them."""

from __future__ import annotations

from pathlib import Path

import yaml

from pipeline.studies.grid import read_grid

ROOT = Path(__file__).parents[2]
OUTPUTS = ("outs", "metrics", "plots")
FILES = ("dvc.yaml", "beyond/dvc.yaml")
SETTINGS = ("params.yaml", "tables.yaml")
STAGES = {
    f"{file}:{name}": stage
    for file in FILES
    for name, stage in yaml.safe_load((ROOT / file).read_text())["stages"].items()
}


def list_commands(stage: str) -> list[str]:
    """What DVC gives to a shell, in its order."""
    commands = STAGES[stage]["cmd"]
    return commands if isinstance(commands, list) else [commands]


def name_module(stage: str) -> str:
    """The module of stages/ that a stage calls."""
    return list_commands(stage)[-1].split(" ")[2].removeprefix("stages.")


def list_outputs(stage: str) -> list[str]:
    """A stage's outputs of all kinds, as they are written in dvc.yaml."""
    return [path for kind in OUTPUTS for entry in STAGES[stage].get(kind, []) for path in entry]


def list_choices(stage: str, axis: str) -> list[str]:
    """The values of a stage's matrix, from tables.yaml where they are a line-up's."""
    choices = STAGES[stage]["matrix"][axis]
    if isinstance(choices, str):
        section, name = choices.removeprefix("${").removesuffix("}").split(".")
        return read_grid(ROOT / "tables.yaml")[section][name]
    return choices


def list_studies_of(stage: str) -> set[str]:
    """The studies that a stage trains."""
    study = list_commands(stage)[-1].split(" ")[3]
    return set(list_choices(stage, "study") if study == "${item.study}" else [study])


def is_recorded(stage: str) -> bool:
    """Whether a stage runs at the profile `recorded` whatever params.yaml says."""
    recorded = stage.startswith("beyond/dvc.yaml:recorded_")
    assert list_commands(stage)[-1].endswith(" --profile recorded") == recorded
    assert ("${profile}" in yaml.safe_dump(STAGES[stage])) <= (not recorded)
    return recorded


def fill(key: str, stage: str, profile: str) -> list[str]:
    """A templated key of a stage with the profile and each value of its matrix put in."""
    keys = [key.replace("${profile}", profile)]
    for axis in STAGES[stage].get("matrix", {}):
        place = f"${{item.{axis}}}"
        if place in key:
            keys = [one.replace(place, choice) for one in keys for choice in list_choices(stage, axis)]
    return keys


def list_param_keys(stage: str) -> list[str]:
    """The keys that a stage names of params.yaml, and the files that it names whole."""
    entries = STAGES[stage].get("params", [])
    return [key for entry in entries for key in ([entry] if isinstance(entry, str) else entry)]


def name_in_file(addressing: str) -> str:
    """`train@complete` as the key of STAGES that it comes from."""
    file, _, name = addressing.rpartition(":")
    return f"{file or 'dvc.yaml'}:{name.partition('@')[0]}"
