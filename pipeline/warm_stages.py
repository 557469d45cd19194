"""The stages of one ``dvc repro`` or ``exp run`` as forks of a process with torch and MLflow imported.

A stage of the smallest profile works for two seconds and imports for ten. So the first stage, ``validate``,
starts that process (``start``; it is stage_forks.py), which imports on a core that DVC leaves idle.
``python -m stages.train`` then finds its socket (``hand_over``, before anything is imported), gives it its
arguments, environment and terminal, and waits for the fork's status. Signals go on to the fork, and a stage
that is killed takes its fork along. Modules of this project are imported in the fork: a stage runs the code
that DVC has just compared.

It ends with the ``dvc`` that it belongs to. Without it, or where it cannot be reached, stages import by
themselves. The socket lies in a folder that its owner alone may enter, for whoever connects runs code.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(".dvc/tmp/warm")
# In the order in which stages need them. torch._dynamo: the first step of an Adam imports it.
PACKAGES = (
    *("numpy", "yaml", "matplotlib.figure", "matplotlib.backends.backend_agg", "torch", "torch._dynamo"),
    *("pandas", "mlflow.store.tracking.sqlalchemy_store", "mlflow.pyfunc", "mlflow.pytorch"),
    "sklearn.metrics",
)
NOT_SERVED = ("stages.validate", "stages.cells")  # cells start processes of their own, by the hour
SHELLS = ("sh", "bash", "dash", "zsh", "fish", "ksh")
PATIENCE = 60.0  # seconds for the process to answer: the longest import takes ten on a busy machine


def start(packages: Sequence[str] = PACKAGES) -> None:
    """Start the process for the ``dvc`` that runs this stage; nothing where there is none or it cannot help.

    ``packages``: what it imports.
    """
    owner = find_owner()
    if owner is None or not is_possible():
        return
    folder = find_folder()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for left in folder.glob("*.sock"):  # of processes that were killed
        if not is_alive(left.stem):
            left.unlink(missing_ok=True)
    if (folder / f"{owner}.sock").exists():
        return
    with socket.socket(socket.AF_UNIX) as listener:
        with name_socket(folder, owner) as address:
            listener.bind(address)
        listener.listen()  # from here on stages wait until the first imports are done
        descriptor = listener.fileno()
        subprocess.Popen(
            [sys.executable, "-m", "pipeline.stage_forks", str(descriptor), owner, *packages],
            pass_fds=[descriptor],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def is_possible(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether stages can be forked here: on Linux, without a GPU, whose driver does not survive a fork."""
    has_gpu = any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/kfd").exists()
    return hasattr(os, "pidfd_open") and not has_gpu and not environment.get("DEBUG")


def is_served(module: str) -> bool:
    """Whether a fork may do what ``python -m`` was asked for; in the fork itself that is this module."""
    return module.startswith("stages.") and module not in NOT_SERVED


def hand_over() -> None:
    """Let the fork do what this process was started for, and end as it ends; return where nobody answers."""
    module = sys.orig_argv[2]
    owner = find_owner()
    if owner is None or not is_served(module) or not is_possible():
        return
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            with name_socket(find_folder(), owner) as address:
                connection.connect(address)
            connection.settimeout(PATIENCE)
            if not connection.recv(1):
                return
            connection.settimeout(None)
            request = {
                "module": module,
                "arguments": sys.orig_argv[3:],
                "folder": os.getcwd(),
                "environment": dict(os.environ),
            }
            socket.send_fds(connection, [b"."], [0, 1, 2])
            connection.sendall(json.dumps(request).encode() + b"\n")
            answers = connection.makefile()
            child = int(answers.readline())
        except (OSError, ValueError):  # also a timeout: what was not asked for is not run
            return
        with pass_signals_on(child):
            end_as(child, answers.readline())


@contextlib.contextmanager
def pass_signals_on(child: int) -> Iterator[None]:
    """Send on to ``child`` what a terminal or ``kill`` sends to this process."""

    def pass_on(number: int, frame: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    def stop(number: int, frame: object) -> None:
        pass_on(signal.SIGSTOP, None)
        os.kill(os.getpid(), signal.SIGSTOP)
        pass_on(signal.SIGCONT, None)

    handlers: dict[int, Any] = {signal.SIGINT: pass_on, signal.SIGTERM: pass_on, signal.SIGTSTP: stop}
    heard = [number for number in handlers if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, handlers[number]) for number in heard}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def end_as(child: int, answer: str) -> None:
    """End this process as ``child`` ended: with its status, or by the signal that ended it."""
    if not answer.strip():
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        sys.exit("the process that stages are forked from was ended; the same command starts again")
    status = int(answer)
    if status < 0:
        signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
        os.kill(os.getpid(), -status)
    sys.exit(status)


def find_folder() -> Path:
    """Where sockets lie: in the main repository, as all that is DVC's own."""
    return Path(os.environ.get("DVC_ROOT") or ".").resolve() / FOLDER


@contextlib.contextmanager
def name_socket(folder: Path, owner: str) -> Iterator[str]:
    """A socket's address; by its folder's descriptor, for an address has at most 107 characters."""
    descriptor = os.open(folder, os.O_PATH)
    try:
        yield f"/proc/self/fd/{descriptor}/{owner}.sock"
    finally:
        os.close(descriptor)


def find_owner() -> str | None:
    """The ``dvc`` that runs this stage, as its process and when that began; None where DVC runs none."""
    if "DVC_STAGE" not in os.environ or not Path("/proc/self/stat").exists():
        return None
    number = os.getppid()
    while (process := read_process(number)) is not None and process["name"] in SHELLS:
        number = process["parent"]
    return None if process is None else f"{number}-{process['began']}"


def read_process(number: int) -> dict[str, Any] | None:
    """What Linux says of a process: name, parent, when it began; None for one that has ended."""
    try:
        text = Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return None
    start, end = text.index("("), text.rindex(")")  # a name may hold brackets and blanks
    fields = text[end + 2 :].split()
    if fields[0] in "ZX":
        return None
    return {"name": text[start + 1 : end], "parent": int(fields[1]), "began": fields[19]}


def is_alive(owner: str) -> bool:
    """Whether the process that ``find_owner`` named is there still."""
    number, _, began = owner.partition("-")
    process = read_process(int(number))
    return process is not None and process["began"] == began
