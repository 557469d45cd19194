"""How many cores and how much memory this process may use: a job's limits count, not the machine's size."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

WORKERS = "CELL_WORKERS"  # the variable by which a queue shares the cores among its experiments
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")


def count_cores() -> int:
    """Count the cores that this process may run on: its affinity, and what its control group grants."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for folder in _list_groups("cpu"):
        if (quota := _read_quota(folder)) is not None:
            allowed = min(allowed, max(1, math.ceil(quota)))
    return allowed


def measure_free_memory() -> int:
    """Measure the bytes that are free for this process: the machine's, or what its control groups leave."""
    free = int(psutil.virtual_memory().available)
    for folder in _list_groups("memory"):
        for limit, usage in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            if (granted := _read_number(folder / limit)) is not None:
                free = min(
                    free, max(0, int(granted - (_read_number(folder / usage) or 0) + _read_cache(folder)))
                )
    return free


def _read_quota(folder: Path) -> float | None:
    """The cores that a control group grants, by version 2's file or version 1's pair; None for no limit."""
    try:
        granted, period = (folder / "cpu.max").read_text().split()
        return None if granted == "max" else int(granted) / int(period)
    except (OSError, ValueError):
        granted_us, period_us = (_read_number(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        return granted_us / period_us if granted_us and period_us and granted_us > 0 else None


def _read_number(path: Path) -> float | None:
    try:
        return float(path.read_text())
    except (OSError, ValueError):  # no such limit, or "max"
        return None


def _read_cache(folder: Path) -> float:
    """What a control group's usage has of files' pages that the kernel gives up first."""
    try:
        counts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return float(counts.get("inactive_file", counts.get("total_inactive_file", 0)))
    except (OSError, ValueError):
        return 0.0


def _list_groups(controller: str) -> Iterator[Path]:
    """The folders of this process's control groups that may limit ``controller``, up to the root."""
    try:
        lines = OWN_CGROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        root = CGROUPS / names if names else CGROUPS
        own = Path(path.strip().lstrip("/"))
        for below in (own, *own.parents):
            yield root / below
