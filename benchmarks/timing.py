"""What every benchmark does: time calls, print its numbers and the machine they were measured on."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import torch

from pipeline.storage.files import write_text
from pipeline.tracking.run_record import describe_origin


def report(arguments: argparse.Namespace, numbers: dict[str, Any]) -> None:
    """Print the JSON object with --json, and write it to the file named by --output."""
    content = render_report(numbers)
    if arguments.json:
        print(content)
    if arguments.output:
        write_text(arguments.output, content + "\n")


def render_report(numbers: dict[str, Any]) -> str:
    """The numbers and the machine they were measured on, as a JSON object."""
    origin = describe_origin()
    machine = {key: origin[key] for key in ("cpu", "gpu", "torch", "python", "git_revision") if key in origin}
    return json.dumps({"machine": machine | {"threads": torch.get_num_threads()}, **numbers}, indent=2)


def time_by_turns(
    calls: dict[str, Callable[[], object]], repeats: int, device: str
) -> dict[str, list[float]]:
    """Seconds of ``repeats`` calls of each, by turns, so that what disturbs disturbs all; each warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(repeats):
        for name, call in calls.items():
            seconds[name].append(_time(call, device))
    return seconds


def time_calls(call: Callable[[], object], repeats: int, device: str) -> list[float]:
    """Seconds of each of ``repeats`` calls, after one that warms up."""
    call()
    return [_time(call, device) for _ in range(repeats)]


def _time(call: Callable[[], object], device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start
