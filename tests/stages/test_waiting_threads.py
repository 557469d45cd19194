"""Threads that wait do not spin, however a program is started: libgomp says so when it loads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPINNING = "GOMP_SPINCOUNT = '0'"


def start(*arguments: str) -> str:
    """What libgomp says of itself in a fresh process whose user has set nothing."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment | {"OMP_DISPLAY_ENV": "VERBOSE"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        said = []
        for line in process.stderr:
            said.append(line)
            if "DISPLAY ENVIRONMENT END" in line:  # what the program would do from here on takes seconds
                break
        process.kill()
    found = "".join(said)
    assert "GOMP_SPINCOUNT" in found, found
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "import stages.train"),
        ("-c", "import stages.cells"),
        ("-c", "import benchmarks.whole_training"),
        ("-m", "pytest", "-n", "0", "--capture=no", "--collect-only", "tests/models/test_seeds.py"),
    ],
)
def test_waiting_threads_do_not_spin(arguments):
    assert SPINNING in start(*arguments)


def test_the_user_may_choose_otherwise():
    found = start("-c", "import os; os.environ['OMP_WAIT_POLICY'] = 'ACTIVE'; import stages.train")
    assert SPINNING not in found
