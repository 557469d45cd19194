"""Transposed convolutions, on small maps as matrix products.

The products are three bilinear functions of channels-last maps, whose derivatives are one another, so that
they can be differentiated as often as wanted: the transposed convolution, its adjoint in the map, and its
adjoint in the weights. Each is one matrix product on columns, the k x k outputs that an input pixel
reaches, a part of the samples at a time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

# Measured with Table 1's generators on a processor: on 2 x 2 pixels torch's own takes five times as long, on
# 8 x 8 a fifth less, since it skips what a kernel reaches beyond the edges.
SMALL_MAP = 16  # pixels of the smaller map up to which the products are faster
CACHED_COLUMNS = 1 << 22  # numbers in the columns of one part of the samples


class Geometry(NamedTuple):
    """Kernel, stride, padding and output padding, the same for height and width."""

    kernel: int
    stride: int
    padding: int
    output_padding: int

    @classmethod
    def of(cls, conv: nn.ConvTranspose2d) -> Geometry:
        """That of a layer. Raises ValueError where height and width differ, or it dilates."""
        pairs = (conv.kernel_size, conv.stride, conv.padding, conv.output_padding)
        plain = conv.dilation == (1, 1) and conv.groups == 1
        if not plain or any(isinstance(pair, str) or len(set(pair)) > 1 for pair in pairs):
            raise ValueError(f"{conv}: should be square, without dilation or groups")
        return cls(*(int(pair[0]) for pair in pairs))

    @property
    def is_blockwise(self) -> bool:
        """Whether each input pixel becomes a block of outputs of its own."""
        return self.kernel == self.stride and self.padding == self.output_padding == 0

    def size_up(self, size: int) -> int:
        """Height or width after the transposed convolution."""
        return (size - 1) * self.stride - 2 * self.padding + self.kernel + self.output_padding


def _parts(batch: int, columns: int) -> list[slice]:
    """Slices of samples with ``columns`` numbers each."""
    step = max(1, CACHED_COLUMNS // columns)
    return [slice(start, start + step) for start in range(0, batch, step)]


def _patches(padded: Tensor, height: int, width: int, geometry: Geometry) -> Tensor:
    """A view (B, H, W, k, k, C) of padded maps (B, H', W', C): what each of the H x W pixels reaches."""
    batch, _, _, channels = padded.shape
    by_sample, by_row, by_column, by_channel = padded.stride()
    kernel, stride = geometry.kernel, geometry.stride
    return padded.as_strided(
        (batch, height, width, kernel, kernel, channels),
        (by_sample, by_row * stride, by_column * stride, by_row, by_column, by_channel),
    )


class _Shapes(NamedTuple):
    """The sizes that the three functions share."""

    geometry: Geometry
    height: int
    width: int
    channels: int  # of the larger map

    @property
    def columns(self) -> int:
        """Numbers in the columns of one sample."""
        return self.height * self.width * self.geometry.kernel**2 * self.channels

    def padded(self, like: Tensor, batch: int, dtype: torch.dtype) -> Tensor:
        """Zeros (B, H', W', C') on ``like``'s device: the larger map with what a kernel reaches beyond it."""
        kernel, stride, _, output_padding = self.geometry
        extra = kernel + output_padding
        return like.new_zeros(
            batch,
            (self.height - 1) * stride + extra,
            (self.width - 1) * stride + extra,
            self.channels,
            dtype=dtype,
        )

    def inner(self, padded: Tensor) -> Tensor:
        """The view of the larger map itself."""
        start, up = self.geometry.padding, self.geometry.size_up
        return padded[:, start : start + up(self.height), start : start + up(self.width)]


def _sum_type(x: Tensor) -> torch.dtype:
    """Sums of several products are taken in float32 at least, as a convolution takes them."""
    return torch.promote_types(x.dtype, torch.float32)


def _upsample(x: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    batch, height, width, channels_in = x.shape
    kernel, stride = geometry.kernel, geometry.stride
    shapes = _Shapes(geometry, height, width, weight.shape[-1])
    up = geometry.size_up
    result = x.new_empty(batch, up(height), up(width), shapes.channels)
    matrix = weight.reshape(channels_in, -1)
    for part in _parts(batch, shapes.columns):
        columns = x[part].reshape(-1, channels_in) @ matrix
        columns = columns.view(-1, height, width, kernel, kernel, shapes.channels)
        padded = shapes.padded(x, len(columns), _sum_type(x))
        for row in range(kernel):
            for column in range(kernel):
                rows = slice(row, row + (height - 1) * stride + 1, stride)
                places = slice(column, column + (width - 1) * stride + 1, stride)
                padded[:, rows, places] += columns[:, :, :, row, column]
        result[part] = shapes.inner(padded)
    return result


def _gather(y: Tensor, weight: Tensor, geometry: Geometry, height: int, width: int) -> Tensor:
    channels_in, *_, channels = weight.shape
    shapes = _Shapes(geometry, height, width, channels)
    result = y.new_empty(len(y), height, width, channels_in)
    matrix = weight.reshape(channels_in, -1).T
    for part in _parts(len(y), shapes.columns):
        padded = shapes.padded(y, len(y[part]), y.dtype)
        shapes.inner(padded).copy_(y[part])
        columns = _patches(padded, height, width, geometry).reshape(-1, matrix.shape[0])
        torch.mm(columns, matrix, out=result[part].view(-1, channels_in))
    return result


def _correlate(x: Tensor, y: Tensor, geometry: Geometry) -> Tensor:
    batch, height, width, channels_in = x.shape
    channels, kernel = y.shape[-1], geometry.kernel
    shapes = _Shapes(geometry, height, width, channels)
    total = x.new_zeros(channels_in, kernel**2 * channels, dtype=_sum_type(x))
    for part in _parts(batch, shapes.columns):
        padded = shapes.padded(y, len(y[part]), y.dtype)
        shapes.inner(padded).copy_(y[part])
        columns = _patches(padded, height, width, geometry).reshape(-1, total.shape[1])
        rows = x[part].reshape(-1, channels_in)
        if total.dtype == x.dtype:
            total.addmm_(rows.T, columns)
        else:
            total += rows.T @ columns
    return total.to(x.dtype).view(channels_in, kernel, kernel, channels)


class _Upsample(Function):
    @staticmethod
    def forward(x: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
        return _upsample(x, weight, geometry)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Geometry], output: Tensor) -> None:
        x, weight, ctx.geometry = inputs
        ctx.save_for_backward(x, weight)
        ctx.save_for_forward(x, weight)

    @staticmethod
    def jvp(ctx: Any, by_x: Tensor | None, by_weight: Tensor | None, _: None) -> Tensor:
        x, weight = ctx.saved_tensors
        parts = [] if by_x is None else [_Upsample.apply(by_x, weight, ctx.geometry)]
        return sum(parts if by_weight is None else [*parts, _Upsample.apply(x, by_weight, ctx.geometry)])

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, _ = ctx.needs_input_grad
        by_x = _Gather.apply(slope, weight, ctx.geometry, *x.shape[1:3]) if needs_x else None
        return by_x, _Correlate.apply(x, slope, ctx.geometry) if needs_weight else None, None


class _Gather(Function):
    @staticmethod
    def forward(y: Tensor, weight: Tensor, geometry: Geometry, height: int, width: int) -> Tensor:
        return _gather(y, weight, geometry, height, width)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        y, weight, ctx.geometry, _, _ = inputs
        ctx.save_for_backward(y, weight)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        y, weight = ctx.saved_tensors
        needs_y, needs_weight, *_ = ctx.needs_input_grad
        by_y = _Upsample.apply(slope, weight, ctx.geometry) if needs_y else None
        return by_y, _Correlate.apply(slope, y, ctx.geometry) if needs_weight else None, None, None, None


class _Correlate(Function):
    @staticmethod
    def forward(x: Tensor, y: Tensor, geometry: Geometry) -> Tensor:
        return _correlate(x, y, geometry)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Geometry], output: Tensor) -> None:
        x, y, ctx.geometry = inputs
        ctx.save_for_backward(x, y)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, y = ctx.saved_tensors
        needs_x, needs_y, _ = ctx.needs_input_grad
        by_x = _Gather.apply(y, slope, ctx.geometry, *x.shape[1:3]) if needs_x else None
        return by_x, _Upsample.apply(x, slope, ctx.geometry) if needs_y else None, None


def upsample(maps: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """A transposed convolution without bias: (B, C, H, W) -> (B, C', H', W').

    ``weight``: (C, C', k, k), as torch has it. Autocast holds here as for torch's own.
    """
    device, (height, width) = maps.device.type, maps.shape[2:]
    if device != "cpu" or height * width > SMALL_MAP:
        _, stride, padding, output_padding = geometry
        return functional.conv_transpose2d(maps, weight, None, stride, padding, output_padding)
    if torch.is_autocast_enabled(device):
        precision = torch.get_autocast_dtype(device)
        maps, weight = maps.to(precision), weight.to(precision)
    pixels = _Upsample.apply(maps.movedim(1, -1), weight.permute(0, 2, 3, 1), geometry)
    return pixels.movedim(-1, 1)
