"""The name of the processor that this runs on."""

from __future__ import annotations

import platform
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
NUMBERS = ("cpu family", "model")


def name_processor(path: Path = CPU_INFO) -> str:
    """The processor's model, with the numbers that its maker gives it; read from ``path`` where that exists.

    A virtual machine may say no more than "AMD EPYC" of processors of which one is three times as fast as
    another; the numbers still differ. platform.processor() is empty on Linux.
    """
    try:
        pairs = [line.partition(":")[::2] for line in path.read_text().splitlines()]
    except OSError:
        pairs = []
    first: dict[str, str] = {}
    for name, value in pairs:
        first.setdefault(name.strip(), value.strip())
    known = first.get("model name") or platform.processor() or platform.machine()
    numbers = ", ".join(f"{name.removeprefix('cpu ')} {first[name]}" for name in NUMBERS if name in first)
    return f"{known} ({numbers})" if numbers else known
