"""Which stages are running, as small files: what a killed stage cannot say itself is read from them.

A stage leaves a marker while it runs. A marker whose process is gone is all that a kill leaves behind.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from pipeline.storage.files import project_root, write_text

FOLDER = Path(".dvc/tmp/running")


@dataclass(frozen=True)
class Marker:
    """A stage of an experiment, and the process that runs it."""

    experiment: str
    stage: str
    host: str
    pid: int
    started: float  # when the process began, in seconds since 1970: numbers of processes are used again

    def is_dead(self) -> bool:
        """Whether the process is gone; those of other machines are taken to be alive."""
        if self.host != socket.gethostname():
            return False
        try:
            process = psutil.Process(self.pid)
            is_gone = process.status() == psutil.STATUS_ZOMBIE
            return is_gone or abs(process.create_time() - self.started) > 1
        except psutil.NoSuchProcess:
            return True


@contextmanager
def mark_running(experiment: str, stage: str) -> Iterator[None]:
    """Leave a marker for as long as the block runs."""
    pid = os.getpid()
    marker = Marker(experiment, stage, socket.gethostname(), pid, psutil.Process(pid).create_time())
    path = project_root() / FOLDER / f"{stage}-{pid}.json"
    write_text(path, json.dumps(asdict(marker)))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def take_dead_markers() -> list[Marker]:
    """Remove the markers of processes that are gone, and return them."""
    dead = _find_dead()
    for path in dead:
        path.unlink(missing_ok=True)
    return list(dead.values())


def is_one_dead() -> bool:
    """Whether a stage was killed of which nobody has told MLflow yet."""
    return bool(_find_dead())


def _find_dead() -> dict[Path, Marker]:
    markers = {}
    for path in sorted((project_root() / FOLDER).glob("*.json")):
        try:
            marker = Marker(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):  # it ended meanwhile
            continue
        if marker.is_dead():
            markers[path] = marker
    return markers
