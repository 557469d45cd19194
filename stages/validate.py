"""Stage validate: read all settings, and refuse a wrong one before any output is touched."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import re
import sys

from models.catalogue import METHODS
from pipeline.settings.params import load_params
from pipeline.settings.yaml_files import ParamError, read_yaml
from pipeline.storage import places
from pipeline.storage.files import project_root, write_text
from pipeline.studies.grid import AXES, Grid, check_grid, list_methods, read_grid
from pipeline.warm_stages import start

UNDO = "params.yaml holds it now: give the right value by -S, or `git checkout HEAD -- params.yaml`"


def validate() -> None:
    """Check params.yaml and tables.yaml, every key; raises ParamError, whose line names the key.

    It imports neither torch nor MLflow, for it runs before everything else.
    """
    check_inception(load_params().fid.inception_file)
    grid = read_grid()
    check_own_axes(grid)
    check_grid(grid, METHODS, read_yaml("params.yaml"))
    # Always the same content, so that nothing runs again because the settings were looked at.
    write_text(places.VALID, "params.yaml and tables.yaml are valid\n")


def check_own_axes(grid: Grid) -> None:
    """Refuse an axis of one method of a study that no cell can be placed by, or of a method it has not.

    ``check_axes`` does so for the axes of all methods; its module decides every cell's key.
    """
    for study, entry in grid["studies"].items():
        for method, axes in entry.get("own", {}).items():
            place, known = f"tables.yaml: studies.{study}.own", list_methods(study, grid)
            if method not in known:
                raise ParamError(f"{place}: found {method!r}, expected one of {', '.join(known)}")
            for axis in axes:
                if axis not in AXES:
                    raise ParamError(
                        f"{place}.{method}: found {axis!r}, expected one of {', '.join(sorted(AXES))}"
                    )


def check_inception(file: str | None) -> None:
    """Refuse Inception's weights that are absent, or not those that their name says, before anything trains.

    The published file carries the start of its SHA-256 in its name; the stage ``fid`` knows which it is.
    """
    if file is None:
        return
    path = project_root() / file
    if not path.is_file():
        raise ParamError(
            f"fid.inception_file: found {file!r}, and no such file in {project_root()}; expected "
            "torch-fidelity's weights-inception-2015-12-05-6726825d.pth, or null"
        )
    named = re.search(r"-([0-9a-f]{8,})\.pth$", path.name)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if named and not digest.startswith(named[1]):
        raise ParamError(
            f"fid.inception_file: {file!r} has SHA-256 {digest[:8]}..., expected {named[1]}..., as its name "
            "says: it is not whole, or another file"
        )


def main() -> None:
    """Run the stage."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    try:
        validate()
    except ParamError as error:
        # `-S alpha=-1` keeps the file's size, and DVC has just noted its time in Git's index: without a later
        # time Git takes the file for unchanged, and a checkout of it would leave the wrong value.
        with contextlib.suppress(OSError):
            os.utime("params.yaml")
        sys.exit(f"{error}\n({UNDO})" if "tables.yaml" not in str(error) else str(error))
    with contextlib.suppress(OSError):  # without it all stages run, and import by themselves
        start()


if __name__ == "__main__":
    main()
