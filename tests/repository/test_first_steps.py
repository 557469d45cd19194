"""What a user does before any run: asks each program for help, or has no Git."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository.user_project import Project

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
HELP = """
import contextlib, io, pathlib, runpy, sys
for path in sorted(pathlib.Path(sys.argv[1], "stages").glob("[!_]*.py")):
    sys.argv, text = [path.stem, "--help"], io.StringIO()
    try:
        with contextlib.redirect_stdout(text):
            runpy.run_module(f"stages.{path.stem}", run_name="__main__", alter_sys=True)
        code = "none"
    except SystemExit as error:
        code = error.code
    print(path.stem, code, len(text.getvalue()))
"""


def test_help_runs_nothing(tmp_path):
    """One process for all: each would import torch anew."""
    done = subprocess.run(
        [sys.executable, "-c", HELP, ROOT],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    said = {name: (code, int(length)) for name, code, length in map(str.split, done.stdout.splitlines())}
    assert set(said) == {path.stem for path in (ROOT / "stages").glob("[!_]*.py")}, done.stderr
    assert {code for code, _ in said.values()} == {"0"}
    assert min(length for _, length in said.values()) > 60
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_a_project_without_git_is_told_what_to_do(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.lock", "requirements-installer.lock", ".venv/bin/activate"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".venv/.installed-from-lock").touch()  # else make would install everything
    project = Project(tmp_path)
    done = project.run("make", "main", GIT_CEILING_DIRECTORIES=str(tmp_path.parent))
    assert done.returncode != 0
    (line,) = [line for line in done.stdout.splitlines() if "No Git here" in line]
    assert "git init" in line and "core.no_scm true" in line
    assert "Error" in done.stdout and "dvc repro" not in done.stdout  # it stopped there
