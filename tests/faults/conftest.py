"""A project at profile smoke whose stages are run, killed and started again; a count of what was survived."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass
class Toll:
    """Faults injected so far, and those after which all was as it should be."""

    injected: int = 0
    survived: int = 0


TOLL = Toll()


@pytest.fixture
def toll():
    return TOLL


def pytest_terminal_summary(terminalreporter):
    if TOLL.injected:
        terminalreporter.write_line(f"faults injected: {TOLL.injected}, survived: {TOLL.survived}")


@dataclass(frozen=True)
class Project:
    """A folder with the settings files, outside the repository, where stages of the repository run."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_"))}
        return kept | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start Python with ``command``."""
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str) -> str:
        """Run Python with ``command`` to its end, which must be a good one; returns what it printed."""
        process = self.start(*command)
        output, _ = process.communicate()
        assert process.returncode == 0, output
        return output


@pytest.fixture
def project(tmp_path, migrated):
    """A project with four short rounds and its data prepared."""
    shutil.copy(ROOT / "tables.yaml", tmp_path)
    shutil.copy(migrated, tmp_path / "mlflow.db")
    text = (ROOT / "params.yaml").read_text().replace("profile: embedded", "profile: smoke", 1)
    smoke, rest = text.split("  embedded:", 1)
    smoke = smoke.replace("rounds: {complete: 2,", "rounds: {complete: 4,", 1)
    (tmp_path / "params.yaml").write_text(f"{smoke}  embedded:{rest}")
    made = Project(tmp_path)
    made.run("-m", "stages.prepare")
    return made
