"""Which of Table 1's generators a user's own images get."""

from __future__ import annotations

import functools
from pathlib import Path

from pipeline.settings.yaml_files import ParamError
from pipeline.storage.pictures import list_classes

LARGEST_SMALL = 40  # pixels: up to there SVHN's 32 x 32 is nearer than CelebA's 64 x 64
GREY = ("1", "L", "LA", "I", "I;16", "F")


def count_classes(folder: str) -> int:
    """Count the class folders of a user's images, 1 for none; raises ParamError where there are no images."""
    try:
        return len(list_classes(Path(folder)))
    except ValueError as error:
        raise ParamError(str(error)) from None


@functools.cache  # settings are asked for it again and again, and a folder may be large
def choose_generator(folder: str) -> str:
    """Choose a row of Table 1 by the first image: mnist for a grey one, svhn for a small one, else celeba."""
    from PIL import Image  # nobody else who reads settings needs it

    try:
        first = next(iter(list_classes(Path(folder)).values()))[0]
        with Image.open(first) as image:
            size, mode = image.size, image.mode
    except (ValueError, OSError) as error:
        raise ParamError(f"data.images: {error}" if isinstance(error, OSError) else str(error)) from None
    if mode in GREY:
        return "mnist"
    return "svhn" if max(size) <= LARGEST_SMALL else "celeba"
