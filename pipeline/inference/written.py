"""What the command leaves: single pictures, a grid of them, and numbers as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from models.images import to_bytes
from pipeline.storage.files import write_bytes, write_text

MOST_SHOWN, COLUMNS, BORDER = 256, 16, 2  # images in a grid, its width in images, pixels between them


def write_picture(path: Path, image: Tensor) -> None:
    """Write one image (C, H, W) in [0, 1] as PNG, pixel for pixel."""
    pixels = to_bytes(image).transpose(1, 2, 0)  # (H, W, C)
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels)).save(
        buffer, "PNG"
    )
    write_bytes(path, buffer.getvalue())


def write_grid(path: Path, rows: Sequence[Tensor]) -> None:
    """Write rows of images (B, C, H, W) in [0, 1] as one PNG, images of equal numbers one above the other.

    The first 256 images are shown, 16 beside each other, and enlarged to 64 pixels or more.
    """
    from torchvision.utils import make_grid  # takes a second to load

    shown = [row[:MOST_SHOWN] for row in rows]
    columns = min(COLUMNS, len(shown[0]))
    lines = []
    for start in range(0, len(shown[0]), columns):
        parts = [row[start : start + columns] for row in shown]
        blank = torch.ones(columns - len(parts[0]), *parts[0].shape[1:])
        lines += [torch.cat([part, blank]) for part in parts]
    images = torch.cat(lines)
    enlarged = images.repeat_interleave(factor := max(1, -(-64 // images.shape[-1])), -1)
    enlarged = enlarged.repeat_interleave(factor, -2)
    write_picture(path, make_grid(enlarged, nrow=columns, padding=BORDER, pad_value=0.85))


def write_numbers(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows of numbers as CSV, every digit of them."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
