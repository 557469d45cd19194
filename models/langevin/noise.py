"""Gaussian noise addressed by (seed, stream, sample index, draw, step): Philox4x32-10 and Box-Muller.

A ``torch.Generator`` hands out numbers in the order they are asked for, so a sample's chain would depend on
who else is in its batch. A counter-based generator (Salmon et al., "Parallel random numbers: as easy as
1, 2, 3", SC 2011) computes each number from its address: the same sample gets the same noise in any batch,
in any order, after any interruption.
"""

from __future__ import annotations

import math
from enum import IntEnum

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_INCREMENTS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10


class Stream(IntEnum):
    """What a noise is for; two streams never share a number."""

    TARGETS = 0  # Z0, the fixed sample of the prior
    TRAIN_CHAIN = 1
    TRAIN_INIT = 2  # noise-initialised chains
    TEST_CHAIN = 3
    TEST_INIT = 4
    GENERATION = 5


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[int, int]) -> tuple[Tensor, ...]:
    """Return the four 32-bit words of Philox4x32-10 for each counter.

    ``counter``: four int64 tensors that broadcast, each in [0, 2^32). ``key``: two integers in [0, 2^32).
    """
    c0, c1, c2, c3 = torch.broadcast_tensors(*counter)
    k0, k1 = key
    for _ in range(_ROUNDS):
        # int64 products wrap modulo 2^64 as unsigned ones do; the mask undoes the arithmetic shift's sign.
        product0, product1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        high0, high1 = (product0 >> 32) & _MASK, (product1 >> 32) & _MASK
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, product1 & _MASK, high0 ^ c3 ^ k1, product0 & _MASK
        k0, k1 = (k0 + _KEY_INCREMENTS[0]) & _MASK, (k1 + _KEY_INCREMENTS[1]) & _MASK
    return c0, c1, c2, c3


def draw_normal(seed: int, stream: Stream, indices: Tensor, draw: int, steps: int, dim: int) -> Tensor:
    """Draw standard normal noise, (steps, B, dim) float32, for the samples ``indices`` (B,) int64.

    The value at [k, b] is a function of (seed, stream, indices[b], draw, k) alone. ``draw`` numbers the
    calls for one sample (the pass, or the chain). ``seed`` in [0, 2^32).
    """
    blocks = math.ceil(dim / 4)
    counter = (
        indices.view(1, -1, 1),
        torch.tensor(draw, device=indices.device),
        torch.arange(steps, device=indices.device).view(-1, 1, 1),
        torch.arange(blocks, device=indices.device).view(1, 1, -1),
    )
    words = philox(counter, (seed & _MASK, int(stream)))
    pairs = [_box_muller(words[0], words[1]), _box_muller(words[2], words[3])]
    normal = torch.cat([value for pair in pairs for value in pair], dim=-1)  # (steps, B, 4 * blocks)
    return normal[..., :dim].contiguous()


def _box_muller(word0: Tensor, word1: Tensor) -> tuple[Tensor, Tensor]:
    # (word + 1) / 2^32 lies in (0, 1]: the logarithm is finite, the largest draw is 6.66.
    radius = torch.sqrt(-2 * torch.log((word0 + 1).to(torch.float32) * 2.0**-32))
    angle = word1.to(torch.float32) * (2 * math.pi * 2.0**-32)
    return radius * torch.cos(angle), radius * torch.sin(angle)
