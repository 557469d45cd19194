"""The ranks of one stage: started by torchrun, or by the stage itself where the environment says RANKS."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import distributed

from models.langevin.ranks import ALONE, Ranks

# A rank waits for rank 0's assignment this long; of one that has ended it hears at once.
PATIENCE = timedelta(hours=3)


def read_rank(environment: Mapping[str, str] = os.environ) -> int | None:
    """Which rank torchrun started this process as; None where it did not."""
    return int(environment["RANK"]) if {"RANK", "WORLD_SIZE"} <= set(environment) else None


def read_count(environment: Mapping[str, str] = os.environ) -> int:
    """How many ranks the user asks for by RANKS; raises ValueError for what is no such number."""
    text = environment.get("RANKS") or "1"
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"RANKS: found {text!r}, expected a whole number of at least 1")
    return int(text)


@contextmanager
def connect_ranks(device: str) -> Iterator[Ranks]:
    """Connect the ranks that torchrun started, for as long as the block runs; one alone without it.

    ``device``: cpu (by gloo), or cuda (by NCCL), each rank on the device of its number on its machine.
    Raises ValueError where there are more ranks than devices, and where they cannot be connected.
    """
    count = int(os.environ.get("WORLD_SIZE", 1))
    if count == 1 or (rank := read_rank()) is None:
        yield ALONE
        return
    if device == "cuda":
        local, devices = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= devices:
            raise ValueError(
                f"rank {rank} would be number {local + 1} on this machine, which has {devices} CUDA devices: "
                "start one rank a device, or set engine.device to cpu"
            )
        torch.cuda.set_device(local)  # `cuda` means this one from here on
    try:
        backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
        distributed.init_process_group(backend, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"rank {rank} of {count} cannot be connected to the others: {reason}") from error
    yield Ranks(rank, count)
    distributed.destroy_process_group()  # not after an error: NCCL would wait for those that have ended


def launch_ranks(name: str, count: int, module: str, *arguments: str) -> int:
    """Run ``module`` by ``count`` ranks on this machine through torchrun; returns the exit status.

    A rank says itself why it ends; only of a killed one this says so. A rank has one thread unless
    OMP_NUM_THREADS says otherwise.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    os.environ.setdefault("OMP_NUM_THREADS", "1")
    logging.disable(logging.CRITICAL)  # of torchrun's own pages about what the ranks have said in a line
    options = ["--standalone", "--local-addr=127.0.0.1", f"--nproc-per-node={count}"]
    try:
        run(parse_args([*options, "-m", module, *arguments]))
    except ChildFailedError as error:
        for rank, failure in sorted(error.failures.items()):
            if failure.exitcode < 0:
                cause = signal.Signals(-failure.exitcode).name
                print(f"{name}: rank {rank} of {count} was ended by {cause}", file=sys.stderr, flush=True)
                return 1
        return error.get_first_failure()[1].exitcode
    except SignalException as error:
        return 128 + error.sigval
    return 0
