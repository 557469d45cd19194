"""The folders of a study's cells: one process at a time changes them, and a kill leaves none of them away."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from filelock import BaseFileLock, FileLock

from pipeline.storage import places

LOCKS = Path(".dvc/tmp/studies")
REPLACED = ".replaced"  # what write_folder calls the older folder while the newer one takes its place


def hold_study(profile: str, study: str) -> BaseFileLock:
    """A lock of a study's kept cells and of how they were made, for a with statement.

    A block that holds it may hold it once more. The system releases what a killed process held.
    """
    folder = LOCKS.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{profile}-{study}.lock", is_singleton=True)


def recover_folder(folder: Path) -> None:
    """Bring a folder back that a process was killed at replacing, and remove what it would have replaced.

    The caller holds the folder's lock: another process may be just at it.
    """
    replaced = folder.with_name(f".{folder.name}{REPLACED}")
    if not replaced.exists():
        return
    if folder.exists():
        shutil.rmtree(replaced)
    else:
        os.replace(replaced, folder)


def recover_cells(profile: str) -> None:
    """Bring back all folders of cells that a process was killed at replacing."""
    for replaced in sorted(Path().glob(str(places.find_cells(profile, "*", f".*{REPLACED}")))):
        with hold_study(profile, replaced.parent.name):
            recover_folder(replaced.with_name(replaced.name[1 : -len(REPLACED)]))
