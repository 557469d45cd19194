"""Copies are told from samples of the same source, and coverage is what another program says."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from models.interface import make_rng
from pipeline.evaluation.coverage import find_nearest, measure_coverage, pick_nearest, share_nearer

SHAPE = (1, 4, 4)


@pytest.fixture
def draw():
    """A function that draws images of one source."""
    rng = make_rng(3)
    return lambda n: torch.rand((n, *SHAPE), generator=rng)


def test_the_nearest_image_is_what_another_library_finds(draw):
    samples, images = draw(700), draw(90)
    found = find_nearest(samples, images)
    library = NearestNeighbors(n_neighbors=1).fit(images.flatten(1).double().numpy())
    distances, indices = library.kneighbors(samples.flatten(1).double().numpy())
    assert np.array_equal(found.indices.numpy(), indices[:, 0])
    np.testing.assert_allclose(found.distances.numpy(), distances[:, 0], rtol=1e-5)


def test_bytes_and_their_shares_of_255_have_the_same_neighbours(draw):
    images = (draw(30) * 255).to(torch.uint8)
    found = find_nearest(images, images.float() / 255)
    assert torch.equal(found.indices, torch.arange(30))
    assert found.distances.max() < 1e-6


def test_copies_are_all_nearer_to_training_images_and_new_draws_half_of_the_time(draw):
    training, unseen = draw(300), draw(300)
    blurred = training + 0.01 * draw(300)
    assert share_nearer(blurred, training, unseen) == 1
    assert share_nearer(unseen, training, unseen) == 0
    new = share_nearer(draw(4000), training, unseen)
    assert abs(new - 0.5) < 0.06  # both sets are small: their own luck, not that of 4,000 draws


def test_images_of_poor_quality_are_no_copies_over_many_sets(draw):
    """Of one pair of sets they may all have the same outlier as neighbour, so its share is 0 or 1."""
    shares = [share_nearer(3 + draw(20), draw(30), draw(30)) for _ in range(400)]
    assert abs(np.mean(shares) - 0.5) < 4 * np.std(shares) / 20 < 0.12


def test_copies_are_picked_first_with_what_they_are_copies_of(draw):
    samples, training, unseen = draw(300), draw(40), draw(40)
    samples[7:23] = training[:16]
    picked, near, other = pick_nearest(samples, training, unseen)
    assert torch.equal(picked, near) and not torch.equal(picked, other)
    assert {tuple(one.flatten().tolist()) for one in picked} == {
        tuple(one.flatten().tolist()) for one in training[:16]
    }


def test_what_is_picked_of_bytes_can_be_drawn_beside_samples(draw):
    images = (draw(30) * 255).to(torch.uint8)
    picked, near, other = pick_nearest(images.float() / 255, images, images.flip(0), count=5)
    for one in (picked, near, other):
        assert one.dtype == torch.float32 and len(one) == 5 and 0.2 < one.max() <= 1
    torch.testing.assert_close(picked, near)


def test_a_tie_counts_half(draw):
    images = draw(20)
    assert share_nearer(draw(50), images, images.flip(0)) == 0.5


def test_sets_of_unequal_size_are_refused(draw):
    with pytest.raises(ValueError, match="found 20 training images and 30 unseen ones, expected as many"):
        share_nearer(draw(5), draw(20), draw(30))


def test_precision_and_recall_are_those_of_their_definition():
    rng = make_rng(5)
    real = torch.randn((120, 6), generator=rng, dtype=torch.float64)
    generated = 0.5 * torch.randn((150, 6), generator=rng, dtype=torch.float64)

    def cover(points, centres):
        """The share of points within a centre's distance to its third neighbour."""
        radius = NearestNeighbors(n_neighbors=4).fit(centres).kneighbors(centres)[0][:, 3]
        distances = np.linalg.norm(points[:, None] - centres[None], axis=-1)
        return (distances <= radius).any(1).mean()

    precision, recall = measure_coverage(generated, real)
    assert precision == pytest.approx(cover(generated.numpy(), real.numpy()))
    assert recall == pytest.approx(cover(real.numpy(), generated.numpy()))
    assert precision > recall  # a narrow copy of the source hits it and leaves its edge out
