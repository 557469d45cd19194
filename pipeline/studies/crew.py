"""Cells trained by as many one-thread processes as there are cores, the longest first.

Each cell is kept when it is done. A process that dies costs its cell a second try and the others nothing.
The processes are forks of one that has the libraries imported, and take cells over pipes; they share nothing
but the folder of kept cells, whose files are renamed into place.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import torch
from tqdm.contrib.logging import logging_redirect_tqdm

from pipeline.studies.grid import Cell
from pipeline.studies.machine import WORKERS, count_cores, measure_free_memory
from pipeline.studies.progress import Progress
from pipeline.studies.recall import KeyedCell, measure_and_keep
from pipeline.studies.result import CellResult
from pipeline.studies.threads import ONE_THREAD, set_environment
from pipeline.studies.worker import serve
from pipeline.studies.workload import estimate_memory, estimate_seconds

TRIES = 2
MEMORY_SHARE = 0.9  # of what is free when the first cell starts
REDRAW = 1.0  # seconds
PRELOADED = ["torch._dynamo", "pipeline.studies.worker"]  # the former comes with the first optimiser
ROOT = Path(__file__).parents[2]
log = logging.getLogger(__name__)


def train_cells(
    cells: Iterable[KeyedCell], workers: int | None = None
) -> Iterator[tuple[KeyedCell, CellResult]]:
    """Measure and keep cells, each key once; yields results as they come.

    ``workers``: processes; None for as many as there are cores and memory for, 0 for none but this one. A
    cell whose process dies twice is one with an ``error``. An exception that is no cell's failure is raised
    when the cells that run have ended.
    """
    distinct = list({keyed.key: keyed for keyed in cells}.values())
    if workers is None:
        workers = count_workers([keyed.cell for keyed in distinct])
    distinct.sort(key=lambda keyed: estimate_seconds(keyed.cell), reverse=True)
    if workers == 0:
        yield from _train_here(distinct)
    elif distinct:
        with tempfile.TemporaryDirectory() as folder, logging_redirect_tqdm():
            crew = Crew(distinct, workers, MEMORY_SHARE * measure_free_memory(), Path(folder))
            try:
                yield from crew.work_off()
            finally:
                crew.dismiss()


def count_workers(cells: Iterable[Cell]) -> int:
    """As many processes as CELL_WORKERS says, as there are GPUs where cells run on them, or cores."""
    if given := os.environ.get(WORKERS):
        if not given.isdecimal():
            raise ValueError(f"{WORKERS}: found {given!r}, expected a number of processes, 0 for none")
        return int(given)
    wants_gpu = any(cell.params.engine.device != "cpu" for cell in cells)
    return (torch.cuda.device_count() if wants_gpu else 0) or count_cores()


def _train_here(cells: list[KeyedCell]) -> Iterator[tuple[KeyedCell, CellResult]]:
    progress = Progress(keyed.cell for keyed in cells)
    try:
        for keyed in cells:
            started = time.monotonic()
            progress.start(keyed.cell)
            progress.show([(keyed.cell, started)], 1)
            yield keyed, measure_and_keep(keyed)
            progress.end(keyed.cell, time.monotonic() - started)
    finally:
        progress.close()


def choose_next(waiting: Iterable[KeyedCell], running: Iterable[Cell], memory: float) -> KeyedCell | None:
    """The first waiting cell that fits into ``memory`` bytes beside those that run; alone, any fits."""
    taken = sum(estimate_memory(cell) for cell in running)
    fitting = (one for one in waiting if not taken or taken + estimate_memory(one.cell) <= memory)
    return next(fitting, None)


@dataclass
class Worker:
    """A process, what it is at and since when; ``slot`` numbers those that are there at the same time."""

    slot: int
    process: ForkServerProcess
    pipe: Connection
    log: Path
    is_ready: bool = False
    keyed: KeyedCell | None = None
    started: float = field(default_factory=time.monotonic)

    def describe_death(self) -> str:
        """How the process ended, and its last words."""
        self.process.join()
        code = self.process.exitcode or 0
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        words = self.log.read_text(errors="replace").split("\n") if self.log.exists() else []
        said = next((line.strip() for line in reversed(words) if line.strip()), "")
        return f"{how}: {said[:200]}" if said else how


class Crew:
    """Worker processes while they work off cells: which wait, who has which, what died."""

    def __init__(self, cells: list[KeyedCell], size: int, memory: float, folder: Path):
        self.waiting, self.size, self.memory, self.folder = list(cells), size, memory, folder
        self.workers: list[Worker] = []
        self.tries: Counter[str] = Counter()
        self.n_started, self.n_stillborn = 0, 0
        self.error: Exception | None = None
        self.said: set[str] = set()
        self.progress = Progress(keyed.cell for keyed in cells)

    def work_off(self) -> Iterator[tuple[KeyedCell, CellResult]]:
        """Keep the processes at it until no cell waits or runs."""
        while self.waiting or self._list_busy():
            self._hand_out()
            busy = self._list_busy()
            self.progress.show([(keyed.cell, worker.started) for worker, keyed in busy], self.size)
            watched = [end for worker in self.workers for end in (worker.pipe, worker.process.sentinel)]
            connection.wait(watched, timeout=REDRAW)
            for worker in list(self.workers):
                yield from self._listen(worker)
        if self.error is not None:
            raise self.error

    def dismiss(self) -> None:
        """End all processes, whatever they are at."""
        for worker in self.workers:
            worker.pipe.close()  # one that has nothing to do ends with it
            if worker.keyed is not None:
                worker.process.terminate()
        for worker in self.workers:
            worker.process.join()
        self.progress.close()

    def _list_busy(self) -> list[tuple[Worker, KeyedCell]]:
        return [(worker, worker.keyed) for worker in self.workers if worker.keyed is not None]

    def _hand_out(self) -> None:
        """Give each idle process the longest cell that memory is left for; start more where cells wait."""
        for worker in self.workers:
            if worker.is_ready and worker.keyed is None and (keyed := self._choose()) is not None:
                with suppress(OSError):  # it has just died: its end is what is looked at next
                    worker.pipe.send(keyed)
                worker.keyed, worker.started = keyed, time.monotonic()
                self.waiting.remove(keyed)
                self.progress.start(keyed.cell)
        idle = sum(worker.keyed is None for worker in self.workers)
        while len(self.workers) < self.size and idle < len(self.waiting) and self._choose() is not None:
            self._start_worker()
            idle += 1

    def _choose(self) -> KeyedCell | None:
        return choose_next(self.waiting, [keyed.cell for _, keyed in self._list_busy()], self.memory)

    def _start_worker(self) -> None:
        slot = min(set(range(self.size)) - {worker.slot for worker in self.workers})
        ours, theirs = multiprocessing.Pipe()
        path = self.folder / f"{self.n_started}.log"
        self.n_started += 1
        with set_environment({**ONE_THREAD, "PYTHONPATH": _extend_path()}):
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(PRELOADED)
            environment = {**os.environ, **_choose_gpu(slot)}
            process = context.Process(target=serve, args=(theirs, environment, path), daemon=True)
            process.start()
        theirs.close()  # so that the pipe ends with the process
        self.workers.append(Worker(slot, process, ours, path))

    def _listen(self, worker: Worker) -> Iterator[tuple[KeyedCell, CellResult]]:
        """Take what a process has sent; where it has died, see to its cell."""
        has_ended = not worker.process.is_alive()  # before the pipe is read: nothing comes after
        with suppress(EOFError, OSError):
            while worker.pipe.poll():
                message = worker.pipe.recv()
                if isinstance(message, int):
                    worker.is_ready, self.n_stillborn = True, 0
                elif isinstance(message, logging.LogRecord):
                    self._say(message)
                else:
                    yield from self._end_cell(worker, message)
        if has_ended:
            self.workers.remove(worker)
            worker.pipe.close()
            yield from self._see_to_death(worker)

    def _end_cell(
        self, worker: Worker, message: CellResult | Exception
    ) -> Iterator[tuple[KeyedCell, CellResult]]:
        keyed, worker.keyed = worker.keyed, None
        assert keyed is not None  # a process sends one answer to a cell
        self.progress.end(keyed.cell, time.monotonic() - worker.started)
        if isinstance(message, CellResult):
            yield keyed, message
        else:
            self.error = self.error or message
            self.waiting.clear()

    def _see_to_death(self, worker: Worker) -> Iterator[tuple[KeyedCell, CellResult]]:
        how, keyed = worker.describe_death(), worker.keyed
        if keyed is None:
            if not worker.is_ready:
                self.n_stillborn += 1
                if self.n_stillborn > TRIES and not any(other.is_ready for other in self.workers):
                    raise RuntimeError(f"no worker process starts, the last {how}")
            return
        self.tries[keyed.key] += 1
        if self.error is not None:
            return
        if self.tries[keyed.key] < TRIES:
            log.warning("%s: its process was lost (%s); the cell is tried once more", keyed, how)
            self.waiting.append(keyed)  # last, when fewer run beside it
            self.progress.put_back(keyed.cell)
        else:
            log.warning("%s: its process was lost again (%s); the cell has failed", keyed, how)
            self.progress.end(keyed.cell, time.monotonic() - worker.started)
            yield keyed, CellResult(error=f"its process was lost {TRIES} times ({how})")

    def _say(self, record: logging.LogRecord) -> None:
        """Show what a process logged, the same words once."""
        logger = logging.getLogger(record.name)
        if record.getMessage() not in self.said and logger.isEnabledFor(record.levelno):
            self.said.add(record.getMessage())
            logger.handle(record)


def _extend_path() -> str:
    """The search path with this project on it: the process that is forked is given no other way to it."""
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))


def _choose_gpu(slot: int) -> dict[str, str]:
    """The variable that gives a process one of the GPUs that this one sees."""
    if not torch.cuda.is_available():
        return {}
    seen = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(torch.cuda.device_count())))
    names = seen.split(",")
    return {"CUDA_VISIBLE_DEVICES": names[slot % len(names)]}
