"""One thread for all libraries: sums of several round otherwise, and processes take each other's cores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits

THREADS = 1  # of a cell: it has the same bits in whatever process, and however many run beside it
ONE_THREAD = {  # for libraries that read it when they are loaded
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",  # else each process starts as many compilers as there are cores
}


@contextmanager
def use_one_thread() -> Iterator[None]:
    """Compute by one thread for the length of a block: torch, and linear algebra, be it loaded yet or not."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        with set_environment(ONE_THREAD), threadpool_limits(THREADS):
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def set_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Have other variables in the environment for the length of a block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
