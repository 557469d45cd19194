"""A generator with batch statistics as matrix products: what learning runs, forwards and backwards.

Feature maps are rows of pixels (B H W, C). After a transposed convolution whose kernel equals its stride the
pixels stay in the order in which the product leaves them, block by block: neither BatchNorm nor another such
product cares, and only the image is brought into its rows. A bias before a BatchNorm moves its running
mean alone, since batch statistics take it away again; its gradient is zero, and it is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.upsampling import Geometry, upsample

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d


@dataclass(frozen=True)
class PixelOrder:
    """The order of the rows (B H W, C) of feature maps: blocks within blocks.

    ``height`` x ``width`` blocks a sample, each of ``factors[0]`` x ``factors[0]`` blocks, and so on.
    """

    batch: int
    height: int
    width: int
    factors: tuple[int, ...] = ()

    def flatten(self, maps: Tensor) -> Tensor:
        """Maps (B, C, H, W) as rows (B H W, C), without blocks."""
        return maps.movedim(1, -1).reshape(-1, maps.shape[1])

    def restore(self, rows: Tensor) -> Tensor:
        """Rows in this order as maps (B, C, H, W), which lie in memory channels-last."""
        if self.factors:
            sides = [side for factor in self.factors for side in (factor, factor)]
            blocks = rows.view(self.batch, self.height, self.width, *sides, -1)
            vertical, horizontal = range(1, blocks.dim() - 1, 2), range(2, blocks.dim() - 1, 2)
            rows = blocks.permute(0, *vertical, *horizontal, -1)
        scale = math.prod(self.factors)
        return rows.reshape(self.batch, self.height * scale, self.width * scale, -1).movedim(-1, 1)


def run_training_mode(layers: nn.Sequential, z: Tensor) -> Tensor:
    """The function that ``layers.train()`` computes, (B, d) -> (B, C, H, W), running statistics included.

    Gradients reach the modules' own parameters, except biases before a BatchNorm, which get none. Layers that
    Table 1 does not have run as they are. Autocast holds here as there.
    """
    x, order, omitted = z, None, None
    modules = list(layers)
    for module, following in zip(modules, [*modules[1:], None], strict=True):
        if isinstance(module, (nn.Linear, nn.ConvTranspose2d)):
            omitted = module.bias if isinstance(following, BatchNorm) else None
            bias = module.bias if omitted is None else None
            if isinstance(module, nn.Linear):
                x = functional.linear(x, module.weight, bias)
                continue
            assert order is not None, "a transposed convolution takes maps"
            x, order = _upsample_rows(x, order, module)
            x = x if bias is None else x + bias
        elif isinstance(module, BatchNorm):
            x = _normalise(x, module, omitted)
        elif isinstance(module, nn.ReLU):
            x = functional.relu(x)
        elif isinstance(module, nn.Unflatten):
            maps = module(x)
            order = PixelOrder(len(maps), *maps.shape[2:])
            x = order.flatten(maps)
        elif order is None:
            x = module(x)
        else:
            maps = module(order.restore(x))
            order = PixelOrder(len(maps), *maps.shape[2:])
            x = order.flatten(maps)
    return x if order is None else order.restore(x)


def _upsample_rows(rows: Tensor, order: PixelOrder, conv: nn.ConvTranspose2d) -> tuple[Tensor, PixelOrder]:
    """Rows (B H W, C) through a transposed convolution without its bias, and their new order."""
    geometry = Geometry.of(conv)
    if geometry.is_blockwise:
        # In memory too: the weights' gradient takes its order, and is ten times slower in the other.
        matrix = conv.weight.permute(2, 3, 1, 0).contiguous().view(-1, conv.in_channels)  # (k k C', C)
        blocks = functional.linear(rows, matrix)
        return blocks.view(-1, conv.out_channels), replace(order, factors=(*order.factors, geometry.stride))
    maps = upsample(order.restore(rows), conv.weight, geometry)
    new = PixelOrder(len(maps), *maps.shape[2:])
    return new.flatten(maps), new


def _normalise(rows: Tensor, norm: BatchNorm, omitted: Tensor | None) -> Tensor:
    """Rows (M, C) by their own statistics; the running ones are those of rows plus the ``omitted`` bias."""
    assert (
        norm.momentum is not None and norm.num_batches_tracked is not None and norm.running_mean is not None
    )
    mean = norm.running_mean.clone()  # autograd keeps what it is given: a second call may not change that
    result = functional.batch_norm(
        rows, mean, norm.running_var, norm.weight, norm.bias, True, norm.momentum, norm.eps
    )
    with torch.no_grad():
        norm.running_mean.copy_(mean if omitted is None else mean + norm.momentum * omitted)
        norm.num_batches_tracked.add_(1)
    return result
