"""params.yaml as frozen dataclasses, every key validated before any work starts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from models.networks.architectures import ARCHITECTURES
from pipeline.settings.validation import bounded, parse_dataclass
from pipeline.settings.yaml_files import ParamError, read_yaml
from pipeline.storage.files import flatten

TASKS = ("complete", "normal", "occluded")  # the three trainings of the DAG
ARCHITECTURE_OF = {  # data set -> row of Table 1
    "mnist5k": "mnist",
    "mnist": "mnist",
    "fashion_mnist": "mnist",
    "svhn": "svhn",
    "celeba": "celeba",
    "colour_digits": "svhn",  # a stand-in for SVHN
    "photo_patches": "celeba",  # a stand-in for CelebA
}
N_CLASSES = {
    "mnist5k": 10,
    "mnist": 10,
    "fashion_mnist": 10,
    "svhn": 10,
    "celeba": 2,  # the attribute Male
    "colour_digits": 10,
    "photo_patches": 8,  # pipeline.data.stand_ins.PATCH_CLASSES
}
PRESETS = {  # conventions, section 1
    "eq8": {
        "drift_coefficient": "half_square",
        "drift_reduction": "sum",
        "noise_scale": 1.0,
        "noise_decay": 0.0,
    },
    "authors": {
        "drift_coefficient": "linear",
        "drift_reduction": "mean",
        "noise_scale": 0.1,
        "noise_decay": 0.01,
    },
}
Auto = Literal["auto"]
Profile = Literal["smoke", "embedded", "paper"]
Dataset = Literal["mnist5k", "mnist", "fashion_mnist", "svhn", "celeba", "colour_digits", "photo_patches"]
Solver = Literal["auto", "exact", "sparse", "dual", "dual-adam", "bsp", "sliced"]


@dataclass(frozen=True)
class LangevinParams:
    preset: Literal["eq8", "authors"]
    drift_coefficient: Literal["half_square", "linear"] | Auto
    drift_reduction: Literal["sum", "mean"] | Auto
    noise_scale: float | Auto = bounded(0)
    noise_decay: float | Auto = bounded(0)
    noise_every: int = bounded(1)
    initialisation: Literal["persistent", "noise"] = "persistent"
    batch_norm: Literal["frozen", "batch"] = "frozen"


@dataclass(frozen=True)
class LearningParams:
    learning_rate: float | Auto = bounded(0, 1, open_low=True)


@dataclass(frozen=True)
class TransportParams:
    solver: Solver
    epsilon: float = bounded(0, 1, open_low=True)


@dataclass(frozen=True)
class MaskParams:
    kind: Literal["region", "two_regions", "salt_pepper"]
    size: int = bounded(1)
    share: float = bounded(0, 1, open_low=True)


@dataclass(frozen=True)
class AnomalyParams:
    score: Literal["joint", "reconstruction", "laplace"]
    inference: Literal["draw", "mode"]
    held_out: int = bounded(0)
    chains: int = bounded(1)


@dataclass(frozen=True)
class FidParams:
    inception_file: str | None


@dataclass(frozen=True)
class DataParams:
    folder: str
    download: bool


@dataclass(frozen=True)
class EngineParams:
    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["auto", "bfloat16", "float32"]
    compile: Literal["auto", "always", "never"]
    chunk: int | Auto = bounded(1)


@dataclass(frozen=True)
class PrepareSettings:
    n_train: int | None = bounded(1)
    n_test: int | None = bounded(1)


@dataclass(frozen=True)
class ExtractorSettings:
    epochs: int = bounded(1)


@dataclass(frozen=True)
class RoundsSettings:
    complete: int = bounded(1)
    normal: int = bounded(1)
    occluded: int = bounded(1)


@dataclass(frozen=True)
class RegressionSettings:
    complete: int = bounded(0)
    normal: int = bounded(0)
    occluded: int = bounded(0)


@dataclass(frozen=True)
class TrainSettings:
    K: int = bounded(1)
    L: int = bounded(1)
    L2: int = bounded(1)
    batch_size: int = bounded(2)  # samples inferred before the generator learns from them
    minibatch: int = bounded(2)  # samples per Adam step; BatchNorm has no statistics of one sample
    learning_rate: float = bounded(0, 1, open_low=True)
    regression_passes: RegressionSettings = field()  # type: ignore[assignment]
    rounds: RoundsSettings = field()  # type: ignore[assignment]


@dataclass(frozen=True)
class EvaluateSettings:
    reconstruct_steps: int = bounded(1)
    anomaly_steps: int = bounded(1)
    recover_steps: int = bounded(1)
    n_generated: int = bounded(2)


@dataclass(frozen=True)
class ProfileSettings:
    prepare: PrepareSettings
    extractor: ExtractorSettings
    train: TrainSettings
    evaluate: EvaluateSettings


@dataclass(frozen=True)
class Profiles:
    smoke: ProfileSettings
    embedded: ProfileSettings
    paper: ProfileSettings


@dataclass(frozen=True)
class Params:
    """The whole of params.yaml; the properties resolve `auto`."""

    profile: Profile
    dataset: Dataset
    seed: int = bounded(0, 2**32 - 1)
    alpha: float = bounded(0, 1)
    s: float = bounded(0, open_low=True)
    K: int | Auto = bounded(1)
    L: int | Auto = bounded(1)
    L2: int | Auto = bounded(1)
    latent_dim: int | Auto = bounded(1)
    sigma: float = bounded(0, open_low=True)
    langevin: LangevinParams = field()  # type: ignore[assignment]
    learning: LearningParams = field()  # type: ignore[assignment]
    transport: TransportParams = field()  # type: ignore[assignment]
    mask: MaskParams = field()  # type: ignore[assignment]
    anomaly: AnomalyParams = field()  # type: ignore[assignment]
    fid: FidParams = field()  # type: ignore[assignment]
    data: DataParams = field()  # type: ignore[assignment]
    engine: EngineParams = field()  # type: ignore[assignment]
    profiles: Profiles = field()  # type: ignore[assignment]

    @property
    def profile_settings(self) -> ProfileSettings:
        """The chosen profile's numbers, with the top-level K, L, L2 and learning rate put in."""
        settings: ProfileSettings = getattr(self.profiles, self.profile)
        given = {"K": self.K, "L": self.L, "L2": self.L2, "learning_rate": self.learning.learning_rate}
        chosen = {key: value for key, value in given.items() if value != "auto"}
        return dataclasses.replace(settings, train=dataclasses.replace(settings.train, **chosen))

    @property
    def architecture(self) -> str:
        """The row of Table 1 that generates this data set's images."""
        return ARCHITECTURE_OF[self.dataset]

    @property
    def resolved_latent_dim(self) -> int:
        """Dimension of z: the given one, or Table 1's."""
        table1 = ARCHITECTURES[self.architecture].latent_dim
        return table1 if self.latent_dim == "auto" else self.latent_dim

    def resolve_langevin(self) -> LangevinParams:
        """Return the Langevin settings with the preset's values in the place of `auto`."""
        auto = {
            key: value
            for key, value in PRESETS[self.langevin.preset].items()
            if getattr(self.langevin, key) == "auto"
        }
        return dataclasses.replace(self.langevin, **auto)

    def flat(self) -> dict[str, Any]:
        """The settings in force as a flat dict with dotted keys, `auto` resolved, other profiles left out."""
        nested = dataclasses.asdict(self)
        del nested["profiles"]
        settings = dataclasses.asdict(self.profile_settings)
        train = settings["train"]
        nested.update({key: train[key] for key in ("K", "L", "L2")}, latent_dim=self.resolved_latent_dim)
        nested["learning"]["learning_rate"] = train["learning_rate"]
        nested["langevin"] = dataclasses.asdict(self.resolve_langevin())
        nested["profile_settings"] = settings
        return dict(flatten(nested))


def load_params(path: str | Path = "params.yaml") -> Params:
    """Read and validate params.yaml; raises ParamError with one line: key, value found, expected range."""
    return parse_params(read_yaml(path))


def parse_params(content: Any) -> Params:
    """Validate the parsed content of params.yaml; raises ParamError."""
    params: Params = parse_dataclass(Params, content, "")
    classes = N_CLASSES[params.dataset]
    if params.anomaly.held_out >= classes:
        raise ParamError(
            f"anomaly.held_out: found {params.anomaly.held_out}, expected a class of {params.dataset}, "
            f"0 to {classes - 1}"
        )
    if params.mask.kind != "salt_pepper" and params.mask.size > 64:
        raise ParamError(
            f"mask.size: found {params.mask.size}, expected 1 to 64 (pixels of a 64 x 64 image, "
            "scaled to the data set's)"
        )
    return params
