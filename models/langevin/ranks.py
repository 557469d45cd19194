"""One training by several processes, its ranks: whose blocks of samples are whose, and how all know the same.

A batch is cut into blocks by the engine's chunk alone, never by the number of ranks, and a chain depends on
its sample alone. So which rank runs a block changes no bit of it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed
from torch.types import Storage

T = TypeVar("T")


class RankLostError(ConnectionError):
    """Raised where a rank needs another one that has ended."""


@dataclass(frozen=True)
class Ranks:
    """This process among those of the default process group; one alone talks to nobody.

    Each method with ``gather``, ``broadcast`` or ``align`` in its name is a collective: all ranks call it, in
    the same order. It raises RankLostError where one of them has ended.
    """

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is rank 0, which alone writes files, logs and shows progress."""
        return self.rank == 0

    def share(self, blocks: Sequence[slice]) -> Sequence[slice]:
        """Take this rank's blocks, consecutive ones; the ranks' numbers of blocks differ by 1 at most."""
        return blocks[self._share_of(self.rank, len(blocks))]

    def gather_blocks(self, values: Tensor, blocks: Sequence[slice]) -> None:
        """Fill all rows of ``values`` (B, d), whose ``blocks`` each rank has computed its share of, in place.

        ``blocks`` follow one another and cover the rows.
        """
        if self.count == 1:
            return
        shares = [blocks[self._share_of(rank, len(blocks))] for rank in range(self.count)]
        rows = [slice(share[0].start, share[-1].stop) if share else slice(0, 0) for share in shares]
        longest = max(one.stop - one.start for one in rows)
        own = values.new_zeros(longest, *values.shape[1:])  # of one size, as a collective needs them
        own[: rows[self.rank].stop - rows[self.rank].start] = values[rows[self.rank]]
        parts = [torch.empty_like(own) for _ in rows]
        with self._expect_all():
            distributed.all_gather(parts, own)
        for one, part in zip(rows, parts, strict=True):
            values[one] = part[: one.stop - one.start]

    def broadcast(self, compute: Callable[[], T]) -> T:
        """Call ``compute`` on rank 0 alone, and return its result on all.

        The result: numbers, texts, tensors, None, and dicts, lists and tuples of them. A tensor arrives on
        the CPU, or on the receiving rank's own CUDA device where it was on one.
        """
        if self.count == 1:
            return compute()
        buffer = io.BytesIO()
        if self.leads:
            result = compute()
            torch.save(result, buffer)
        size = torch.tensor(buffer.tell())
        with self._expect_all():
            distributed.broadcast(size, 0)
        content = torch.zeros(int(size), dtype=torch.uint8)
        if self.leads:
            content[:] = torch.frombuffer(buffer.getbuffer(), dtype=torch.uint8)
        with self._expect_all():
            distributed.broadcast(content, 0)
        if not self.leads:
            received = io.BytesIO(content.numpy().tobytes())
            result = torch.load(received, map_location=_place, weights_only=True)
        return result

    @torch.no_grad()
    def align(self, tensors: Iterable[Tensor]) -> None:
        """Give ``tensors`` the values that they have on rank 0, in place.

        Nothing changes where all ranks round alike; where they do not, they cannot drift apart.
        """
        if self.count == 1:
            return
        for tensor in tensors:
            content = tensor.contiguous()
            with self._expect_all():
                distributed.broadcast(content, 0)
            if not self.leads:
                tensor.copy_(content)

    def _share_of(self, rank: int, n_blocks: int) -> slice:
        return slice(rank * n_blocks // self.count, (rank + 1) * n_blocks // self.count)

    @contextmanager
    def _expect_all(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # what every backend raises, with lines of its own
            raise RankLostError(f"rank {self.rank} of {self.count}: another rank has ended") from error


ALONE = Ranks()


def _place(storage: Storage, place: str) -> Storage:
    moved: Storage = storage.cuda() if place.startswith("cuda") else storage  # type: ignore[attr-defined]
    return moved
