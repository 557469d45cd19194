"""The queue is worked off in small DVC repositories, with real workers that are killed and misled."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from reports.tools.queue_workers import find_last_line
from reports.tools.work_queue import Ended, describe_outcome, warn_of_untracked

ROOT = Path(__file__).parents[3]
TOOL = (sys.executable, "-m", "reports.tools.work_queue")
PATIENCE = 240  # seconds
WORK = """
import sys, time, yaml
params = yaml.safe_load(open("params.yaml"))
print("x is", params["x"], flush=True)
time.sleep(params["seconds"])
if params["x"] < 0:
    raise ValueError("x is below zero")
open("out.txt", "w").write(str(params["x"]))
"""
STAGES = """
stages:
  report:
    cmd: python work.py
    deps: [work.py]
    params: [x, seconds]
    outs: [out.txt]
"""


class Toy:
    """A DVC repository with one stage, which sleeps and fails where x is below zero."""

    def __init__(self, folder):
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        self.environment = kept | {"PYTHONPATH": str(ROOT), "PATH": path, "DVC_NO_ANALYTICS": "1"}
        (folder / "work.py").write_text(WORK)
        (folder / "dvc.yaml").write_text(STAGES)
        (folder / "params.yaml").write_text("x: 0\nseconds: 1\n")
        self.call("git", "init", "--quiet")
        self.call("dvc", "init", "--quiet")
        self.call("git", "config", "user.email", "t@example.org")
        self.call("git", "config", "user.name", "t")
        self.call("git", "add", "--all")
        self.call("git", "commit", "--quiet", "-m", "start")

    def call(self, *command):
        """What a command printed, all of it; its exit code does not matter."""
        result = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=PATIENCE
        )
        return result.stdout + result.stderr

    def queue(self, name, values, seconds=1.0):
        changes = ("-S", f"x={values}", "-S", f"seconds={seconds}")
        self.call("dvc", "exp", "run", "--queue", "-n", name, *changes, "report")

    def start(self, *words):
        return subprocess.Popen(
            (*TOOL, "--no-compare", *words),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def work_off(self, *words):
        """The exit code, the standard output and the standard error of a run to its end."""
        process = self.start(*words)
        output, errors = process.communicate(timeout=PATIENCE)
        return process.returncode, output, errors

    def find(self, word):
        """Process ids of this repository's processes with ``word`` on their command lines."""
        node = hashlib.sha256(str(self.folder / ".dvc/tmp/exps/celery").encode()).hexdigest()[:6]
        found = []
        for process in psutil.process_iter(["pid", "cmdline"]):
            line = " ".join(process.info["cmdline"] or [])
            if word in line and (str(self.folder) in line or f"dvc-exp-{node}-" in line):
                found.append(process.info["pid"])
        return sorted(found)

    def wait_for(self, word, count):
        deadline = time.monotonic() + 60
        while len(found := self.find(word)) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} {word}"
            time.sleep(0.2)
        return found

    def has_begun(self):
        """Whether a worker has taken a task, from the folder that its message is moved to."""
        return any(self.folder.glob(".dvc/tmp/exps/celery/broker/processed/*.celery.msg"))

    def read_statuses(self):
        """The status of each experiment by its name."""
        lines = self.call("dvc", "queue", "status").splitlines()
        return {words[1]: words[-1] for line in lines if (words := line.split())[1:] and words[1][:2] == "e-"}


@pytest.fixture
def toy(tmp_path):
    toy = Toy(tmp_path)
    yield toy
    for word in ("queue-worker", "exec-run"):
        for pid in toy.find(word):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_six_experiments_end_on_two_workers(toy):
    toy.queue("e", "range(1,7)", seconds=3)
    process = toy.start("--jobs", "2")
    toy.wait_for("exec-run", 2)
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert sorted(re.findall(r"^(e-\d) Success \d+ s$", output, re.M)) == [f"e-{n}" for n in range(1, 7)]
    assert "6 experiments: 6 Success" in output and "dvc exp show --only-changed" in output
    assert errors == ""
    assert set(toy.read_statuses().values()) == {"Success"}


@pytest.mark.slow
def test_a_failed_experiment_is_named_with_its_reason(toy):
    toy.queue("e", "-1,1")
    code, output, errors = toy.work_off("--jobs", "2")
    assert code == 1, errors
    assert re.search(r"^e-1 Failed \d+ s: ValueError: x is below zero$", output, re.M)
    assert "2 experiments: 1 Success, 1 Failed (e-1)" in output


@pytest.mark.slow
def test_an_experiment_whose_worker_was_killed_is_reported_and_the_others_end(toy):
    toy.queue("e", "range(1,5)", seconds=8)
    process = toy.start("--jobs", "2")
    toy.wait_for("exec-run", 1)
    os.kill(psutil.Process(toy.find("exec-run")[0]).ppid(), signal.SIGKILL)
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, output + errors
    assert len(re.findall(r"Failed \d+ s: its worker died; queue it again; last it said: ", output)) == 1
    assert "4 experiments: 3 Success, 1 Failed" in output and "a worker was started again once" in output
    assert sorted(toy.read_statuses().values()) == ["Failed", "Success", "Success", "Success"]
    assert not toy.find("exec-run")


@pytest.mark.slow
def test_a_worker_that_stumbles_over_a_half_written_file_is_started_again(toy):
    toy.queue("e", "1,2")
    (toy.folder / ".dvc/tmp/exps/celery/broker/control/celery.pidbox.exchange").write_text("")
    code, output, errors = toy.work_off("--jobs", "2")
    assert code == 0, output + errors
    assert "2 experiments: 2 Success; a worker was started again once" in output


@pytest.mark.slow
def test_after_ctrl_c_workers_go_on_and_the_tool_comes_back(toy):
    toy.queue("e", "1,2", seconds=6)
    process = toy.start()
    toy.wait_for("exec-run", 1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert errors.strip().splitlines() == [
        "workers go on in the background; stop them: dvc queue stop --kill; come back: make queue"
    ]
    assert len(toy.find("queue-worker")) == 1 and toy.find("exec-run")
    code, output, errors = toy.work_off()
    assert code == 0, output + errors
    assert "2 experiments: 2 Success" in output and "again" not in output


@pytest.mark.slow
def test_an_experiment_whose_worker_was_killed_while_setting_it_up_is_reported(toy):
    toy.queue("e-1", "1")
    process = toy.start()
    deadline = time.monotonic() + 60
    while not toy.has_begun() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(toy.find("queue-worker")[0], signal.SIGKILL)
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, output + errors
    assert re.search(r"^e-1 Failed \d+ s: its worker died; queue it again", output, re.M)
    assert toy.read_statuses() == {"e-1": "Failed"}


def test_an_empty_queue_says_how_to_fill_it(toy):
    (toy.folder / "models").mkdir()
    (toy.folder / "models" / "new.py").touch()
    code, output, errors = toy.work_off()
    assert code == 0
    assert output == "nothing is queued; queue some: dvc exp run --queue -S alpha=0,0.5 report\n"
    assert errors.startswith("queued experiments do not see 1 untracked file: models/new.py; git add it")


def test_files_that_a_run_needs_and_git_does_not_have_are_named(tmp_path, capsys):
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / ".gitignore").write_text("*.pt\n")
    for name in ("stages/b.py", "models/a.py", "models/a.pt", "docs/c.md", "docs/d.yaml", "new.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    warn_of_untracked(str(tmp_path))
    assert capsys.readouterr().err == (
        "queued experiments do not see 3 untracked files: models/a.py, new.yaml, stages/b.py; "
        "git add them first, and queue again what was queued before\n"
    )


def test_the_outcome_names_the_failed_in_one_line():
    ended = [Ended("b", "Failed", 1.0, "x"), Ended("a", "Success", 2.4), Ended("c", "Failed", 3.0, "x")]
    assert describe_outcome(ended, 0) == "3 experiments: 1 Success, 2 Failed (b, c)"
    assert describe_outcome(ended[1:2], 2) == "1 experiment: 1 Success; a worker was started again 2 times"
    assert str(ended[1]) == "a Success 2 s"
    assert find_last_line("one\nERROR: two\n \n", ("ERROR",)) == "one"


def test_outside_a_repository_the_error_is_one_line(tmp_path):
    result = subprocess.run(
        TOOL, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1 and result.stderr.startswith("work_queue: ")
