"""Runs stages one after the other, each in a fork that has the packages imported already.

A program for ``revision_runs``, which starts it in a checkout: it imports nothing of the project itself, so
that each fork has the checkout's own modules. Arguments: the packages. A line of JSON in, such as
["train", "complete"]; the stage's exit status out. What a stage prints goes to stage.log.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import sys
import traceback
from contextlib import suppress
from pathlib import Path

LOG = Path("stage.log")


def serve() -> None:
    """Run the stages that come in until there are no more."""
    sys.path[0] = os.getcwd()  # as ``python -m`` has it; this program's own folder is not the checkout's
    for package in sys.argv[1:]:
        with suppress(ImportError):
            importlib.import_module(package)
    for line in sys.stdin:
        module, *arguments = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(run_module(f"stages.{module}", arguments))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def run_module(name: str, arguments: list[str]) -> int:
    """Run a module as ``python -m`` does, with its output in LOG; returns the exit status."""
    log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdin = open(os.devnull)
    sys.argv = [name, *arguments]
    try:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
        code: object = 0
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return int(code or 0)


if __name__ == "__main__":
    serve()
