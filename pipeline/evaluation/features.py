"""What images are compared in: Inception's features, or the embedded extractor's in their place.

The embedded one is trained on the data set's own labels, and stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from models.descent import descend
from models.images import to_unit
from models.networks.classifier import Classifier, build_classifier
from pipeline.storage.checkpoints import load_tensors, save_tensors

BATCH_SIZE = 100
LEARNING_RATE = 2e-3
ABOVE_CHANCE = 0.15  # of the way from chance to perfect that an extractor must have gone


def train_classifier(
    images: Tensor, labels: Tensor, epochs: int, rng: torch.Generator, device: str = "cpu"
) -> Classifier:
    """Train a classifier by Adam with a one-cycle learning rate; draws weights and batches from ``rng``.

    ``images``: (N, C, H, W) uint8; ``labels``: (N,) int64, classes 0, 1, ...
    """
    classifier = build_classifier(images.shape[1], int(labels.max()) + 1, rng).to(device)
    optimiser = torch.optim.Adam(classifier.parameters(), lr=LEARNING_RATE, fused=True)
    n_batches = -(-len(images) // BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=LEARNING_RATE, total_steps=max(2, epochs * n_batches)
    )
    for _ in tqdm(range(epochs), unit="epoch", disable=None):
        for rows in torch.randperm(len(images), generator=rng).split(BATCH_SIZE):
            scores = classifier(to_unit(images[rows].to(device)))
            loss = functional.cross_entropy(scores, labels[rows].to(device))
            descend(optimiser, loss)
            schedule.step()
    return classifier.eval()


def turn(images: Tensor) -> tuple[Tensor, Tensor]:
    """Turn square images (N, C, H, W) by 0, 90, 180 and 270 degrees: (4 N, C, H, W), quarter turns (4 N,).

    What images without classes are told apart by: Gidaris, Singh and Komodakis, *Unsupervised Representation
    Learning by Predicting Image Rotations* (ICLR 2018).
    """
    turned = torch.cat([torch.rot90(images, quarter, (2, 3)) for quarter in range(4)])
    return turned, torch.arange(4).repeat_interleave(len(images))


@torch.no_grad()
def measure_accuracy(classifier: Classifier, images: Tensor, labels: Tensor) -> float:
    """Share of images (N, C, H, W) that the classifier labels as ``labels`` (N,)."""
    device = next(classifier.parameters()).device
    hits = [
        (classifier(to_unit(images[rows].to(device))).argmax(1).cpu() == labels[rows]).sum()
        for rows in torch.arange(len(images)).split(500)
    ]
    return float(torch.stack(hits).sum()) / len(images)


@torch.no_grad()
def extract_features(classifier: Classifier, images: Tensor) -> Tensor:
    """Features (N, 64) float64 on the CPU, of images (N, C, H, W), uint8 or float in [0, 1]."""
    device = next(classifier.parameters()).device
    parts = [classifier.extract(to_unit(part.to(device))).double().cpu() for part in images.split(500)]
    return torch.cat(parts)


def save_classifier(path: Path, classifier: Classifier, channels: int) -> None:
    """Write a classifier of images with ``channels`` channels so that ``open_extractor`` finds it."""
    weights = classifier.state_dict()
    save_tensors(path, {"channels": channels, "n_classes": classifier.head.out_features, "weights": weights})


def refuse_untrained(extractor: Mapping[str, Any]) -> str:
    """Why a classifier of this accuracy measures no distance; empty where it does.

    ``extractor``: its ``test_accuracy`` and number of ``classes``. Features of a classifier near chance
    hardly tell images apart: grey noise then has a small Frechet distance to anything.
    """
    accuracy, chance = extractor["test_accuracy"], 1 / extractor["classes"]
    needed = chance + ABOVE_CHANCE * (1 - chance)
    if accuracy >= needed:
        return ""
    return f"the extractor labels {accuracy:.0%} of the test images right, {needed:.0%} are needed"


@dataclass(frozen=True)
class FeatureExtractor:
    """``extract``: images (N, C, H, W) -> features (N, F) float64; ``digest`` tells two of them apart."""

    extract: Callable[[Tensor], Tensor]
    is_inception: bool
    digest: str


def open_extractor(path: Path, inception_file: Path | None) -> FeatureExtractor:
    """Inception where the user has its file, else the classifier stored at ``path``."""
    if inception_file is not None:
        return FeatureExtractor(load_inception(inception_file), True, inception_file.name)
    content = load_tensors(path)
    classifier = Classifier(content["channels"], content["n_classes"])
    classifier.load_state_dict(content["weights"])
    classifier.eval()
    digest = hashlib.sha256()
    for name, weight in content["weights"].items():
        digest.update(name.encode() + weight.numpy().tobytes())
    return FeatureExtractor(
        lambda images: extract_features(classifier, images), False, digest.hexdigest()[:16]
    )


INCEPTION_NAME = "weights-inception-2015-12-05-6726825d.pth"
INCEPTION_SHA256_PREFIX = "6726825d"  # the published file carries the start of its hash in its name
INCEPTION_MIN_SAMPLES = 2048  # fewer leave the covariance of 2,048 features singular


def load_inception(path: str | Path) -> Callable[[Tensor], Tensor]:
    """Load torch-fidelity's Inception from a local file; returns images -> features (N, 2048) float64.

    Images are (N, 1 or 3, H, W), uint8 or float in [0, 1]. Raises ValueError if the file is absent, its
    SHA-256 does not begin with 6726825d, or it holds anything but tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"fid.inception_file: {path} not found; expected {INCEPTION_NAME}, or null")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if not digest.startswith(INCEPTION_SHA256_PREFIX):
        raise ValueError(
            f"fid.inception_file: {path} has SHA-256 {digest[:8]}..., expected {INCEPTION_SHA256_PREFIX}... "
            f"({INCEPTION_NAME})"
        )
    from torch_fidelity.utils import create_feature_extractor  # brings torchvision along: seconds

    # torch-fidelity unpickles without restriction: what passes the restricted reading first cannot run code.
    torch.load(path, weights_only=True)
    extractor = create_feature_extractor(
        "inception-v3-compat",
        ["2048"],
        cuda=torch.cuda.is_available(),
        feature_extractor_weights_path=str(path),
        verbose=False,
    )
    device = next(extractor.parameters()).device

    @torch.no_grad()
    def extract(images: Tensor) -> Tensor:
        parts = [extractor(_to_rgb_bytes(part).to(device))[0].double().cpu() for part in images.split(50)]
        return torch.cat(parts)

    return extract


def _to_rgb_bytes(images: Tensor) -> Tensor:
    """(B, 1 or 3, H, W) -> (B, 3, H, W) uint8, as Inception's preprocessing expects."""
    pixels = (to_unit(images) * 255).round().clamp(0, 255).to(torch.uint8)
    return pixels.expand(-1, 3, -1, -1)
