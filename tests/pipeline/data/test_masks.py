"""Masks hide what they promise, exactly, and depend on the seed and the image's index alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from pipeline.data.masks import (
    MASK_KINDS,
    apply_masks,
    check_mask,
    make_masks,
    occlude_images,
    scale_mask_size,
)

sides = st.integers(1, 24)
seeds = st.integers(0, 2**32 - 1)
SETTINGS = {"none": {}, "region": {"size": 9}, "two_regions": {"size": 7}, "salt_pepper": {"share": 0.7}}


@settings(max_examples=40, deadline=None)
@given(height=sides, width=sides, seed=seeds, data=st.data())
def test_region_hides_one_full_square(height, width, seed, data):
    size = data.draw(st.integers(1, min(height, width)))
    for (mask,) in make_masks("region", range(4), height, width, seed, size=size):
        rows, columns = np.nonzero(mask == 0)
        assert len(rows) == size**2
        assert np.ptp(rows) == np.ptp(columns) == size - 1


@settings(max_examples=40, deadline=None)
@given(height=st.integers(2, 24), width=sides, seed=seeds, data=st.data())
def test_two_regions_never_overlap(height, width, seed, data):
    size = data.draw(st.integers(1, min(height, width, max(height, width) // 2)))
    for (mask,) in make_masks("two_regions", range(4), height, width, seed, size=size):
        hidden = mask == 0
        assert hidden.sum() == 2 * size**2
        # The first hidden pixel is a square's upper left corner; without that square a second one is left.
        top, left = np.argwhere(hidden)[0]
        assert hidden[top : top + size, left : left + size].all()
        hidden[top : top + size, left : left + size] = False
        rows, columns = np.nonzero(hidden)
        assert len(rows) == size**2
        assert np.ptp(rows) == np.ptp(columns) == size - 1


@settings(max_examples=40, deadline=None)
@given(height=sides, width=sides, seed=seeds, share=st.floats(0, 1))
def test_salt_pepper_hides_the_exact_share(height, width, seed, share):
    masks = make_masks("salt_pepper", range(4), height, width, seed, share=share)
    hidden = (masks == 0).sum(axis=(1, 2, 3))
    assert (hidden == round(share * height * width)).all()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_salt_pepper_is_made_of_3x3_patches_but_for_the_trimmed_one(share):
    for (mask,) in make_masks("salt_pepper", range(20), 64, 64, 3, share=share):
        hidden = np.pad(mask == 0, 3, constant_values=True)  # patches may stick out over the border
        in_patches = ndimage.binary_opening(hidden, np.ones((3, 3)))
        assert (hidden & ~in_patches).sum() < 9


def test_salt_pepper_hides_every_pixel_equally_often():
    n, share = 4000, 0.5
    frequency = 1 - make_masks("salt_pepper", range(n), 12, 12, 0, share=share).mean(axis=(0, 1))
    assert np.abs(frequency - share).max() < 5 * np.sqrt(share * (1 - share) / n)


def test_region_is_at_every_place_equally_often():
    n, places = 4000, 5 * 5
    masks = make_masks("region", range(n), 8, 8, 0, size=4)[:, 0]
    corners = [tuple(np.argwhere(mask == 0)[0]) for mask in masks]
    counts = np.unique(corners, axis=0, return_counts=True)[1]
    assert len(counts) == places
    assert np.abs(counts - n / places).max() < 5 * np.sqrt(n / places)


def test_two_regions_are_at_every_pair_of_places_equally_often():
    # 3 x 3 images, squares of 1: 9 * 8 / 2 = 36 unordered pairs.
    n, pairs = 3600, 36
    masks = make_masks("two_regions", range(n), 3, 3, 0, size=1).reshape(n, 9)
    counts = np.unique(masks, axis=0, return_counts=True)[1]
    assert len(counts) == pairs
    assert np.abs(counts - n / pairs).max() < 5 * np.sqrt(n / pairs)


@pytest.mark.parametrize("kind", MASK_KINDS)
def test_mask_depends_on_seed_and_index_alone(kind):
    def make(indices, seed):
        return make_masks(kind, indices, 28, 28, seed, **SETTINGS[kind])

    masks = make(range(30), 7)
    assert masks.shape == (30, 1, 28, 28)
    assert masks.dtype == np.uint8
    assert set(np.unique(masks)) <= {0, 1}
    order = np.array([29, 3, 17, 3])
    np.testing.assert_array_equal(make(order, 7), masks[order])
    if kind == "none":
        assert masks.all()
    else:
        assert len(np.unique(masks.reshape(30, -1), axis=0)) > 20
        assert (make(range(30), 8) != masks).any()


def test_everything_and_nothing_can_be_hidden():
    assert not make_masks("salt_pepper", range(2), 28, 28, 0, share=1.0).any()
    assert make_masks("salt_pepper", range(2), 28, 28, 0, share=0.0).all()
    assert not make_masks("region", range(2), 28, 28, 0, size=28).any()


def test_apply_masks_blackens_hidden_pixels_in_all_channels():
    images = np.random.default_rng(0).integers(1, 256, (6, 3, 16, 16), dtype=np.uint8)
    visible = make_masks("salt_pepper", range(6), 16, 16, 0, share=0.6)
    occluded = apply_masks(images, visible)
    shown = np.broadcast_to(visible == 1, images.shape)
    assert occluded.dtype == np.uint8
    np.testing.assert_array_equal(occluded[shown], images[shown])
    assert not occluded[~shown].any()


@pytest.mark.parametrize(
    ("image_size", "expected"),
    [
        (64, [15, 16, 20, 25, 30, 32, 35, 40, 45]),
        (32, [8, 8, 10, 13, 15, 16, 18, 20, 23]),
        (28, [7, 7, 9, 11, 13, 14, 15, 18, 20]),
    ],
)
def test_paper_sizes_scale_as_documented(image_size, expected):
    assert [scale_mask_size(m, image_size) for m in (15, 16, 20, 25, 30, 32, 35, 40, 45)] == expected


@pytest.mark.parametrize(
    ("kind", "size", "share", "message"),
    [
        ("region", 29, 0, r"mask\.side: 29 pixels on a 28 x 28 image found; should be 1 to 28"),
        ("region", 0, 0, r"mask\.side: 0 pixels .* should be 1 to 28"),
        ("two_regions", 15, 0, r"mask\.side: 15 .* should be 1 to 14 for two_regions"),
        ("salt_pepper", 0, 1.01, r"mask\.share: 1\.01 found; should be in \[0, 1\]"),
        ("salt_pepper", 0, float("nan"), r"mask\.share: nan found"),
        ("x; rm -rf", 1, 0, r"mask\.kind: 'x; rm -rf' found; should be one of none, region"),
    ],
)
def test_mask_that_does_not_fit_is_one_line(kind, size, share, message):
    with pytest.raises(ValueError, match=message) as caught:
        check_mask(kind, size, share, 28, 28)
    assert "\n" not in str(caught.value)


def test_occluded_images_are_masked_by_their_number_with_a_scaled_region():
    images = np.full((5, 3, 32, 32), 7, dtype=np.uint8)
    occlusion = occlude_images(images, "region", side=30, share=0.0, seed=1)
    assert occlusion.size == 15
    np.testing.assert_array_equal(occlusion.visible, make_masks("region", range(5), 32, 32, 1, size=15))
    np.testing.assert_array_equal(occlusion.images, 7 * np.broadcast_to(occlusion.visible, images.shape))
