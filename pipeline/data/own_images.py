"""A user's PNG and JPEG files as images of a model's shape, converted as its training images were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pipeline.data.readers import CELEBA_CROP, CELEBA_SIZE, JPEG_ERRORS, one_line

FORMATS = ("PNG", "JPEG")
Picture = Image.Image
# How training images came to their size: CelebA's faces and everything else bilinear, emoji bicubic.
RESAMPLING = {"emoji": Image.Resampling.BICUBIC}


def read_image(path: Path, shape: tuple[int, int, int], dataset: str) -> np.ndarray:
    """Read a PNG or JPEG of any size as uint8 (C, H, W), ``shape``.

    Turned upright as its camera says, laid over white where it is transparent, made grey or RGB, cropped to
    the middle square (for the ``dataset`` celeba a 178 x 218 image to 140 x 140) and resized. An image that
    has the shape already keeps its bytes. Raises ValueError naming the file.
    """
    channels, height, width = shape
    picture = _flatten(_open(path, lambda image: ImageOps.exif_transpose(image)))
    picture = picture.convert("L" if channels == 1 else "RGB")
    box = find_crop(picture.size, (width, height), dataset)
    resampling = RESAMPLING.get(dataset, Image.Resampling.BILINEAR)
    pixels = np.asarray(picture.crop(box).resize((width, height), resampling))
    return np.ascontiguousarray(pixels[None] if channels == 1 else pixels.transpose(2, 0, 1))


def read_mask(
    path: Path, image_size: tuple[int, int], shape: tuple[int, int, int], dataset: str
) -> np.ndarray:
    """Read a mask as uint8 (1, H, W): 1 where it is light and the pixel is seen, 0 where it is dark.

    It has the size of its image, ``image_size`` (width, height), or the model's; it is cropped and resized
    like the image, by nearest neighbours. Raises ValueError for another size.
    """
    _, height, width = shape
    picture = _flatten(_open(path, lambda image: ImageOps.exif_transpose(image))).convert("L")
    if picture.size not in (image_size, (width, height)):
        found, right = ("{} x {}".format(*size) for size in (picture.size, image_size))
        raise ValueError(
            f"{path}: a mask of {found} pixels found; should be {right} as its image, or {width} x {height}"
        )
    box = find_crop(picture.size, (width, height), dataset)
    pixels = np.asarray(picture.crop(box).resize((width, height), Image.Resampling.NEAREST))
    return (pixels >= 128).astype(np.uint8)[None]


def read_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels of a file, turned upright."""
    return _open(path, lambda image: ImageOps.exif_transpose(image)).size


def find_crop(size: tuple[int, int], wanted: tuple[int, int], dataset: str) -> tuple[int, int, int, int]:
    """The middle (left, top, right, bottom) of an image of ``size`` with the proportions of ``wanted``."""
    if dataset == "celeba" and size == CELEBA_SIZE:
        crop = (CELEBA_CROP, CELEBA_CROP)
    else:
        scale = min(size[0] / wanted[0], size[1] / wanted[1])
        crop = (max(1, round(wanted[0] * scale)), max(1, round(wanted[1] * scale)))
    left, top = ((side - part) // 2 for side, part in zip(size, crop, strict=True))
    return left, top, left + crop[0], top + crop[1]


def _open(path: Path, work: Callable[[Picture], Picture]) -> Picture:
    """Decode a file whole; raises ValueError with one line."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            image.load()
            return work(image)
    except FileNotFoundError:
        raise ValueError(f"{path}: not found; should be a PNG or JPEG file") from None
    except IsADirectoryError:
        raise ValueError(f"{path}: a folder found; should be files: {path}/*.png") from None
    except JPEG_ERRORS as error:
        raise ValueError(f"{path}: not a whole PNG or JPEG ({one_line(error)})") from error


def _flatten(picture: Picture) -> Picture:
    """Without transparency, which is laid over white, and with 8 bits for a value."""
    if picture.mode.startswith("I") or picture.mode == "F":  # a PNG of 16 bits; Pillow would clip at 255
        values = np.asarray(picture, dtype=np.float64)
        return Image.fromarray((values / 257).round().clip(0, 255).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture
