"""Bring the generated parts of README.md up to date with the committed results: `python -m reports.readme`.

A part stands between `<!-- begin NAME -->` and `<!-- end NAME -->`; nothing in it is written by hand.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from pipeline.files import write_text

README = Path("README.md")
TABLES = Path("reports/tables")
TIMING = Path("metrics/timing")
SHOWN = ("reconstruction", "generation", "anomaly_pooled", "anomaly_tenth", "recovery")


def update_readme(text: str) -> str:
    """Return README.md's text with its generated parts rewritten; raises ValueError for an unknown part."""
    parts = {"results": render_results, "comparison": render_comparison, "timing": render_timing}

    def replace(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in parts:
            raise ValueError(f"README.md: found part {name!r}, expected one of {', '.join(parts)}")
        return f"<!-- begin {name} -->\n{parts[name]()}\n<!-- end {name} -->"

    return re.sub(r"<!-- begin (?P<name>\w+) -->.*?<!-- end (?P=name) -->", replace, text, flags=re.DOTALL)


def render_results() -> str:
    """The tables of the last committed `dvc repro`."""
    return "\n".join((TABLES / f"{name}.md").read_text() for name in SHOWN)


def render_comparison() -> str:
    """The experiments that `python -m reports.compare` set side by side, if it was run."""
    path = TABLES / "comparison.md"
    return path.read_text() if path.exists() else "Not run yet."


def render_timing() -> str:
    """Seconds of each stage of the last committed `dvc repro`."""
    found = {path.stem: json.loads(path.read_text())["seconds"] for path in sorted(TIMING.glob("*.json"))}
    lines = ["| stage | seconds |", "|---|---|"]
    lines += [f"| {stage} | {seconds:.0f} |" for stage, seconds in found.items()]
    return "\n".join([*lines, f"| all | {sum(found.values()):.0f} |"])


if __name__ == "__main__":
    write_text(README, update_readme(README.read_text()))
