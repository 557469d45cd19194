"""What a model is given, checked: one line says what was found and what would be right."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

TASKS = ("sample", "encode", "reconstruct", "inpaint", "score")
MAX_SEED, MAX_STEPS, MAX_IMAGES = 2**32 - 1, 10_000, 1000
CHANNELS = {1: "grey", 3: "colour"}


def check_task(task: Any) -> str:
    """Raise ValueError unless ``task`` is one of TASKS."""
    if not isinstance(task, str) or task not in TASKS:
        raise ValueError(f"task: {task!r} found; should be one of {', '.join(TASKS)}")
    return task


def check_number(name: str, value: Any, low: int, high: int) -> int:
    """Raise ValueError unless ``value`` is a whole number from ``low`` to ``high``."""
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_whole or not low <= value <= high:
        raise ValueError(f"{name}: {value!r} found; should be a whole number from {low} to {high}")
    return int(value)


def check_images(images: Any, shape: tuple[int, int, int]) -> Tensor:
    """Images (B, C, H, W) as a tensor, uint8 or float32 in [0, 1], from an array, a tensor or nested lists.

    ``shape``: the model's (C, H, W). Raises ValueError for another shape, a dtype that is neither uint8 nor a
    float, numbers outside [0, 1] and NaN.
    """
    array = _to_array("images", images)
    expected = f"(N, {', '.join(map(str, shape))})"
    if array.ndim != 4 or array.shape[1:] != shape:
        hint = "; a single image is images[None]" if array.shape == shape else ""
        raise ValueError(f"images: shape {array.shape} found; should be {expected}{hint}")
    if not 1 <= len(array) <= MAX_IMAGES:
        raise ValueError(f"images: {len(array)} found; should be 1 to {MAX_IMAGES} at once")
    if array.dtype == np.uint8:
        return torch.from_numpy(np.ascontiguousarray(array))
    if array.dtype.kind in "iu":
        raise ValueError(
            f"images: dtype {array.dtype}, values from {array.min()} to {array.max()}, found; should be "
            "uint8, or a float in [0, 1]"
        )
    if array.dtype.kind != "f":
        raise ValueError(f"images: dtype {array.dtype} found; should be uint8, or a float in [0, 1]")
    _check_finite("images", array)
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        raise ValueError(
            f"images: values from {low:g} to {high:g} found; should be in [0, 1], or uint8 from 0 to 255"
        )
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def check_visible(visible: Any, images: Tensor) -> Tensor:
    """Masks (B, 1, H, W) as float32, 1 where a pixel of ``images`` (B, C, H, W) is seen and 0 where not.

    One mask, (H, W) or (1, 1, H, W), is for all images. Raises ValueError for other shapes and numbers.
    """
    if visible is None:
        raise ValueError(
            "visible: no mask found; should be (N, 1, H, W), 1 where a pixel is seen, 0 elsewhere"
        )
    array = _to_array("visible", visible)
    count, _, height, width = images.shape
    if array.shape == (height, width):
        array = array[None, None]
    if array.shape not in ((count, 1, height, width), (1, 1, height, width)):
        raise ValueError(
            f"visible: shape {array.shape} found; should be ({height}, {width}) for all images, or "
            f"({count}, 1, {height}, {width})"
        )
    if array.dtype.kind not in "fiub":
        raise ValueError(f"visible: dtype {array.dtype} found; should be numbers 0 and 1")
    if array.dtype.kind == "f":
        _check_finite("visible", array)
    other = array[(array != 0) & (array != 1)]
    if len(other):
        raise ValueError(f"visible: {other[0]:g} found; should be 1 where a pixel is seen and 0 where not")
    mask = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    return mask.expand(count, 1, height, width).contiguous()


def _to_array(name: str, values: Any) -> np.ndarray:
    if isinstance(values, Tensor):
        return values.detach().cpu().numpy()
    if not isinstance(values, (np.ndarray, list, tuple)):
        raise ValueError(f"{name}: {type(values).__name__} found; should be an array of numbers")
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{name}: rows of unequal length found; should be an array of numbers") from None
    # JSON writes a black image's 0.0 as 0: whole numbers that are all 0 or 1 mean what they say.
    if array.dtype.kind == "i" and array.size and array.min() >= 0 and array.max() <= 1:
        return array.astype(np.float32)
    return array


def _check_finite(name: str, array: np.ndarray) -> None:
    bad = ~np.isfinite(array)
    if bad.any():
        place = tuple(int(axis[0]) for axis in np.nonzero(bad))
        raise ValueError(f"{name}: {array[place]} found at {place}; should be finite numbers")
