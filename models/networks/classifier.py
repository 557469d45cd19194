"""The embedded feature extractor: a small convolutional classifier of the data set's own labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

FEATURE_DIM = 64


class Classifier(nn.Module):
    """A small convolutional classifier: images (B, C, H, W) in [0, 1] -> class scores (B, n_classes).

    ``extract`` gives the penultimate features. Images may have any size: the last feature map is averaged to
    3 x 3, so that where things are still counts.
    """

    def __init__(self, channels: int, n_classes: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(3),
            nn.Flatten(),
            nn.Linear(64 * 9, FEATURE_DIM),
            nn.ReLU(),
        )
        self.head = nn.Linear(FEATURE_DIM, n_classes)

    def extract(self, images: Tensor) -> Tensor:
        """Features (B, 64) of images (B, C, H, W) in [0, 1]."""
        return self.body(images)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images))


def build_classifier(channels: int, n_classes: int, rng: torch.Generator) -> Classifier:
    """Build a classifier with He normal weights and zero biases drawn from ``rng``."""
    with torch.device("meta"):
        classifier = Classifier(channels, n_classes)
    classifier = classifier.to_empty(device="cpu")
    for module in classifier.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=rng)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return classifier
