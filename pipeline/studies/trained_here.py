"""Which kept cells this machine trained, in this clone: others came with Git, or with a shared folder."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import torch

from pipeline.storage import places
from pipeline.storage.files import project_root
from pipeline.storage.processor import name_processor

MEMO = Path(".dvc/tmp/cells")


def has_trained_here(profile: str, study: str, method: str) -> bool:
    """Whether this machine trained one of a method's cells of a study, as they are in their folder."""
    path = places.find_cells(profile, study, method) / "cells.json"
    try:
        keys = [str(cell["key"]) for cell in json.loads(path.read_text())["cells"]]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return not _read_machines(keys).isdisjoint(_name_machines())


def _read_machines(keys: Iterable[str]) -> set[str]:
    """The machines that trained those of ``keys`` that this clone keeps beside Git."""
    machines: set[str] = set()
    for key in keys:
        try:
            machines.add(json.loads((project_root() / MEMO / f"{key}.json").read_text())["made"]["machine"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # came with Git, or nobody noted how it was made
    return machines


def _name_machines() -> set[str]:
    """What this machine's cells are said to be made by: its processor, or its GPU."""
    gpu = {torch.cuda.get_device_name()} if torch.cuda.is_available() else set()
    return {name_processor(), *gpu}
