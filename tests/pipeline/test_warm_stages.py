"""Stages in forks of a process that has packages imported: the same as by themselves, whatever ends them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from pipeline import warm_stages

ROOT = Path(__file__).parents[2]
PATIENCE = 120  # seconds that nothing here should take
pytestmark = pytest.mark.skipif(not warm_stages.is_possible({}), reason="no forks of stages on this machine")

DVC = """
import json, subprocess, sys
for line in sys.stdin:
    done = subprocess.run(json.loads(line), capture_output=True, text=True, stdin=subprocess.DEVNULL)
    print(json.dumps([done.returncode, done.stdout, done.stderr]), flush=True)
"""
START = "from pipeline.warm_stages import start; start(['wave'])"
PROBE = """
import json, os, sys
from stages import __name__ as package
about = {"arguments": sys.argv[1:], "name": os.path.basename(sys.argv[0]), "main": __name__,
    "package": package, "folder": os.getcwd(), "stage": os.environ["DVC_STAGE"], "first": sys.path[0],
    "terminal": [os.isatty(number) for number in range(3)], "input": sys.stdin.read(),
    "variables": sorted(os.environ), "own": sorted(name for name in sys.modules if name.startswith("stages"))}
print(json.dumps([about, "wave" in sys.modules]))
"""
WAIT = """
import os, pathlib, signal, sys, time
def end(number, frame):
    sys.exit(f"told {signal.Signals(number).name}")
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
pathlib.Path("part.tmp").write_text(str(os.getpid()))
os.rename("part.tmp", "started")
time.sleep(1000)
"""


@dataclass(frozen=True)
class Project:
    """A folder with stages, and a process that runs them as ``dvc`` does."""

    folder: Path
    dvc: subprocess.Popen[str]

    def write(self, name: str, text: str) -> None:
        """Write a stage."""
        (self.folder / "stages" / f"{name}.py").write_text(text)

    def ask(self, *command: str) -> None:
        """Let the process run Python, and do not wait."""
        assert self.dvc.stdin is not None
        self.dvc.stdin.write(json.dumps([sys.executable, *command]) + "\n")
        self.dvc.stdin.flush()

    def answer(self) -> tuple[int, str, str]:
        """How what was asked for has ended: status, output, errors."""
        assert self.dvc.stdout is not None
        return tuple(json.loads(self.dvc.stdout.readline()))

    def run(self, *command: str) -> tuple[int, str, str]:
        """Let the process run Python to its end."""
        self.ask(*command)
        return self.answer()

    def run_waiting(self) -> tuple[psutil.Process, psutil.Process]:
        """Start a stage that waits; returns the process that was started, and the one that runs it."""
        self.write("waits", WAIT)
        self.ask("-m", "stages.waits")
        started = self.folder / "started"
        wait_until(started.exists)
        (client,) = (
            one for one in psutil.Process(self.dvc.pid).children() if "stages.waits" in one.cmdline()
        )
        return client, psutil.Process(int(started.read_text()))

    def list_sockets(self) -> list[Path]:
        """The sockets of processes that fork stages."""
        return list((self.folder / warm_stages.FOLDER).glob("*.sock"))


def wait_until(condition) -> None:
    """Wait for what must come."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def project(tmp_path):
    """A project in which nothing forks stages yet."""
    (tmp_path / "stages").mkdir()
    shutil.copy(ROOT / "stages/__init__.py", tmp_path / "stages")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "DEBUG"))}
    environment = kept | {"PYTHONPATH": str(ROOT), "DVC_STAGE": "probe", "DVC_ROOT": str(tmp_path)}
    # Else a fork would make a database here, as it does in projects.
    environment |= {"MLFLOW_TRACKING_URI": "sqlite://", "PYTHONDONTWRITEBYTECODE": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(
        [sys.executable, "-c", DVC], cwd=tmp_path, env=environment, start_new_session=True, **pipes
    ) as dvc:
        yield Project(tmp_path, dvc)
        dvc.kill()


@pytest.fixture
def warm(project):
    """The same with a process that forks stages and has the module ``wave`` imported."""
    assert project.run("-c", START) == (0, "", "")
    project.write("probe", PROBE)
    deadline = time.monotonic() + PATIENCE
    while not json.loads(project.run("-m", "stages.probe")[1])[1]:
        assert time.monotonic() < deadline
    return project


def test_a_fork_is_what_the_process_would_have_been_and_has_the_packages(project):
    project.write("probe", PROBE)
    status, output, errors = project.run("-m", "stages.probe", "complete", "--flag")
    alone, has_package = json.loads(output)
    assert (status, errors, has_package) == (0, "", False)
    assert project.run("-c", START) == (0, "", "")
    project.run("-m", "stages.probe")
    wait_until(lambda: json.loads(project.run("-m", "stages.probe")[1])[1])
    status, output, errors = project.run("-m", "stages.probe", "complete", "--flag")
    assert (status, errors) == (0, "") and json.loads(output) == [alone, True]


def test_a_fork_runs_the_code_that_is_there_when_it_starts(warm):
    for word in ("first", "second"):
        warm.write("other", f"print({word!r})")
        assert warm.run("-m", "stages.other") == (0, f"{word}\n", "")


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("sys.exit(3)", 3, ""),
        ("sys.exit('refused')", 1, "refused\n"),
        ("raise OSError('disk')", 1, "OSError: disk\n"),
        ("os.kill(os.getpid(), 9)", -signal.SIGKILL, ""),
        ("os.kill(os.getpid(), 11)", -signal.SIGSEGV, ""),
        ("import atexit; atexit.register(print, 'at its end')", 0, ""),
    ],
)
def test_a_stage_ends_as_its_fork_does(warm, code, status, said):
    warm.write("ends", f"import os, sys\nprint('out', flush=True)\n{code}")
    found, output, errors = warm.run("-m", "stages.ends")
    assert found == status and errors.endswith(said)
    assert output == ("out\nat its end\n" if "atexit" in code else "out\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_fork(warm, number):
    client, fork = warm.run_waiting()
    assert client.pid != fork.pid
    client.send_signal(number)
    assert warm.answer() == (1, "", f"told {number.name}\n")
    assert not fork.is_running()


def test_a_killed_stage_takes_its_fork_along(warm):
    client, fork = warm.run_waiting()
    client.kill()
    assert warm.answer()[0] == -signal.SIGKILL
    wait_until(lambda: not fork.is_running())
    assert warm.run("-m", "stages.probe")[0] == 0


def test_where_the_forking_process_is_killed_its_stage_fails_and_the_next_imports_by_itself(warm):
    _, fork = warm.run_waiting()
    fork.parent().kill()
    status, _, errors = warm.answer()
    assert status == 1 and "was ended" in errors
    wait_until(lambda: not fork.is_running() or fork.status() == psutil.STATUS_ZOMBIE)
    status, output, _ = warm.run("-m", "stages.probe")
    assert status == 0 and json.loads(output)[1] is False


def test_it_ends_with_dvc_and_takes_its_stages_along(warm):
    _, fork = warm.run_waiting()
    server = fork.parent()
    assert len(warm.list_sockets()) == 1
    warm.dvc.kill()
    wait_until(lambda: not server.is_running() and not fork.is_running())
    assert not warm.list_sockets()


def test_none_is_started_outside_dvc_with_a_debugger_or_twice(project, monkeypatch):
    monkeypatch.delenv("DVC_STAGE", raising=False)
    monkeypatch.chdir(project.folder)
    warm_stages.start(["wave"])
    assert not warm_stages.FOLDER.exists() and not warm_stages.is_possible({"DEBUG": "1"})
    for _ in range(2):
        assert project.run("-c", START) == (0, "", "")
    (socket,) = project.list_sockets()
    assert socket.stem.startswith(f"{project.dvc.pid}-")
    found = {
        one.pid: one.info["ppid"]
        for one in psutil.process_iter(["cmdline", "ppid"])
        if socket.stem in (one.info["cmdline"] or [])
    }
    assert len(set(found) - {pid for pid, parent in found.items() if parent in found}) == 1  # forks apart


def test_only_stages_that_start_no_processes_of_their_own_are_forked():
    assert warm_stages.is_served("stages.train")
    assert not any(map(warm_stages.is_served, ("stages.cells", "stages.validate", "pipeline.stage_forks")))
