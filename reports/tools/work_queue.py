"""DVC's experiment queue worked off to its end: ``python -m reports.tools.work_queue --jobs 2``.

``dvc queue start -j 2`` starts its workers at once and leaves them alone. Here the second starts when the
first is ready, one that gives up is started again, and an experiment whose worker was killed ends as failed.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tqdm import tqdm

from pipeline.studies.machine import WORKERS, count_cores
from reports.tools.queue_workers import (
    drop_broken_bindings,
    find_last_line,
    find_process,
    get_log,
    list_workers,
    mark_lost,
    name_node,
    read_end,
    run_quietly,
    start_worker,
)

if TYPE_CHECKING:
    from dvc.repo.experiments.queue.base import QueueEntry
    from dvc.repo.experiments.queue.celery import LocalCeleryQueue

SOURCES = ("models", "pipeline", "stages", "reports", ":(glob)*.yaml")
POLL = 1.0  # seconds between two looks at the queue, which read its files and ask no worker
GRACE = 3.0  # seconds for which an experiment has no worker before it is taken for lost
READY = 60.0  # seconds that the next worker waits for one that is neither ready nor dead
CLEAN = 300.0  # seconds after which messages are removed that workers leave, some 100 a minute, all read here
GIVE_UPS = 6  # workers that may give up between two experiments that end
GOES_ON = "workers go on in the background; stop them: dvc queue stop --kill; come back: make queue"


@dataclass(frozen=True)
class Ended:
    """An experiment that ended, and how."""

    name: str
    status: str  # as in ``dvc queue status``; Removed where somebody took it out of the queue
    seconds: float
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.status} {self.seconds:.0f} s" + (f": {self.reason}" if self.reason else "")


def main(arguments: list[str] | None = None) -> int:
    """Work off the queue and compare what came out; 1 where an experiment failed, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m reports.tools.work_queue", description=__doc__)
    parser.add_argument("--jobs", type=int, choices=range(1, 257), default=1, metavar="N", help="workers")
    parser.add_argument("--no-compare", action="store_true", help="no comparison at the end")
    options = parser.parse_args(arguments)
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    os.environ.setdefault(WORKERS, str(max(1, count_cores() // options.jobs)))  # of each experiment's tables
    try:
        with Repo() as repo:
            warn_of_untracked(repo.root_dir)
            run = QueueRun(repo.experiments.celery_queue, options.jobs)
            ended = run.work_off()
    except KeyboardInterrupt:
        print(f"\n{GOES_ON}", file=sys.stderr)
        return 130
    except (DvcException, OSError, RuntimeError, subprocess.SubprocessError, ValueError) as error:
        hint = "; a message of the queue is broken: dvc exp clean" if isinstance(error, ValueError) else ""
        print(f"work_queue: {' '.join(str(error).split())}{hint}", file=sys.stderr)
        return 1
    if not ended:
        print("nothing is queued; queue some: dvc exp run --queue -S alpha=0,0.5 report")
        return 0
    print(describe_outcome(ended, run.restarts), flush=True)
    if not options.no_compare:
        with suppress(KeyboardInterrupt):
            compare()
    print("the numbers: dvc exp show --only-changed, or make ui")
    return int(any(experiment.status == "Failed" for experiment in ended))


def warn_of_untracked(root: str, shown: int = 5) -> None:
    """Name the files that queued runs need but do not see, since git neither tracks nor ignores them."""
    command = ["git", "-C", root, "ls-files", "-z", "--others", "--exclude-standard", "--", *SOURCES]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if files := sorted(filter(None, output.split("\0"))):
        names = ", ".join(files[:shown]) + (", ..." if len(files) > shown else "")
        them, noun = ("it", "file") if len(files) == 1 else ("them", "files")
        unseen = f"queued experiments do not see {len(files)} untracked {noun}: {names}"
        print(f"{unseen}; git add {them} first, and queue again what was queued before", file=sys.stderr)


def describe_outcome(ended: list[Ended], restarts: int) -> str:
    """What became of all experiments, in one line."""
    counts = Counter(experiment.status for experiment in ended)
    said = f"{len(ended)} experiment{'s' * (len(ended) > 1)}: "
    said += ", ".join(f"{count} {status}" for status, count in sorted(counts.items(), reverse=True))
    if failed := sorted(experiment.name for experiment in ended if experiment.status == "Failed"):
        said += f" ({', '.join(failed)})"
    if restarts:
        said += f"; a worker was started again {'once' if restarts == 1 else f'{restarts} times'}"
    return said


def compare() -> None:
    """Print the comparison of all finished experiments, or the last line of why there is none."""
    result = run_quietly("reports.tools.compare")
    said = find_last_line(result.stdout + result.stderr) or "it said nothing"
    print(f"no comparison: {said}" if result.returncode else result.stdout.rstrip())


class QueueRun:
    """The queue while it is worked off: who runs what, since when, and what has ended."""

    def __init__(self, queue: LocalCeleryQueue, jobs: int):
        self.queue, self.jobs = queue, jobs
        self.known: dict[str, QueueEntry] = {}  # by its revision, as all below
        self.began: dict[str, float] = {}
        self.owners: dict[str, int] = {}
        self.alone: dict[str, float] = {}  # running without a worker, since when
        self.lost: set[str] = set()
        self.ended: dict[str, Ended] = {}
        self.started: dict[int, tuple[subprocess.Popen[bytes], int, float]] = {}  # process, log's size, when
        self.restarts, self.give_ups, self.cleaned = 0, 0, time.monotonic()

    def work_off(self) -> list[Ended]:
        """Keep workers at it until nothing waits or runs; returns what has ended."""
        with tqdm(unit="experiment", disable=not sys.stderr.isatty(), dynamic_ncols=True) as bar:
            while True:
                looked = time.monotonic()
                waiting = {entry.stash_rev: entry for entry in self.queue.iter_queued()}
                running = {entry.stash_rev: entry for entry in self.queue.iter_active()}  # last: none missed
                pause = max(POLL, 10 * (time.monotonic() - looked))
                self.known |= waiting | running
                for rev in [rev for rev in self.known if rev not in waiting | running | self.ended]:
                    self.report(rev, bar)
                failed = sum(experiment.status == "Failed" for experiment in self.ended.values())
                bar.total, bar.n = len(self.known), len(self.ended)
                bar.set_postfix_str(f"{bar.n - failed} finished, {failed} failed, {len(running)} running")
                if not waiting and not running:
                    return list(self.ended.values())
                workers = list_workers(self.queue)
                self.attend(running, workers)
                self.keep_workers(len(waiting.keys() - running.keys()), len(running), workers)
                if looked - self.cleaned > CLEAN:
                    run_quietly("dvc", "exp", "clean")
                    self.cleaned = looked
                time.sleep(pause)

    def report(self, rev: str, bar: tqdm) -> None:
        """Print how an experiment ended; on a terminal, where the bar counts, only if it failed."""
        status, reason = read_end(self.queue, self.known[rev], rev in self.lost)
        seconds = max(0.0, time.time() - self.began.get(rev, time.time()))
        self.ended[rev] = ended = Ended(self.known[rev].name or rev[:7], status, seconds, reason)
        self.give_ups = 0
        if status == "Failed" or bar.disable:
            bar.write(str(ended))
            sys.stdout.flush()

    def attend(self, running: dict[str, QueueEntry], workers: dict[str, int]) -> None:
        """Learn which worker runs what, and mark the experiments that have lost theirs."""
        now, alive = time.time(), set(workers.values())
        for rev in running:
            process = find_process(self.queue, rev)
            self.began[rev] = process.create_time() if process else self.began.get(rev, now)
            if process:
                self.owners[rev] = process.ppid()
        taken = {self.owners[rev] for rev in running if rev in self.owners}
        for rev in running:
            # Not seen with a worker yet: one that has no other experiment may be setting it up.
            if self.owners[rev] in alive if rev in self.owners else alive - taken:
                self.alone.pop(rev, None)
            elif now - self.alone.setdefault(rev, now) > GRACE:
                self.lost.add(rev)
                mark_lost(self.queue, rev)
                del self.alone[rev]  # it is tried again where DVC refused

    def keep_workers(self, waiting: int, running: int, workers: dict[str, int]) -> None:
        """Start one more worker if experiments wait for it and the last one started is ready."""
        for number, (process, _, _) in list(self.started.items()):
            if process.poll() is not None:
                del self.started[number]
                if waiting:  # with nothing to do it was right to end
                    self.restarts, self.give_ups = self.restarts + 1, self.give_ups + 1
                    drop_broken_bindings(self.queue)
                    self.cleaned = -CLEAN  # at once
        if len(workers) >= self.jobs or waiting <= max(0, len(workers) - running):
            return
        if self.give_ups >= GIVE_UPS and workers:
            return  # fewer than asked for, but they go on
        if self.give_ups >= GIVE_UPS:
            said = find_last_line(get_log(self.queue, 1).read_text(errors="replace"))
            raise RuntimeError(f"no queue worker stays alive, the last said: {said}")
        if not any(self.is_starting(number) for number in self.started):
            free = (n for n in itertools.count(1) if name_node(self.queue, n) not in workers)
            number = next(n for n in free if n not in self.started)
            log = get_log(self.queue, number)
            size = log.stat().st_size if log.exists() else 0
            self.started[number] = (start_worker(self.queue, number), size, time.monotonic())

    def is_starting(self, number: int) -> bool:
        """Whether a worker has not said yet that it is ready."""
        _, size, when = self.started[number]
        said = get_log(self.queue, number).read_bytes()[size:]
        return b" ready." not in said and time.monotonic() - when < READY


if __name__ == "__main__":
    sys.exit(main())
