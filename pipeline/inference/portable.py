"""A trained generator with all that inference needs beside its weights, and the one file that holds both.

The file that a training leaves (pipeline/storage/checkpoints.py) has weights and latents; sigma, s and the
numbers of steps are in the params.yaml that the training read. Here the two are put together, once, so that a
model never takes its settings from whatever params.yaml lies in the working folder.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.langevin.dynamics import ChainSettings
from models.networks.architectures import find_architecture
from models.networks.generator import Generator, build_generator
from models.short_run.scores import SCORES
from pipeline.data.image_folder import META_FILE
from pipeline.settings.params import TASKS, Params, load_params
from pipeline.settings.plan import build_chain, build_scoring
from pipeline.storage import places
from pipeline.storage.checkpoints import load_tensors, save_tensors

FORMAT = "short-run-model 1"


@dataclass(frozen=True)
class InferenceSettings:
    """What a generator's inference needs beside its weights.

    ``architecture``: Table 1's row; ``sigma``: of p(I|z), images in [0, 1]; ``step_size`` s and
    ``noise_scale`` are those of a chain whose drift does not depend on how many images there are;
    ``drift_coefficient``: of Eq. (8), as in ChainSettings; ``encode_steps``: K of the chains that encode,
    reconstruct and inpaint; ``score_steps``, ``score_noise`` and ``score``: how an image is scored.
    ``dataset``, ``task``, ``profile`` and ``data_digest`` say what it was trained on.
    """

    architecture: str
    latent_dim: int
    sigma: float
    step_size: float
    noise_scale: float
    encode_steps: int
    score_steps: int
    score_noise: float
    score: str
    dataset: str
    task: str
    profile: str
    data_digest: str

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of its images."""
        return find_architecture(self.architecture).image_shape

    def build_chain(self, steps: int) -> ChainSettings:
        """The short run that infers z."""
        return ChainSettings(self.step_size, steps, noise_scale=self.noise_scale)

    def build_scoring_chain(self, steps: int) -> ChainSettings:
        """The short run at whose end an image is scored."""
        return ChainSettings(self.step_size, steps, noise_scale=self.score_noise)


@dataclass(frozen=True)
class PortableModel:
    """A generator's weights by name, with the settings of its inference."""

    settings: InferenceSettings
    weights: dict[str, Tensor]

    def build_generator(self) -> Generator:
        """The generator, in eval mode; raises ValueError for weights that are not this architecture's."""
        settings = self.settings
        generator = build_generator(settings.architecture, settings.latent_dim, torch.Generator())
        try:
            generator.load_state_dict(self.weights)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"weights: not those of generator {settings.architecture}: {reason}") from error
        return generator.eval()


def collect_settings(params: Params, task: str, data_digest: str = "") -> InferenceSettings:
    """What the training of ``task`` with ``params`` makes of them for inference."""
    numbers = params.profile_settings
    chain = fix_drift(build_chain(params, 1), numbers.train.batch_size)
    scoring = build_scoring(params, numbers.evaluate.anomaly_steps)
    scoring_chain = fix_drift(scoring.chain, numbers.train.batch_size)
    return InferenceSettings(
        architecture=params.architecture,
        latent_dim=params.resolved_latent_dim,
        sigma=params.sigma,
        step_size=chain.step_size,
        noise_scale=chain.noise_scale,
        encode_steps=numbers.evaluate.reconstruct_steps,
        score_steps=scoring_chain.steps,
        score_noise=scoring_chain.noise_scale,
        score=scoring.score,
        dataset=params.dataset,
        task=task,
        profile=params.profile,
        data_digest=data_digest,
    )


def fix_drift(chain: ChainSettings, batch_size: int) -> ChainSettings:
    """The same step with a drift that does not depend on how many images there are.

    The authors' presets divide the drift by the size of the batch. It stays that of training's batches: s and
    the noise's scale are replaced by those that give this drift and this noise under Eq. (8).
    """
    drift, noise = chain.drift(batch_size), chain.noise_std(0)
    if chain.drift_reduction == "sum" and chain.drift_coefficient == "half_square":
        return ChainSettings(chain.step_size, chain.steps, noise_scale=chain.noise_scale)
    step_size = math.sqrt(2 * drift)
    return ChainSettings(step_size, chain.steps, noise_scale=noise / step_size)


def write_model(path: Path, model: PortableModel) -> None:
    """Write a model as one file, atomically; it is read without executing pickled code."""
    settings = json.dumps(dataclasses.asdict(model.settings))
    save_tensors(path, {"format": FORMAT, "settings": settings, "weights": model.weights})


def read_model(path: Path, params_file: Path | None = None) -> PortableModel:
    """Read one file: ``write_model``'s, or the model.pt of a training with the settings that trained it.

    The settings of a training's model.pt are those of ``params_file``, by default the params.yaml of the
    project whose artifacts it lies in. Raises ValueError with one line for a file that is absent, damaged or
    no model, and for settings of another generator.
    """
    try:
        tensors = load_tensors(path)
    except ValueError as error:
        text = str(error).replace("; run the stage that writes it (`dvc repro`)", "")
        raise ValueError(
            text.replace("; delete it and run again", "; should be a model's .pt file")
        ) from error
    if "format" in tensors:
        if tensors["format"] != FORMAT:
            raise ValueError(f"{path}: format {tensors['format']!r} found; should be {FORMAT!r}")
        return PortableModel(parse_settings(path, tensors.get("settings")), tensors["weights"])
    if not {"architecture", "latent_dim", "weights"} <= tensors.keys():
        raise ValueError(f"{path}: a file with {', '.join(tensors) or 'nothing'} found; should be a model.pt")
    return PortableModel(_find_settings(path, tensors, params_file), tensors["weights"])


def parse_settings(source: Path, text: Any) -> InferenceSettings:
    """Read settings as they are stored, checked; raises ValueError that names ``source``."""
    try:
        settings = InferenceSettings(**json.loads(text))
        find_architecture(settings.architecture)
        positive = (settings.latent_dim, settings.sigma, settings.step_size)
        steps = (settings.encode_steps, settings.score_steps)
        is_sane = min(*positive, *steps) > 0 and settings.score in SCORES
    except (TypeError, ValueError) as error:
        raise ValueError(f"{source}: not a model's settings ({' '.join(str(error).split())})") from error
    if not is_sane:
        raise ValueError(f"{source}: settings out of range found: {text}")
    return settings


def read_trained(task: str, params: Params, root: Path = Path(".")) -> PortableModel:
    """The model that the stage train left for ``task`` in the project ``root``."""
    model = load_tensors(root / places.MODELS / task / "model.pt", "architecture", "latent_dim", "weights")
    settings = collect_settings(params, task, read_digest(task, root))
    _check_alike(root / places.MODELS / task / "model.pt", model, settings, root / "params.yaml")
    return PortableModel(settings, model["weights"])


def read_digest(task: str, root: Path) -> str:
    """The digest of the images that a training of the project ``root`` had; empty where they are not here."""
    path = root / places.DATA / task / META_FILE
    return str(json.loads(path.read_text()).get("digest", "")) if path.exists() else ""


def _find_settings(path: Path, model: dict[str, Any], params_file: Path | None) -> InferenceSettings:
    """The settings of a training's model.pt, which lies in <project>/artifacts/models/<task>."""
    folders = path.absolute().parents
    task = folders[0].name
    root = folders[3] if len(folders) > 3 else folders[-1]
    if task not in TASKS or (folders[2].name, folders[1].name) != places.MODELS.parts:
        if params_file is None:
            raise ValueError(
                f"{path}: a model.pt outside artifacts/models/<task> found, without settings; name "
                "the params.yaml that trained it with --params, or make one file of it where it was trained: "
                "python -m pipeline.use pack"
            )
        task, root = TASKS[0], params_file.absolute().parent
    params_file = params_file or root / "params.yaml"
    settings = collect_settings(load_params(params_file), task, read_digest(task, root))
    _check_alike(path, model, settings, params_file)
    return settings


def _check_alike(path: Path, model: dict[str, Any], settings: InferenceSettings, params_file: Path) -> None:
    found = (model["architecture"], model["latent_dim"])
    expected = (settings.architecture, settings.latent_dim)
    if found != expected:
        raise ValueError(
            f"{path}: generator {found[0]} with {found[1]} latent dimensions found; {params_file} has "
            f"{expected[0]} with {expected[1]}; name the params.yaml that trained it with --params"
        )
