"""What DVC's experiment queue is asked and told: its workers, their logs, and how an experiment ended."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from dvc.repo.experiments.queue.base import QueueEntry
    from dvc.repo.experiments.queue.celery import LocalCeleryQueue


def find_last_line(output: str, leave_out: tuple[str, ...] = ()) -> str:
    """The last line that is not blank and does not start with any of ``leave_out``."""
    lines = [line.strip() for line in output.splitlines()]
    return next((line for line in reversed(lines) if line and not line.startswith(leave_out)), "")


def run_quietly(module: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a module that may fail, and keep what it prints."""
    return subprocess.run([sys.executable, "-m", module, *words], capture_output=True, text=True)


def name_node(queue: LocalCeleryQueue, number: int) -> str:
    """The name that DVC gives to worker ``number`` of this repository."""
    return f"dvc-exp-{hashlib.sha256(queue.wdir.encode()).hexdigest()[:6]}-{number}@localhost"


def list_workers(queue: LocalCeleryQueue) -> dict[str, int]:
    """Process ids of this repository's live workers by their names, whoever started them."""
    prefix = name_node(queue, 0).removesuffix("0@localhost")
    workers: dict[str, int] = {}
    for process in psutil.process_iter(["pid", "cmdline"]):
        words = process.info["cmdline"] or []
        if "queue-worker" in words and (node := next((w for w in words if w.startswith(prefix)), None)):
            workers[node] = process.info["pid"]
    return workers


def start_worker(queue: LocalCeleryQueue, number: int) -> subprocess.Popen[bytes]:
    """Start worker ``number`` as ``dvc queue start`` does, out of reach of this terminal's Ctrl-C."""
    command = [sys.executable, "-m", "dvc", "exp", "queue-worker", name_node(queue, number)]
    command += ["--clean"] * (number == 1)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"  # to ``dvc``
    kept = {"cwd": queue.repo.root_dir, "env": os.environ | {"PATH": path}, "start_new_session": True}
    with get_log(queue, number).open("ab") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **kept)


def get_log(queue: LocalCeleryQueue, number: int) -> Path:
    """Where worker ``number`` writes, DVC's own name for it."""
    return Path(queue.wdir, f"dvc-exp-worker-{number}.out")


def drop_broken_bindings(queue: LocalCeleryQueue) -> None:
    """Remove half-written lists of message boxes, which end every new worker; the next writes them anew."""
    for path in Path(queue.wdir).glob("broker/control/*.exchange"):
        try:
            json.loads(path.read_text())
        except ValueError:
            path.unlink(missing_ok=True)


def find_process(queue: LocalCeleryQueue, rev: str) -> psutil.Process | None:
    """The live process that runs an experiment; none before it starts and after it ends."""
    try:
        process = psutil.Process(queue.proc[rev].pid)
        return process if "exec-run" in process.cmdline() else None
    except (KeyError, psutil.Error):
        return None


def mark_lost(queue: LocalCeleryQueue, rev: str) -> None:
    """Have DVC end what is left of an experiment without a worker, and count it as failed."""
    for force in ((), (), ("--force",), ()):
        run_quietly("dvc", "queue", "kill", *force, rev)  # ends its process; where there is none, marks it
        psutil.wait_procs(filter(None, [find_process(queue, rev)]), timeout=15)
        if rev not in {entry.stash_rev for entry in queue.iter_active()}:
            return


def read_end(queue: LocalCeleryQueue, entry: QueueEntry, lost: bool) -> tuple[str, str]:
    """How an experiment that neither waits nor runs has ended, and why if it failed."""
    from dvc.exceptions import DvcException

    try:
        result = queue.get_result(entry, timeout=1)
        if result and result.exp_hash and result.ref_info and not lost:  # nobody collected a lost one
            return "Success", ""
    except FileNotFoundError:
        if not any(entry.stash_rev in str(message.decode()) for message in queue.celery.iter_processed()):
            return "Removed", ""
    except DvcException as error:
        return "Failed", str(error)
    info = queue.proc.get(entry.stash_rev)
    output = Path(info.stdout).read_text(errors="replace") if info and info.stdout else ""
    said = find_last_line(output, ("ERROR: failed to reproduce", ">", "Running"))
    if lost:
        said = "its worker died; queue it again" + (f"; last it said: {said}" if said else "")
    return "Failed", said or f"it failed before it said anything; see {queue.wdir}/*.out"
