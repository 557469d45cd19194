"""The stand-ins for SVHN and CelebA: real, legible, the same everywhere, no photograph in both splits."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from pipeline.data import stand_ins
from pipeline.data.image_folder import DataError
from pipeline.data.load import load_dataset
from pipeline.data.readers import Split
from pipeline.data.stand_ins import (
    DIGIT_CONTRAST,
    LUMINANCE,
    N_PATCHES,
    PATCH_CLASSES,
    PHOTOGRAPHS,
    cut_patches,
    find_photograph,
    label_patch,
    read_photographs,
)
from pipeline.settings.params import ARCHITECTURE_OF, N_CLASSES

DIGESTS = {
    "colour_digits": "57ba96717c21e558e43600bd18d32f4b8c0410d57668598cacf968b1e77b46fa",
    "photo_patches": "0afd8ac4facd3f77c241e6ec90d5f829155b64a5762efa25a7d34293749922d1",
}


def raises_line(*parts: str):
    """Expect a DataError of one line that holds all parts."""
    return pytest.raises(
        DataError, check=lambda error: "\n" not in str(error) and all(part in str(error) for part in parts)
    )


@pytest.fixture(scope="module")
def digits():
    return load_dataset("colour_digits", "unused")


@pytest.fixture(scope="module")
def mnist5k():
    return load_dataset("mnist5k", "unused")


@pytest.fixture(scope="module")
def patches():
    return {split: cut_patches(split) for split in PHOTOGRAPHS}


@pytest.fixture(scope="module")
def photo_patches():
    return load_dataset("photo_patches", "unused")


@pytest.mark.parametrize(("name", "size"), [("colour_digits", 32), ("photo_patches", 64)])
def test_images_fit_the_papers_generator_and_never_change(name, size, digits, photo_patches):
    images = {"colour_digits": digits, "photo_patches": photo_patches}[name]
    n_train = {"colour_digits": 4000, "photo_patches": 6000}[name]
    assert images.train_images.shape == (n_train, 3, size, size)
    assert images.test_images.shape == (1000, 3, size, size)
    assert images.train_images.dtype == images.test_images.dtype == np.uint8
    assert images.train_labels.dtype == images.test_labels.dtype == np.int64
    assert ARCHITECTURE_OF[name] == {32: "svhn", 64: "celeba"}[size]
    assert images.digest == DIGESTS[name]


@pytest.mark.parametrize("name", DIGESTS)
def test_a_choice_holds_the_same_images_whatever_the_seed(name, digits, photo_patches):
    images = {"colour_digits": digits, "photo_patches": photo_patches}[name]
    some = load_dataset(name, "unused", n_train=60, n_test=40, seed=9)
    for split in ("train", "test"):
        known = {
            image.tobytes(): label
            for image, label in zip(images.arrays[f"{split}_images"], images.labels[split], strict=True)
        }
        for image, label in zip(some.arrays[f"{split}_images"], some.labels[split], strict=True):
            assert known[image.tobytes()] == label


@pytest.mark.parametrize("name", DIGESTS)
def test_every_class_has_a_fair_share_of_both_splits(name, digits, photo_patches):
    images = {"colour_digits": digits, "photo_patches": photo_patches}[name]
    for labels in images.labels.values():
        shares = np.bincount(labels) / len(labels)
        assert len(shares) == N_CLASSES[name]
        assert shares.min() > 0.4 / N_CLASSES[name]
        assert shares.max() < 2 / N_CLASSES[name]


# Photographs


def test_no_photograph_serves_both_splits():
    train, test = PHOTOGRAPHS["train"], PHOTOGRAPHS["test"]
    assert len(train) == 6 and len(test) == 3
    assert not set(train) & set(test)
    assert not set(train.values()) & set(test.values())


def test_photographs_are_in_colour_and_larger_than_a_patch():
    for split in PHOTOGRAPHS:
        for photograph in read_photographs(split).values():
            pixels = np.asarray(photograph).astype(int)
            assert min(photograph.size) >= 300
            assert np.mean(pixels.max(axis=2) - pixels.min(axis=2) > 16) > 0.3


@pytest.fixture
def copied_photographs(tmp_path, monkeypatch):
    """Copies of the photographs that a test may damage."""
    for key in [key for keys in PHOTOGRAPHS.values() for key in keys]:
        shutil.copy(find_photograph(key), tmp_path)
    monkeypatch.setattr(stand_ins, "find_photograph", lambda key: tmp_path / key.split("/")[1])
    return tmp_path


OPEN = {
    "photo_patches": stand_ins.open_photo_patches,
    "colour_digits": lambda: stand_ins.open_colour_digits(dict.fromkeys(PHOTOGRAPHS, Split(np.arange(2), 0))),
}


@pytest.mark.parametrize("name", DIGESTS)
@pytest.mark.parametrize(
    ("photograph", "distribution"),
    [("chelsea.png", "scikit-image"), ("china.jpg", "scikit-learn"), ("grace_hopper.jpg", "matplotlib")],
)
def test_missing_or_changed_photograph_is_one_line_with_the_file(
    copied_photographs, monkeypatch, name, photograph, distribution
):
    monkeypatch.setattr(stand_ins, "N_PATCHES", {"train": 10, "test": 10})
    OPEN[name]()
    path = copied_photographs / photograph
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    with raises_line(str(path), "sha256", "found; should be", f"the {distribution} of requirements.lock"):
        OPEN[name]()
    path.unlink()
    with raises_line(str(path), "file is missing", f"the {distribution} of requirements.lock"):
        OPEN[name]()


def test_missing_package_is_one_line_with_its_name(monkeypatch):
    monkeypatch.setattr(stand_ins, "find_spec", lambda package: None)
    with raises_line("skimage/astronaut.png", "package scikit-image is missing"):
        load_dataset("photo_patches", "unused")


# colour_digits


def test_labels_are_those_of_mnist5k(digits, mnist5k):
    for split in ("train", "test"):
        np.testing.assert_array_equal(digits.labels[split], mnist5k.labels[split])


def correlate_with_digits(images: np.ndarray, digits: np.ndarray) -> np.ndarray:
    """Absolute correlation (N,) of luminance and digit (N, 1, 28, 28), at the best of its 25 places."""
    luminance = images.transpose(0, 2, 3, 1) @ LUMINANCE
    found = []
    for top in range(5):
        for left in range(5):
            mask = np.pad(digits[:, 0] / 255, ((0, 0), (top, 4 - top), (left, 4 - left)))
            pair = [part.reshape(len(part), -1) for part in (luminance, mask)]
            pair = [part - part.mean(axis=1, keepdims=True) for part in pair]
            scale = np.sqrt(np.prod([(part**2).sum(axis=1) for part in pair], axis=0))
            found.append(np.abs((pair[0] * pair[1]).sum(axis=1)) / scale)
    return np.max(found, axis=0)


@pytest.mark.parametrize("split", ["train", "test"])
def test_digits_are_legible(digits, mnist5k, split):
    images, grey = digits.arrays[f"{split}_images"], mnist5k.arrays[f"{split}_images"]
    correlation = correlate_with_digits(images, grey)
    assert correlation.min() > 0.5
    assert np.quantile(correlation, 0.05) > 0.7
    assert correlation.mean() > 0.9
    # Another digit's shape correlates far less: it is this digit that is seen.
    assert correlate_with_digits(images, np.roll(grey, 1, axis=0)).mean() < 0.5


def test_a_digit_has_one_colour_that_contrasts_with_its_background(digits, mnist5k):
    solid = stand_ins._blend_digit(
        np.full((28, 28), 255, np.uint8), np.zeros((32, 32, 3), np.uint8), np.random.default_rng(0)
    )
    assert len(np.unique(solid.reshape(-1, 3), axis=0)) == 2  # the colour and the black frame
    assert (solid @ LUMINANCE).max() >= DIGIT_CONTRAST
    nothing = np.zeros((28, 28), np.uint8)
    background = np.random.default_rng(0).integers(256, size=(32, 32, 3), dtype=np.uint8)
    blended = stand_ins._blend_digit(nothing, background, np.random.default_rng(0))
    np.testing.assert_array_equal(blended, background)


# photo_patches


def test_patches_come_from_their_splits_photographs_in_equal_shares(patches):
    for split, found in patches.items():
        names, counts = np.unique(found.photographs, return_counts=True)
        assert set(names) == set(PHOTOGRAPHS[split])
        assert np.ptp(counts) <= 1 and counts.sum() == N_PATCHES[split]


def test_no_test_patch_shares_a_block_of_pixels_with_a_training_patch(patches):
    def hash_blocks(images: np.ndarray) -> set[int]:
        """All aligned 8 x 8 blocks with content, as they are and flipped."""
        blocks = images.reshape(len(images), 3, 8, 8, 8, 8).transpose(0, 2, 4, 1, 3, 5).reshape(-1, 3, 8, 8)
        blocks = blocks[np.ptp(blocks.reshape(len(blocks), -1), axis=1) > 8]
        return {hash(block.tobytes()) for block in np.concatenate([blocks, blocks[..., ::-1]])}

    train, test = (hash_blocks(patches[split].images) for split in ("train", "test"))
    assert len(test) > 50_000
    assert not train & test


def test_patches_are_varied(patches):
    for found in patches.values():
        # The largest crop of a square photograph has one place only, so a few may be drawn twice.
        assert len({image.tobytes() for image in found.images}) > 0.999 * len(found.images)
        luminance = found.images.transpose(0, 2, 3, 1) @ LUMINANCE
        assert luminance.std(axis=(1, 2)).min() >= 12


@pytest.mark.parametrize("hue", ["cool", "warm"])
@pytest.mark.parametrize("orientation", ["vertical", "falling", "horizontal", "rising"])
def test_the_label_is_hue_and_orientation(hue, orientation):
    y, x = np.mgrid[:64, :64]
    phase = {"vertical": x, "falling": x - y, "horizontal": y, "rising": x + y}[orientation]
    red, blue = (140, 90) if hue == "warm" else (90, 140)
    waves = np.round(60 * np.sin(phase / 4)).astype(int)
    patch = np.stack([red + waves, 120 + waves, blue + waves], axis=2).astype(np.uint8)
    assert PATCH_CLASSES[label_patch(patch)] == f"{hue}, {orientation} edges"
    flipped = {"falling": "rising", "rising": "falling"}.get(orientation, orientation)
    assert PATCH_CLASSES[label_patch(patch[:, ::-1])] == f"{hue}, {flipped} edges"


def test_labels_describe_the_patches_as_stored(photo_patches):
    patches = photo_patches.test_images.transpose(0, 2, 3, 1)
    assert [label_patch(patch) for patch in patches] == photo_patches.test_labels.tolist()
    assert len(PATCH_CLASSES) == N_CLASSES["photo_patches"]
