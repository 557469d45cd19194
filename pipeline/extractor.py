"""Training of the embedded feature extractor on the data set's own labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from models.classifier import Classifier, build_classifier
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
