"""The embedded feature extractor: trained on the data set's own labels, stored, used in Inception's place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from models.classifier import Classifier, build_classifier
from pipeline.checkpoints import load_tensors, save_tensors
from pipeline.frechet import load_inception
from pipeline.inference import to_unit

BATCH_SIZE = 100
LEARNING_RATE = 2e-3


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
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return classifier.eval()


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
    """Write a classifier of images with ``channels`` channels so that `open_extractor` finds it."""
    weights = classifier.state_dict()
    save_tensors(path, {"channels": channels, "n_classes": classifier.head.out_features, "weights": weights})


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
