"""A project in a folder of its own, and what a user does in it by the user's commands."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 1800  # seconds for a command: a busy machine takes twenty times a quiet one
EXPERIMENT = "short-run-mcmc-ot"


@dataclass(frozen=True)
class Project:
    """A project's folder, and this environment's programs run in it."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        foreign = ("DVC_", "MLFLOW_", "GIT_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        user = {f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        return kept | user | {"PATH": path, "OMP_NUM_THREADS": "1"}

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever that is."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )

    def call(self, *command: str, **environment: str) -> str:
        """Run a command to its end, which must be a good one; returns what it printed."""
        done = self.run(*command, **environment)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own, as a terminal does."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a passage of a file that is there once."""
        text = (self.folder / file).read_text()
        assert text.count(old) == 1, f"{file}: {old}"
        (self.folder / file).write_text(text.replace(old, new))

    def commit(self) -> None:
        """Commit all that Git sees."""
        self.call("git", "add", "--all")
        self.call("git", "commit", "--quiet", "--allow-empty", "-m", "state")

    def read_files(self, *places: str) -> dict[str, str]:
        """A digest of each file below the places, or of all that are neither DVC's nor Git's own."""
        own = {".git", ".dvc", "mlruns", "__pycache__"}
        files = [
            path
            for place in places or (".",)
            for path in (self.folder / place).rglob("*")
            if path.is_file() and not own & set(path.relative_to(self.folder).parts)
        ]
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if not path.name.startswith("mlflow.db")
        }

    def read_runs(self) -> list:
        """All runs in MLflow, the newest first."""
        from mlflow import MlflowClient

        client = MlflowClient(f"sqlite:///{self.folder}/mlflow.db")
        experiment = client.get_experiment_by_name(EXPERIMENT)
        return list(client.search_runs([experiment.experiment_id], max_results=1000))

    def find_parents(self) -> dict[str, object]:
        """The runs of experiments by name."""
        parents = [run for run in self.read_runs() if "mlflow.parentRunId" not in run.data.tags]
        assert len({run.info.run_name for run in parents}) == len(parents)
        return {run.info.run_name: run for run in parents}

    def find_training(self):
        """The newest run of the training on complete images."""
        return next(run for run in self.read_runs() if run.data.tags.get("stage") == "train-complete")

    def wait_for_checkpoint(self, process: subprocess.Popen[str]) -> None:
        """Wait until a training has kept two rounds: it says which it kept only after the file is there."""
        deadline = time.monotonic() + PATIENCE
        while not list(self.folder.glob(".dvc/tmp/checkpoints/complete-*.previous.pt")):
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()[0]
            time.sleep(0.02)


def list_run(output: str) -> list[str]:
    """The stages that DVC ran."""
    return re.findall(r"Running stage '(.*?)'", output)
