"""A few made images, and an extractor that has learned nothing."""

import numpy as np
import pytest
import torch

from models.networks.classifier import build_classifier
from pipeline.data.load import ImageSet
from pipeline.evaluation.features import extract_features


@pytest.fixture(scope="session")
def images():
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(0, 256, (120, 1, 7, 7)), np.ones((1, 1, 4, 4))).astype(np.uint8)
    labels = np.arange(120) % 10
    return ImageSet("mnist5k", "made here", pixels[:80], labels[:80], pixels[80:], labels[80:])


@pytest.fixture(scope="session")
def extract():
    classifier = build_classifier(1, 10, torch.Generator().manual_seed(0)).eval()
    return lambda batch: extract_features(classifier, batch)
