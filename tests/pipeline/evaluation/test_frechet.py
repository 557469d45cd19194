import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from models.interface import FittedMethod
from pipeline.evaluation.features import extract_features, load_inception, measure_accuracy, train_classifier
from pipeline.evaluation.frechet import compute_frechet_distance, take_reference


def features(mean, scale, n=400, dim=6, seed=0):
    rng = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dim, dim, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    return torch.randn(n, dim, generator=rng, dtype=torch.float64) @ mixing * scale + mean


def test_the_distance_agrees_with_the_matrix_square_root_of_scipy():
    first, second = features(0.0, 1.0), features(0.3, 1.5, seed=1)
    covariances = [np.cov(part.numpy().T) for part in (first, second)]
    shift = (first.mean(0) - second.mean(0)).square().sum().item()
    root = sqrtm(covariances[0] @ covariances[1]).real
    expected = shift + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert compute_frechet_distance(first, second) == pytest.approx(expected, rel=1e-8)


def test_equal_sets_are_at_distance_zero_and_a_shift_at_its_square():
    first = features(0.0, 1.0)
    assert compute_frechet_distance(first, first) == pytest.approx(0, abs=1e-8)
    assert compute_frechet_distance(first, first + 2) == pytest.approx(6 * 4, rel=1e-6)


def test_an_absent_or_foreign_inception_file_is_named(tmp_path):
    path = tmp_path / "weights.pth"
    with pytest.raises(ValueError, match="fid.inception_file: .*weights.pth not found"):
        load_inception(path)
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"has SHA-256 .*, expected 6726825d"):
        load_inception(path)


def test_the_extractor_learns_the_labels_and_is_reproducible():
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(100) % 2
    images = torch.randint(0, 60, (100, 1, 28, 28), generator=rng, dtype=torch.uint8)
    images[labels == 1, :, :14] += 150
    train = [train_classifier(images, labels, 12, torch.Generator().manual_seed(1)) for _ in range(2)]
    assert measure_accuracy(train[0], images, labels) == 1.0
    found = extract_features(train[0], images)
    assert found.shape == (100, 64) and found.dtype == torch.float64
    assert torch.equal(found, extract_features(train[1], images))


def test_samples_and_the_floor_are_measured_against_the_training_images():
    train, test = features(0.0, 1.0), features(0.0, 1.0, seed=1)

    class Shifted(FittedMethod):
        def sample(self, n):
            return train[:n] + 2

    reference = take_reference(lambda images: images, train)
    assert reference.measure_images(test) == compute_frechet_distance(test, train)
    assert reference.measure_samples(Shifted(), len(train)) == pytest.approx(6 * 4, rel=1e-6)
    assert reference.measure_samples(Shifted(), 100) == compute_frechet_distance(train[:100] + 2, train)
