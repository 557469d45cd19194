"""The tables' cells as a Slurm array, on a Slurm of this one machine that the test starts itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLURM = Path(__file__).with_name("one_node_slurm.sh")
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch")
STUDY, N_CELLS = "table8", 40
PATIENCE = 3600  # seconds: 40 processes import torch
SEARCHED = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
absent = [name for name in NEEDED if shutil.which(name, path=SEARCHED) is None]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(absent),
        reason=f"no {', '.join(absent)} here: apt-get install munge slurmctld slurmd slurm-client",
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root starts a Slurm whose jobs run"),
]


@pytest.fixture
def slurm(tmp_path):
    """The environment in which sbatch finds a Slurm of this machine."""
    pytest.importorskip("submitit", reason="no submitit here: uv pip install submitit")
    folder, environment = tmp_path / "slurm", os.environ | {"PATH": SEARCHED}
    environment |= {"OMP_WAIT_POLICY": "PASSIVE"}
    try:
        started = subprocess.run(
            [SLURM, "start", folder], env=environment, capture_output=True, text=True, check=True
        )
        yield environment | {"SLURM_CONF": started.stdout.strip()}
    finally:
        subprocess.run([SLURM, "stop", folder], env=environment, check=True)


@pytest.fixture
def make_project(tmp_path):
    """A function that copies the code and the settings at profile smoke, with 40 untuned cells in Table 8."""

    def make(name: str) -> Path:
        folder = tmp_path / name
        for part in ("models", "pipeline", "stages", "reports/tools"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "reports/__init__.py", folder / "reports")
        (folder / ".dvc/tmp").mkdir(parents=True)
        params = (ROOT / "params.yaml").read_text().replace("profile: embedded", "profile: smoke")
        (folder / "params.yaml").write_text(params)
        tables = (ROOT / "tables.yaml").read_text()
        assert "    tuned_by: rates\n" in tables
        fewer = tables.replace("    tuned_by: rates\n", "")
        fewer = fewer.replace("        - {kind: salt_pepper, share: 0.9}\n", "")
        fewer = re.sub(r"        - \{kind: region, side: (15|25|45)\}\n", "", fewer)
        (folder / "tables.yaml").write_text(fewer)
        return folder

    return make


def call(folder: Path, environment: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def list_running(environment: dict[str, str], project: Path) -> list[str]:
    return call(
        project, environment, "squeue", "--me", "--array", "--noheader", "--states=R", "--format=%i"
    ).split()


def wait_for_running(environment, project: Path, submitted: subprocess.Popen, number: int) -> list[str]:
    deadline = time.monotonic() + PATIENCE
    while len(running := list_running(environment, project)) < number:
        assert submitted.poll() is None and time.monotonic() < deadline, submitted.communicate()
        time.sleep(0.2)
    return running


def test_forty_cells_one_killed_and_one_requeued_are_those_of_this_machine(slurm, make_project):
    there, here = make_project("there"), make_project("here")
    python = (sys.executable, "-m")
    wanted = call(there, slurm, *python, "stages.cells", "--missing", STUDY).split()
    assert len(wanted) == N_CELLS
    submitted = subprocess.Popen(
        [*python, "reports.tools.submit_cells", STUDY, "--memory", "1", "--grace", "3"],
        cwd=there,
        env=slurm,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    killed = wait_for_running(slurm, there, submitted, 1)[0]
    call(there, slurm, "scancel", "--signal=KILL", "--full", killed)
    while killed in list_running(slurm, there):
        time.sleep(0.2)
    requeued = wait_for_running(slurm, there, submitted, 1)[0]
    call(there, slurm, "scontrol", "requeue", requeued)
    _, said = submitted.communicate(timeout=PATIENCE)
    assert submitted.returncode == 0, said
    (lost,) = [line for line in said.splitlines() if "was lost; submitted once more" in line]
    assert f"job {killed} was lost" in lost
    jobs = json.loads((there / ".dvc/tmp/slurm/jobs.json").read_text())
    assert sorted(jobs) == sorted(wanted) and requeued in jobs.values() and killed not in jobs.values()
    assert call(there, slurm, *python, "stages.cells", "--missing", STUDY).split() == []

    call(here, slurm, *python, "stages.cells", "--ahead", STUDY)
    kept = {path.name: path.read_bytes() for path in (here / ".dvc/tmp/cells").iterdir()}
    assert len(kept) == 2 * N_CELLS
    assert {path.name: path.read_bytes() for path in (there / ".dvc/tmp/cells").iterdir()} == kept
    for key in wanted:
        assert not json.loads(kept[f"{key}.json"])["error"]
