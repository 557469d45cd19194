"""A generator lowered for inference: BatchNorm folded, weights in one precision, layers as matrix products.

Inference needs the generator's value and its gradient in z, never in the weights, and runs with frozen
BatchNorm statistics. So each BatchNorm disappears into the layer before it, feature maps are kept
channels-last, and a transposed convolution whose kernel equals its stride becomes one matrix product.
The same mechanism serves every generator that is an ``nn.Sequential`` of the layers named here; a layer it
does not know is copied as it is.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

Affine = nn.Linear | nn.ConvTranspose2d
BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d


class LoweredNetwork(nn.Module):
    """The function ``layers.eval()`` computes, in ``dtype``: (B, d) -> (B, C, H, W) in ``dtype``.

    ``refresh()`` takes over the weights that ``layers`` has now, in place, so that a compiled function
    that holds this network stays valid.
    """

    def __init__(self, layers: nn.Sequential, dtype: torch.dtype):
        super().__init__()
        # In a list: the source's parameters are not this network's parameters.
        self._sources: list[tuple[nn.Module, BatchNorm | None]] = []
        stages: list[nn.Module] = []
        feature_map: tuple[int, ...] | None = None
        modules = list(layers)
        for index, module in enumerate(modules):
            if isinstance(module, BatchNorm) and index and _is_affine(modules[index - 1]):
                continue  # folded into the layer before it
            following = modules[index + 1] if index + 1 < len(modules) else None
            batch_norm = following if isinstance(following, BatchNorm) else None
            if isinstance(module, nn.Linear):
                feature_map = _next_feature_map(modules[index + 1 :])
                stage: nn.Module = LoweredLinear(module, feature_map)
            elif isinstance(module, nn.ConvTranspose2d):
                stage = LoweredUpsampling(module) if _is_blockwise(module) else LoweredConvTranspose(module)
            elif isinstance(module, nn.Unflatten):
                channels, height, width = module.unflattened_size
                stage = nn.Unflatten(1, (height, width, channels))  # (B, H, W, C)
            else:
                stage, batch_norm = copy.deepcopy(module).eval(), None
            stages.append(stage)
            self._sources.append((module, batch_norm))
        self.stages = nn.Sequential(*stages).to(dtype).requires_grad_(False)
        self.refresh()

    @torch.no_grad()
    def refresh(self) -> None:
        """Copy the source's present weights, BatchNorm folded in, into this network's own buffers."""
        for stage, (source, batch_norm) in zip(self.stages, self._sources, strict=True):
            if isinstance(stage, LoweredLayer):
                assert isinstance(source, Affine)
                scale, shift = _affine_of(source, batch_norm)
                stage.load(source, scale, shift)
            elif list(stage.state_dict()):
                stage.load_state_dict(source.state_dict())

    def forward(self, z: Tensor) -> Tensor:
        return self.stages(z).movedim(-1, 1)  # (B, H, W, C) -> (B, C, H, W)


class LoweredLayer(nn.Module):
    """A layer that computes what an affine one and the BatchNorm after it do."""

    def load(self, source: Affine, scale: Tensor, shift: Tensor) -> None:
        """Copy the weights of ``source``; ``scale`` and ``shift`` (C,) are the BatchNorm's."""
        raise NotImplementedError


class LoweredLinear(LoweredLayer):
    """A linear layer whose outputs, if they form a feature map, come in channels-last order."""

    def __init__(self, linear: nn.Linear, feature_map: tuple[int, ...] | None):
        super().__init__()
        self.feature_map = feature_map
        self.weight = nn.Parameter(torch.empty_like(linear.weight))
        self.bias = nn.Parameter(torch.empty_like(linear.bias))

    def load(self, source: Affine, scale: Tensor, shift: Tensor) -> None:
        weight, bias = source.weight * scale[:, None], _bias_of(source) * scale + shift
        if self.feature_map is not None:
            channels, height, width = self.feature_map
            weight = weight.view(channels, height * width, -1).transpose(0, 1).reshape(weight.shape)
            bias = bias.view(channels, height * width).T.reshape(-1)
        self.weight.copy_(weight)
        self.bias.copy_(bias)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight, self.bias)


class LoweredUpsampling(LoweredLayer):
    """A transposed convolution with kernel = stride, no padding: one matrix product a pixel."""

    def __init__(self, conv: nn.ConvTranspose2d):
        super().__init__()
        self.factor = conv.stride[0]
        self.weight = nn.Parameter(
            conv.weight.new_empty(conv.out_channels * self.factor**2, conv.in_channels)
        )
        self.bias = nn.Parameter(_bias_of(conv).new_empty(conv.out_channels * self.factor**2))

    def load(self, source: Affine, scale: Tensor, shift: Tensor) -> None:
        weight = source.weight * scale[None, :, None, None]  # (C, C', f, f)
        self.weight.copy_(weight.permute(2, 3, 1, 0).reshape(self.weight.shape))
        self.bias.copy_((_bias_of(source) * scale + shift).repeat(self.factor**2))

    def forward(self, x: Tensor) -> Tensor:
        batch, height, width, _ = x.shape
        blocks = functional.linear(x, self.weight, self.bias)
        blocks = blocks.view(batch, height, width, self.factor, self.factor, -1).transpose(2, 3)
        return blocks.reshape(batch, height * self.factor, width * self.factor, -1)


class LoweredConvTranspose(LoweredLayer):
    """Any other transposed convolution, on channels-last feature maps."""

    def __init__(self, conv: nn.ConvTranspose2d):
        super().__init__()
        self.weight = nn.Parameter(torch.empty_like(conv.weight))
        self.bias = nn.Parameter(torch.empty_like(_bias_of(conv)))
        assert not isinstance(conv.padding, str)  # names of paddings are for convolutions alone
        self.stride, self.padding, self.output_padding = conv.stride, conv.padding, conv.output_padding

    def load(self, source: Affine, scale: Tensor, shift: Tensor) -> None:
        self.weight.copy_(source.weight * scale[None, :, None, None])
        self.bias.copy_(_bias_of(source) * scale + shift)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.conv_transpose2d(
            x.movedim(-1, 1), self.weight, self.bias, self.stride, self.padding, self.output_padding
        )
        return y.movedim(1, -1)


def _is_affine(module: nn.Module) -> bool:
    return isinstance(module, Affine)


def _is_blockwise(conv: nn.ConvTranspose2d) -> bool:
    square = conv.kernel_size == conv.stride and conv.stride[0] == conv.stride[1]
    return square and conv.padding == (0, 0) and conv.output_padding == (0, 0)


def _next_feature_map(following: list[nn.Module]) -> tuple[int, ...] | None:
    """(C, H, W) if the layers up to the next affine one turn this layer's outputs into a feature map."""
    for module in following:
        if isinstance(module, nn.Unflatten):
            return tuple(module.unflattened_size)
        if _is_affine(module):
            return None
    return None


def _bias_of(layer: Affine) -> Tensor:
    assert layer.bias is not None  # every layer of Table 1 has one
    return layer.bias


def _affine_of(source: Affine, batch_norm: BatchNorm | None) -> tuple[Tensor, Tensor]:
    """(scale, shift) per output channel of a BatchNorm with frozen statistics; the identity without one."""
    if batch_norm is None:
        bias = _bias_of(source)
        return torch.ones_like(bias), torch.zeros_like(bias)
    assert batch_norm.running_mean is not None and batch_norm.running_var is not None
    scale = batch_norm.weight / torch.sqrt(batch_norm.running_var + batch_norm.eps)
    return scale, batch_norm.bias - batch_norm.running_mean * scale


def count_flops(layers: nn.Sequential) -> int:
    """Floating-point operations of one Langevin step per sample: forward and gradient in z.

    Counts the affine layers alone, a multiplication and an addition each, the backward pass like the forward
    one; 32.4, 163 and 2,560 million for Table 1's generators.
    """
    total, height, width = 0, 1, 1
    for module in layers:
        if isinstance(module, nn.Unflatten):
            _, height, width = module.unflattened_size
        elif isinstance(module, nn.Linear):
            total += module.weight.numel()
        elif isinstance(module, nn.ConvTranspose2d):
            total += module.weight.numel() * height * width
            height, width = height * module.stride[0], width * module.stride[1]
    return 4 * total
