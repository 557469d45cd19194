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


def time_calls(call: Callable[[], object], repeats: int, device: str) -> list[float]:
    """Seconds of each of ``repeats`` calls, after one that warms up."""
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return seconds[1:]
