"""Under what conditions a model's number was measured: numbers of equal conditions alone compare.

A mask that hides less is easier to fill in, two extractors measure two distances, and more samples lower
either; other images are another problem.
"""

from __future__ import annotations

import hashlib

from pipeline.settings.params import MaskParams, Params
from pipeline.storage import places
from pipeline.storage.files import project_root

SHORT = 8  # hexadecimal digits, of a digest for readers


def describe_conditions(params: Params, task: str, data_digest: str) -> str:
    """Describe what a number of a model of ``task`` depends on beside the model.

    ``data_digest`` is that of the images that the training had. Empty where they, or the extractor of a
    complete model's distance, are not here: then nothing compares.
    """
    measured = _describe_measurement(params, task)
    return f"{measured}, images {data_digest[:SHORT]}" if measured and data_digest else ""


def hash_conditions(conditions: str) -> str:
    """A name for conditions that is short enough for an alias."""
    return hashlib.sha256(conditions.encode()).hexdigest()[:SHORT]


def _describe_measurement(params: Params, task: str) -> str:
    numbers, anomaly = params.profile_settings.evaluate, params.anomaly
    if task == "occluded":
        return f"{_describe_mask(params.mask)}, {numbers.recover_steps} steps"
    if task == "normal":
        return (
            f"class {anomaly.held_out} held out, score {anomaly.score}, {anomaly.inference} of "
            f"{anomaly.chains} chains, {numbers.anomaly_steps} steps"
        )
    extractor = _describe_extractor(params.fid.inception_file)
    return f"{extractor}, {numbers.n_generated} samples" if extractor else ""


def _describe_mask(mask: MaskParams) -> str:
    hidden = f"share {mask.share:g}" if mask.kind == "salt_pepper" else f"side {mask.side}"
    return f"mask {mask.kind}, {hidden}"


def _describe_extractor(inception_file: str | None) -> str:
    path = places.EXTRACTOR if inception_file is None else project_root() / inception_file
    if not path.exists():
        return ""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{'classifier' if inception_file is None else 'Inception'} {digest[:SHORT]}"
