"""A process that measures one cell after the other by one thread, and says what came out."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from logging.handlers import QueueHandler
from multiprocessing import connection, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue

from tqdm import tqdm

from pipeline.studies.recall import KeyedCell, measure_and_keep


class Forwarder(QueueHandler):
    """Sends what is logged in this process to the one that shows it."""

    def __init__(self, pipe: Connection):
        super().__init__(SimpleQueue())  # the pipe stands in its place
        self.pipe = pipe

    def enqueue(self, record: logging.LogRecord) -> None:
        """Send a record, of which ``prepare`` has left the text alone."""
        self.pipe.send(record)


def serve(pipe: Connection, environment: Mapping[str, str], log: Path) -> None:
    """Measure the cells that come in, and send each one's result, or the exception that ended it.

    What this process writes to stderr, its last words if it dies, goes to ``log``.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: its leader decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.update(environment)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 2)
    sys.stderr = os.fdopen(descriptor, "w", buffering=1)  # no terminal, so that no bar is drawn
    logging.captureWarnings(True)
    logging.getLogger().handlers = [Forwarder(pipe)]
    tqdm.set_lock(threading.RLock())  # its own is a semaphore that outlives a process that is killed
    pipe.send(os.getpid())
    while True:
        try:
            keyed: KeyedCell = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(measure_and_keep(keyed))
        except Exception as error:
            pipe.send(_describe(error))


def _describe(error: Exception) -> Exception:
    """An exception that another process can read, with its traceback where it is no user's mistake."""
    if not isinstance(error, (ValueError, OSError)):
        error.add_note(traceback.format_exc())
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # one that takes other arguments than those it keeps
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _end_with_parent() -> None:
    """End when the process that hands out cells ends, in whatever way."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
