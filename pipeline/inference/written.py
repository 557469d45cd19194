"""What the command leaves: single pictures, a grid of them, and numbers as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from models.images import to_bytes
from pipeline.storage.files import write_bytes, write_text

MOST_SHOWN, COLUMNS, BORDER = 256, 16, 2  # images in a grid, its width in images, pixels between them
SMALLEST, FONT_SIZE, LINE = 64, 13, 17  # pixels: an image's width, its caption's letters and their line
PAPER, INK, FRAME = "white", "black", (217, 217, 217)


def write_picture(path: Path, image: Tensor) -> None:
    """Write one image (C, H, W) in [0, 1] as PNG, pixel for pixel."""
    pixels = to_bytes(image).transpose(1, 2, 0)  # (H, W, C)
    _write_png(
        path, Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))
    )


def _write_png(path: Path, picture: Image.Image) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())


def write_grid(path: Path, rows: Mapping[str, Tensor], captions: Sequence[str] | None = None) -> None:
    """Write rows of images (B, C, H, W) in [0, 1] as one PNG, images of equal numbers one above the other.

    The first 256 images are shown, 16 beside each other, and enlarged to 64 pixels or more. A row's name
    stands left of it, ``captions`` (B,) above the images of the first row.
    """
    shown = {name: _enlarge(row[:MOST_SHOWN]) for name, row in rows.items()}
    count, height, width = (pixels := next(iter(shown.values()))).shape[:3]
    columns, above = min(COLUMNS, count), LINE if captions else 0
    font = ImageFont.load_default(FONT_SIZE)
    left = max(int(font.getlength(name)) for name in shown) + (2 * BORDER if any(shown) else 0)
    gap = 0 if len(shown) == 1 and not captions else 3 * BORDER
    group = above + len(shown) * (height + BORDER) + gap  # one line of images, all rows of it
    lines = -(-count // columns)
    size = (left + columns * (width + BORDER) + BORDER, lines * group - gap + BORDER)
    picture = Image.new("RGB" if pixels.ndim == 4 else "L", size, PAPER)
    pen = ImageDraw.Draw(picture)
    frame = FRAME if pixels.ndim == 4 else FRAME[0]
    for number in range(count):
        x, y = left + number % columns * (width + BORDER), number // columns * group
        if captions:
            middle = x + BORDER + width // 2
            pen.text((middle, y + LINE // 2), captions[number], INK, font, anchor="mm")
        for place, row in enumerate(shown.values()):
            top = y + above + place * (height + BORDER)
            pen.rectangle((x, top, x + width + 2 * BORDER - 1, top + height + 2 * BORDER - 1), frame)
            picture.paste(Image.fromarray(row[number]), (x + BORDER, top + BORDER))
    for line in range(lines):
        for place, name in enumerate(shown):
            middle = line * group + above + place * (height + BORDER) + BORDER + height // 2
            pen.text((BORDER, middle), name, INK, font, anchor="lm")
    _write_png(path, picture)


def _enlarge(images: Tensor) -> np.ndarray:
    """Images (B, C, H, W) in [0, 1] as bytes, each pixel repeated: grey (B, H, W), coloured (B, H, W, 3)."""
    pixels = to_bytes(images).transpose(0, 2, 3, 1)
    factor = max(1, -(-SMALLEST // pixels.shape[2]))
    pixels = pixels.repeat(factor, 1).repeat(factor, 2)
    return pixels[..., 0] if pixels.shape[3] == 1 else pixels


def write_numbers(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows of numbers as CSV, every digit of them."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
