"""Images as bytes and as numbers in [0, 1]: arrays and tensors alike, so that neither's library is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from typing_extensions import TypeIs


@overload
def to_unit(images: np.ndarray) -> np.ndarray: ...


@overload
def to_unit(images: Tensor) -> Tensor: ...


def to_unit(images: np.ndarray | Tensor) -> np.ndarray | Tensor:
    """Bring uint8 images to float32 in [0, 1] (0 -> 0.0, 255 -> 1.0); float images pass through.

    Raises ValueError for any other dtype.
    """
    dtype = str(images.dtype).removeprefix("torch.")
    if dtype == "uint8":
        return (images.astype("float32") if _is_array(images) else images.float()) / 255
    if "float" not in dtype:
        raise ValueError(f"images: dtype {dtype} found; should be uint8 or a float")
    return images


def _is_array(images: np.ndarray | Tensor) -> TypeIs[np.ndarray]:
    return hasattr(images, "astype")


def to_bytes(images: Tensor) -> np.ndarray:
    """Bring images in [0, 1] to uint8."""
    return (images * 255).round().clamp(0, 255).byte().cpu().numpy()
