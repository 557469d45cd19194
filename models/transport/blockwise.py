"""Search all pairs of two populations in blocks: O(n k) memory, never the n x n matrix.

Every search ranks targets by the score <x_i, z_j> + h_j of Eq. (14). With v_j = 2 h_j + |z_j|^2
this is the reduced cost |x_i - z_j|^2 - v_j up to sign, scale and a constant per row.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

BLOCK_ROWS = 256  # of scores held at once: a block for n = 60,000 stays near the cache
GROUP = 16  # columns that share one maximum; a strided maximum costs a tenth of topk
PAD = -1e30  # score of a column that does not exist


def best_targets(
    source: Tensor, target: Tensor, h: Tensor, block_rows: int = BLOCK_ROWS
) -> tuple[Tensor, Tensor]:
    """Return max_j <x_i, z_j> + h_j and the j that attains it, each (n,), for source (n, d), h (m,)."""
    scores, indices = top_targets(source, target, h, 1, block_rows)
    return scores[:, 0], indices[:, 0]


def top_targets(
    source: Tensor, target: Tensor, h: Tensor, k: int, block_rows: int = BLOCK_ROWS
) -> tuple[Tensor, Tensor]:
    """Return the k largest scores <x_i, z_j> + h_j and their j, each (n, k) in descending order.

    Exact: the k best columns lie in the k groups with the largest maxima.
    """
    m = len(target)
    k = min(k, m)
    scores, indices = [], []
    for block in _score_blocks(source, target, h, block_rows):
        groups = block.view(len(block), GROUP, -1).amax(1)  # (B, M / GROUP), strided columns
        if k < groups.shape[1]:
            chosen = groups.topk(k, 1).indices if k > 1 else groups.argmax(1, keepdim=True)
            offsets = torch.arange(GROUP, device=block.device) * groups.shape[1]
            columns = (chosen[:, :, None] + offsets).flatten(1)  # (B, k * GROUP)
            best, position = block.gather(1, columns).topk(k, 1)
            index = columns.gather(1, position)
        else:
            best, index = block.topk(k, 1)
        scores.append(best)
        indices.append(index)
    return torch.cat(scores), torch.cat(indices)


def _score_blocks(source: Tensor, target: Tensor, h: Tensor, block_rows: int) -> Iterator[Tensor]:
    """Yield (B, M) scores, M = m padded to whole groups. One buffer is reused: copy what you keep."""
    n, m = len(source), len(target)
    padded = -(-m // GROUP) * GROUP
    rows = functional.pad(source, (0, 1), value=1.0)  # h rides along as one more dimension
    columns = functional.pad(torch.cat([target, h.to(target)[:, None]], 1), (0, 0, 0, padded - m))
    columns[m:, -1] = PAD
    buffer = source.new_empty(min(block_rows, n), padded)
    for start in range(0, n, block_rows):
        block = rows[start : start + block_rows]
        yield torch.mm(block, columns.T, out=buffer[: len(block)])
