"""The process that has torch and MLflow imported and forks the stages of one ``dvc`` (warm_stages.py)."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from typing import Any

from pipeline.warm_stages import PATIENCE, find_folder, is_alive

OWN = ("models", "pipeline", "reports", "stages")
LOOK_EVERY = 1.0  # seconds between two looks whether dvc is still there


class Server:
    """Imports packages and forks stages in turn, until its owner has ended."""

    def __init__(self, listener: socket.socket, owner: str, packages: Sequence[str]):
        self.listener, self.owner = listener, owner
        self.packages = list(packages)
        self.stages: dict[int, tuple[int, socket.socket]] = {}  # by descriptor of the process: number, client

    def serve(self) -> dict[str, Any] | None:
        """Serve; returns a request in the fork that is to run it, and None at the end."""
        while is_alive(self.owner):
            clients = {client.fileno(): process for process, (_, client) in self.stages.items()}
            wait = 0.0 if self.packages else LOOK_EVERY
            heard = [self.listener.fileno(), *self.stages, *clients]
            ready, _, _ = select.select(heard, [], [], wait)
            for one in ready:
                if one == self.listener.fileno():
                    request = self.accept()
                    if request is not None:
                        return request
                elif one in self.stages:
                    self.report(one)
                elif clients[one] in self.stages:  # a client says nothing more: it was killed
                    self.kill(clients[one])
            if not ready and self.packages:
                import_package(self.packages.pop(0))
                if not self.packages and os.fork() == 0:
                    return {}  # it prepares the store
        for process in list(self.stages):
            self.kill(process)
        return None

    def accept(self) -> dict[str, Any] | None:
        """Fork for a client; returns its request in the fork alone."""
        client, _ = self.listener.accept()
        client.settimeout(PATIENCE)
        try:
            client.sendall(b".")
            _, descriptors, _, _ = socket.recv_fds(client, 1, 3)
            with client.makefile() as lines:
                request: dict[str, Any] = json.loads(lines.readline())
        except (OSError, ValueError):
            client.close()
            return None
        gc.freeze()  # else a fork's end looks through all that was imported, for four seconds
        child = os.fork()
        if child == 0:
            client.close()
            for _, other in self.stages.values():
                other.close()
            return request | {"descriptors": descriptors}
        for descriptor in descriptors:
            os.close(descriptor)
        with contextlib.suppress(OSError):
            client.sendall(f"{child}\n".encode())
        self.stages[os.pidfd_open(child)] = child, client
        return None

    def report(self, process: int) -> None:
        """Tell a client how its stage ended."""
        child, client = self.stages.pop(process)
        os.close(process)
        _, status = os.waitpid(child, 0)
        with contextlib.suppress(OSError), client:
            client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())

    def kill(self, process: int) -> None:
        """End a stage whose client has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.stages[process][0], signal.SIGKILL)
        self.report(process)


def import_package(name: str) -> None:
    """Import a package that stages will want; what cannot be imported is theirs to say."""
    if name.startswith("mlflow"):
        importlib.import_module("pipeline.tracking.store").quieten_mlflow()
    with contextlib.suppress(Exception):
        importlib.import_module(name)


def run(request: dict[str, Any]) -> None:
    """Be the process that ``python -m`` was in the client: its terminal, folder, environment, arguments."""
    for number, descriptor in enumerate(request["descriptors"]):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.path[0] = request["folder"]
    sys.argv = [request["module"], *request["arguments"]]
    for name in list(sys.modules):
        if name.partition(".")[0] in OWN:
            del sys.modules[name]
    importlib.invalidate_caches()
    status = 0
    try:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if status and not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
    # As multiprocessing ends its forks: taking apart what was imported would be a second of work, and triton
    # would print pages about what it finds still there.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def prepare_store() -> None:
    """Create MLflow's database in the project, which takes six seconds, where there will be one."""
    if not os.environ.get("MLFLOW_TRACKING_URI") and not (find_folder().parents[2] / "mlflow.db").exists():
        store = importlib.import_module("pipeline.tracking.store")
        store.find_or_create_experiment(store.open_client())


def main() -> None:
    """Serve the stages of the ``dvc`` named on the command line, on a socket that is open already."""
    descriptor, owner, *packages = sys.argv[1:]
    with socket.socket(fileno=int(descriptor)) as listener:
        request = Server(listener, owner, packages).serve()
    if request is None:
        (find_folder() / f"{owner}.sock").unlink(missing_ok=True)
    elif request:
        run(request)
    else:
        prepare_store()


if __name__ == "__main__":
    main()
