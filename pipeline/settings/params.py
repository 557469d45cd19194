"""params.yaml as frozen dataclasses, every key validated before any work starts."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

from models.networks.architectures import DIVISORS, find_architecture
from pipeline.settings.own_generator import choose_generator, count_classes
from pipeline.settings.validation import Bounds, parse_dataclass
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
    "emoji": "celeba",  # a stand-in for CelebA
}
N_CLASSES = {
    "mnist5k": 10,
    "mnist": 10,
    "fashion_mnist": 10,
    "svhn": 10,
    "celeba": 2,  # the attribute Male
    "colour_digits": 10,
    "emoji": 9,  # pipeline.data.emoji.EMOJI_CLASSES
}
Auto = Literal["auto"]
Profile = Literal["smoke", "embedded", "recorded", "paper"]
Dataset = Literal["mnist5k", "mnist", "fashion_mnist", "svhn", "celeba", "colour_digits", "emoji", "folder"]
OWN_IMAGES = "folder"  # the data set that a user brings
Solver = Literal["auto", "exact", "sparse", "dual", "dual-adam", "bsp", "sliced"]
Preset = Literal["eq8", "authors-svhn", "authors-mnist"]
Initialisation = Literal["persistent", "noise"]
BatchNormStatistics = Literal["frozen", "batch"]
DriftCoefficient = Literal["half_square", "linear"]
DriftReduction = Literal["sum", "mean"]


class ChainPreset(TypedDict):
    """The Langevin settings that a preset fills in where they are ``auto``."""

    drift_coefficient: DriftCoefficient
    drift_reduction: DriftReduction
    noise_scale: float
    noise_decay: float
    batch_norm: BatchNormStatistics


PRESETS: dict[Preset, ChainPreset] = {  # conventions, section 1
    "eq8": {
        "drift_coefficient": "half_square",
        "drift_reduction": "sum",
        "noise_scale": 1.0,
        "noise_decay": 0.0,
        "batch_norm": "frozen",
    },
    "authors-svhn": {
        "drift_coefficient": "linear",
        "drift_reduction": "mean",
        "noise_scale": 0.1,
        "noise_decay": 0.01,
        "batch_norm": "batch",
    },
    "authors-mnist": {
        "drift_coefficient": "half_square",
        "drift_reduction": "mean",
        "noise_scale": 1.0,
        "noise_decay": 0.0,
        "batch_norm": "batch",
    },
}
ROUNDS_BETWEEN_DECAYS = 5  # of the noise in the authors' SVHN script, whose epoch is a round of L passes


@dataclass(frozen=True)
class LangevinParams:
    preset: Preset
    drift_coefficient: DriftCoefficient | Auto
    drift_reduction: DriftReduction | Auto
    noise_scale: Annotated[float | Auto, Bounds(0)]
    noise_decay: Annotated[float | Auto, Bounds(0)]
    noise_every: Annotated[int | Auto, Bounds(1)]
    initialisation: Initialisation
    batch_norm: BatchNormStatistics | Auto


@dataclass(frozen=True)
class ResolvedLangevin:
    """LangevinParams with the preset's values in the place of ``auto``."""

    preset: Preset
    drift_coefficient: DriftCoefficient
    drift_reduction: DriftReduction
    noise_scale: float
    noise_decay: float
    noise_every: int
    initialisation: Initialisation
    batch_norm: BatchNormStatistics


@dataclass(frozen=True)
class LearningParams:
    learning_rate: Annotated[float | Auto, Bounds(0, 1, open_low=True)]


@dataclass(frozen=True)
class TransportParams:
    solver: Solver
    epsilon: Annotated[float, Bounds(0, 1, open_low=True)]


@dataclass(frozen=True)
class MaskParams:
    kind: Literal["region", "two_regions", "salt_pepper"]
    side: Annotated[int, Bounds(1)]
    share: Annotated[float, Bounds(0, 1, open_low=True)]


@dataclass(frozen=True)
class AnomalyParams:
    score: Literal["joint", "reconstruction", "laplace"]
    inference: Literal["draw", "mode"]
    held_out: Annotated[int, Bounds(0)]
    chains: Annotated[int, Bounds(1)]


@dataclass(frozen=True)
class FidParams:
    inception_file: str | None


@dataclass(frozen=True)
class DataParams:
    folder: str
    download: bool
    images: str  # the user's own, of the data set ``folder``
    generator: Literal["auto", "mnist", "svhn", "celeba"]  # of Table 1, for them; auto: by their size


@dataclass(frozen=True)
class EngineParams:
    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["auto", "bfloat16", "float32"]
    compile: Literal["auto", "always", "never"]
    chunk: Annotated[int | Auto, Bounds(1)]


@dataclass(frozen=True)
class PrepareSettings:
    n_train: Annotated[int | None, Bounds(1)]
    n_test: Annotated[int | None, Bounds(1)]


@dataclass(frozen=True)
class ExtractorSettings:
    epochs: Annotated[int, Bounds(1)]


@dataclass(frozen=True)
class RoundsSettings:
    complete: Annotated[int, Bounds(1)]
    normal: Annotated[int, Bounds(1)]
    occluded: Annotated[int, Bounds(1)]


@dataclass(frozen=True)
class RegressionSettings:
    complete: Annotated[int, Bounds(0)]
    normal: Annotated[int, Bounds(0)]
    occluded: Annotated[int, Bounds(0)]


@dataclass(frozen=True)
class ChannelDivisors:
    mnist: Annotated[int, Bounds(1)]
    svhn: Annotated[int, Bounds(1)]
    celeba: Annotated[int, Bounds(1)]


@dataclass(frozen=True)
class TrainSettings:
    K: Annotated[int, Bounds(1)]
    L: Annotated[int, Bounds(1)]
    L2: Annotated[int, Bounds(1)]
    batch_size: Annotated[int, Bounds(2)]  # samples inferred before the generator learns from them
    minibatch: Annotated[int, Bounds(2)]  # samples per Adam step; BatchNorm has no statistics of one sample
    learning_rate: Annotated[float, Bounds(0, 1, open_low=True)]
    channels_divided_by: ChannelDivisors  # of Table 1's generators
    regression_passes: RegressionSettings
    rounds: RoundsSettings


@dataclass(frozen=True)
class EvaluateSettings:
    reconstruct_steps: Annotated[int, Bounds(1)]
    anomaly_steps: Annotated[int, Bounds(1)]
    recover_steps: Annotated[int, Bounds(1)]
    n_generated: Annotated[int, Bounds(2)]


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
    recorded: ProfileSettings
    paper: ProfileSettings


@dataclass(frozen=True)
class Params:
    """The whole of params.yaml; the properties resolve ``auto``."""

    profile: Profile
    dataset: Dataset
    seed: Annotated[int, Bounds(0, 2**32 - 1)]
    alpha: Annotated[float, Bounds(0, 1)]
    s: Annotated[float, Bounds(0, open_low=True)]
    K: Annotated[int | Auto, Bounds(1)]
    L: Annotated[int | Auto, Bounds(1)]
    L2: Annotated[int | Auto, Bounds(1)]
    latent_dim: Annotated[int | Auto, Bounds(1)]
    sigma: Annotated[float, Bounds(0, open_low=True)]
    langevin: LangevinParams
    learning: LearningParams
    transport: TransportParams
    mask: MaskParams
    anomaly: AnomalyParams
    fid: FidParams
    data: DataParams
    engine: EngineParams
    profiles: Profiles

    @property
    def profile_settings(self) -> ProfileSettings:
        """The chosen profile's numbers, with the top-level K, L, L2 and learning rate put in."""
        settings: ProfileSettings = getattr(self.profiles, self.profile)
        train, rate = settings.train, self.learning.learning_rate
        chosen = dataclasses.replace(
            train,
            K=train.K if self.K == "auto" else self.K,
            L=train.L if self.L == "auto" else self.L,
            L2=train.L2 if self.L2 == "auto" else self.L2,
            learning_rate=train.learning_rate if rate == "auto" else rate,
        )
        return dataclasses.replace(settings, train=chosen)

    @property
    def architecture(self) -> str:
        """The row of Table 1 that generates this data set's images, and what its channels are divided by."""
        row = self._find_row()
        divisor = getattr(self.profile_settings.train.channels_divided_by, row)
        return row if divisor == 1 else f"{row}/{divisor}"

    def _find_row(self) -> str:
        if self.dataset != OWN_IMAGES:
            return ARCHITECTURE_OF[self.dataset]
        named = self.data.generator
        return choose_generator(self.data.images) if named == "auto" else named

    @property
    def resolved_latent_dim(self) -> int:
        """Dimension of z: the given one, or Table 1's."""
        table1 = find_architecture(self.architecture).latent_dim
        return table1 if self.latent_dim == "auto" else self.latent_dim

    def resolve_langevin(self) -> ResolvedLangevin:
        """Return the Langevin settings with the preset's values in the place of ``auto``."""
        given, preset = self.langevin, PRESETS[self.langevin.preset]
        coefficient, reduction = given.drift_coefficient, given.drift_reduction
        scale, decay, every = given.noise_scale, given.noise_decay, given.noise_every
        passes = ROUNDS_BETWEEN_DECAYS * self.profile_settings.train.L
        return ResolvedLangevin(
            preset=given.preset,
            drift_coefficient=preset["drift_coefficient"] if coefficient == "auto" else coefficient,
            drift_reduction=preset["drift_reduction"] if reduction == "auto" else reduction,
            noise_scale=preset["noise_scale"] if scale == "auto" else scale,
            noise_decay=preset["noise_decay"] if decay == "auto" else decay,
            noise_every=passes if every == "auto" else every,
            initialisation=given.initialisation,
            batch_norm=preset["batch_norm"] if given.batch_norm == "auto" else given.batch_norm,
        )

    def flat(self) -> dict[str, Any]:
        """The settings in force by dotted name, ``auto`` resolved, other profiles left out."""
        nested = dataclasses.asdict(self)
        del nested["profiles"]
        settings = dataclasses.asdict(self.profile_settings)
        train = settings["train"]
        nested.update({key: train[key] for key in ("K", "L", "L2")}, latent_dim=self.resolved_latent_dim)
        nested["learning"]["learning_rate"] = train["learning_rate"]
        nested["data"]["generator"] = self._find_row()
        nested["langevin"] = dataclasses.asdict(self.resolve_langevin())
        nested["profile_settings"] = settings
        return dict(flatten(nested))


def load_params(path: str | Path = "params.yaml", profile: str | None = None) -> Params:
    """Read and validate params.yaml, with another ``profile`` than it names where one is given.

    Raises ParamError with one line: key, value found, expected range.
    """
    content = read_yaml(path)
    return parse_params(content if profile is None else {**content, "profile": profile})


def parse_params(content: Any) -> Params:
    """Validate the parsed content of params.yaml; raises ParamError."""
    params = parse_dataclass(Params, content, "")
    own = params.dataset == OWN_IMAGES
    classes = count_classes(params.data.images) if own else N_CLASSES[params.dataset]
    if params.anomaly.held_out >= classes:
        raise ParamError(
            f"anomaly.held_out: found {params.anomaly.held_out}, expected a class of {params.dataset}, "
            f"0 to {classes - 1}"
        )
    if params.mask.kind != "salt_pepper" and params.mask.side > 64:
        raise ParamError(
            f"mask.side: found {params.mask.side}, expected 1 to 64 (pixels of a 64 x 64 image, "
            "scaled to the data set's)"
        )
    for profile in typing.get_args(Profile):
        divisors = dataclasses.asdict(getattr(params.profiles, profile).train.channels_divided_by)
        for row, divisor in divisors.items():
            if divisor not in DIVISORS:
                raise ParamError(
                    f"profiles.{profile}.train.channels_divided_by.{row}: found {divisor}, expected one of "
                    f"{', '.join(map(str, DIVISORS))}"
                )
    return params
