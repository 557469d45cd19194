"""A project at profile smoke whose stages are run, killed and started again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import yaml

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Project:
    """A folder with the settings files, outside the repository, where stages of the repository run."""

    folder: Path

    def copy(self, folder: Path) -> Project:
        """The same in ``folder``, which must not be there yet."""
        return Project(Path(shutil.copytree(self.folder, folder)))

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_"))}
        return kept | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def start_training(self, **environment: str) -> subprocess.Popen[str]:
        """Start stage train on complete images."""
        return self.start("-m", "stages.train", "complete", **environment)

    def train(self, **environment: str) -> str:
        """Run stage train to its end; returns what it printed."""
        return self.run("-m", "stages.train", "complete", **environment)

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """Start Python with ``command``."""
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=self.folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str, **environment: str) -> str:
        """Run Python with ``command`` to its end, which must be a good one; returns what it printed."""
        process = self.start(*command, **environment)
        output, _ = process.communicate()
        assert process.returncode == 0, output
        return output

    def read_result(self) -> tuple[dict[str, torch.Tensor], list[str]]:
        """What a training left: weights and latent vectors, its metrics and its curves."""
        model = torch.load(self.folder / "artifacts/models/complete/model.pt", weights_only=True)
        names = ("metrics/train/complete.json", "metrics/train/complete.csv")
        tensors = {**model["weights"], "latents": model["latents"]}
        return tensors, [(self.folder / name).read_text() for name in names]

    def has_result(self) -> bool:
        """Whether a training has ended: it has noted what its results were made from."""
        return (self.folder / "artifacts/kept/train-complete.json").exists()

    def assert_result(self, expected: tuple[dict[str, torch.Tensor], list[str]]) -> None:
        """The result is the expected one to the last bit."""
        tensors, texts = self.read_result()
        assert texts == expected[1]
        for name, tensor in expected[0].items():
            assert torch.equal(tensors[name], tensor), name

    def forget_result(self) -> None:
        """Remove what a training left."""
        for name in ("artifacts/models", "artifacts/kept", "metrics"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def find_checkpoints(self) -> list[Path]:
        """The last checkpoint of each training that has not ended."""
        files = [path for path in self.list_checkpoint_files() if path.suffix == ".pt"]
        return [path for path in files if not path.stem.endswith(".previous")]

    def list_checkpoint_files(self) -> list[Path]:
        """All that trainings that have not ended left to go on from."""
        return list((self.folder / ".dvc" / "tmp" / "checkpoints").glob("*"))

    def count_rounds(self) -> int:
        """How many rounds the last checkpoint has behind it, 0 without one."""
        found = self.find_checkpoints()
        return len(torch.load(found[0], weights_only=True)["records"]) if found else 0


@pytest.fixture(scope="session")
def short_params():
    """A params.yaml at profile smoke whose complete images have four short rounds."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    smoke = params["profiles"]["smoke"]
    smoke["prepare"] |= {"n_train": 200, "n_test": 100}
    smoke["train"] |= {"L": 1, "rounds": {**smoke["train"]["rounds"], "complete": 4}}
    return yaml.safe_dump({**params, "profile": "smoke"}, sort_keys=False)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, migrated, short_params):
    """A project with its data prepared."""
    folder = tmp_path_factory.mktemp("prepared")
    shutil.copy(ROOT / "tables.yaml", folder)
    shutil.copy(migrated, folder / "mlflow.db")
    (folder / "params.yaml").write_text(short_params)
    made = Project(folder)
    made.run("-m", "stages.prepare")
    return made


@pytest.fixture(scope="session")
def expected(prepared):
    """What an uninterrupted training leaves."""
    prepared.train()
    result = prepared.read_result()
    prepared.forget_result()
    return result


@pytest.fixture
def project(prepared, tmp_path):
    """A project ready to train."""
    return prepared.copy(tmp_path / "project")


@pytest.fixture(scope="session")
def killed(prepared, tmp_path_factory):
    """A project whose training was killed as soon as it had left a checkpoint."""
    made = prepared.copy(tmp_path_factory.mktemp("killed") / "project")
    process = made.start_training()
    while not made.find_checkpoints() and process.poll() is None:
        time.sleep(0.05)
    process.kill()
    process.wait()
    return made


@pytest.fixture
def half_trained(killed, tmp_path):
    """A project with a checkpoint of the first rounds."""
    return killed.copy(tmp_path / "project")
