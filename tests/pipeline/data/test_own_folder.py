"""A user's folder of pictures as a data set: classes, splits that stay, files named when they are damaged."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from pipeline.data.load import DataError, load_dataset
from pipeline.data.own_folder import is_tested
from pipeline.settings.params import parse_params
from pipeline.settings.yaml_files import ParamError
from pipeline.storage.pictures import list_classes

ROOT = Path(__file__).parents[3]
CONTENT = yaml.safe_load((ROOT / "params.yaml").read_text())
SHAPE = (3, 32, 32)


def paint(path, seed, size=(32, 32), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    channels = {"RGB": (3,), "L": ()}[mode]
    Image.fromarray(rng.integers(0, 256, (*size[::-1], *channels), dtype=np.uint8)).save(path)
    return path


def load(folder, **choice):
    return load_dataset("folder", folder, image_shape=SHAPE, **choice)


@pytest.fixture
def folder(tmp_path):
    for number in range(60):
        paint(tmp_path / "photos" / ("cats", "dogs", "owls")[number % 3] / f"{number}.png", number)
    return tmp_path / "photos"


def test_class_folders_are_the_labels_of_torchvisions_image_folder(folder):
    from torchvision.datasets import ImageFolder

    reference = ImageFolder(folder)
    expected = {(Path(path).read_bytes(), label) for path, label in reference.samples}
    classes = list_classes(folder)
    assert list(classes) == reference.classes == ["cats", "dogs", "owls"]
    labelled = {(path.read_bytes(), n) for n, name in enumerate(classes) for path in classes[name]}
    assert labelled == expected
    images = load(folder)
    assert len(images.train_images) + len(images.test_images) == 60
    assert set(images.train_labels) == {0, 1, 2}


def test_a_picture_of_the_right_size_keeps_its_bytes(folder):
    images = load(folder)
    (path,) = (one for one in folder.rglob("4.png"))
    pixels = np.asarray(Image.open(path)).transpose(2, 0, 1)
    split = images.test_images if is_tested(path) else images.train_images
    assert any(np.array_equal(one, pixels) for one in split)


def test_a_file_that_comes_goes_or_is_renamed_moves_no_other_and_copies_stay_together(folder):
    tested = {path.name: is_tested(path) for path in folder.rglob("*.png")}
    assert 0 < sum(tested.values()) < 30
    before = load(folder)
    for number in range(60, 90):
        paint(folder / "cats" / f"{number}.png", number)
    shutil.copy(folder / "dogs" / "1.png", folder / "owls" / "copy.png")
    (folder / "dogs" / "4.png").rename(folder / "dogs" / "renamed.png")
    after = load(folder)
    for split in ("train", "test"):
        kept = {one.tobytes() for one in getattr(before, f"{split}_images")}
        assert kept <= {one.tobytes() for one in getattr(after, f"{split}_images")}
    assert is_tested(folder / "owls" / "copy.png") == tested["1.png"]
    assert is_tested(folder / "dogs" / "renamed.png") == tested["4.png"]


def test_without_class_folders_all_pictures_are_of_one_class(tmp_path):
    for number in range(20):
        paint(tmp_path / f"{number}.jpg", number, size=(50, 41))
    images = load(tmp_path)
    assert images.train_images.shape[1:] == SHAPE and set(images.train_labels) == {0}


def test_a_damaged_file_is_named(folder):
    broken = folder / "cats" / "3.png"
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(DataError, match=r"cats/3\.png: not a whole PNG or JPEG"):
        load(folder)


def test_what_is_no_data_set_is_one_line(tmp_path):
    with pytest.raises(DataError, match=r"found '.*nowhere', expected a folder of PNG or JPEG files"):
        load(tmp_path / "nowhere")
    (tmp_path / "empty" / "notes").mkdir(parents=True)
    (tmp_path / "empty" / "notes" / "a.txt").write_text("no picture")
    with pytest.raises(DataError, match=r"no \.png, \.jpg, \.jpeg file in"):
        load(tmp_path / "empty")
    paint(tmp_path / "mixed" / "a.png", 1)
    paint(tmp_path / "mixed" / "cats" / "b.png", 2)
    with pytest.raises(DataError, match="1 pictures beside 1 class folders"):
        load(tmp_path / "mixed")
    with pytest.raises(DataError, match="are to (train|test); expected 2 at least"):
        load(paint(tmp_path / "few" / "a.png", 1).parent)


@pytest.mark.parametrize(
    ("size", "mode", "row"),
    [((28, 28), "L", "mnist"), ((36, 30), "RGB", "svhn"), ((300, 200), "RGB", "celeba")],
)
def test_the_first_picture_chooses_the_generator_unless_it_is_named(tmp_path, size, mode, row):
    paint(tmp_path / "a" / "0.png", 0, size, mode)
    paint(tmp_path / "b" / "0.png", 1, size, mode)
    data = CONTENT["data"] | {"images": str(tmp_path)}
    content = CONTENT | {"dataset": "folder", "data": data, "anomaly": CONTENT["anomaly"] | {"held_out": 1}}
    assert parse_params(content).architecture.partition("/")[0] == row
    named = content | {"data": data | {"generator": "svhn"}}
    assert parse_params(named).architecture == "svhn/4"


def test_the_settings_name_what_is_wrong_with_a_users_folder(tmp_path):
    paint(tmp_path / "a" / "0.png", 0)
    paint(tmp_path / "b" / "0.png", 1)
    content = CONTENT | {"dataset": "folder", "data": CONTENT["data"] | {"images": str(tmp_path)}}
    with pytest.raises(ParamError, match="anomaly.held_out: found 4, expected a class of folder, 0 to 1"):
        parse_params(content)
    content["data"] = CONTENT["data"] | {"images": str(tmp_path / "nowhere")}
    with pytest.raises(ParamError, match="data.images: found '.*nowhere', expected a folder"):
        parse_params(content)
