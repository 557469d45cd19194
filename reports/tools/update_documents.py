"""Bring the generated parts of README.md and docs/ up to date with the results: ``make docs``.

A part stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``, on lines of its own or within one;
nothing in it is written by hand.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.storage import places
from pipeline.storage.files import write_text
from reports.tools.benchmark_tables import BENCHMARK_PARTS, NOT_RUN, render_lag
from reports.tools.check_cells import render_checks
from reports.tools.claims_part import render_claims
from reports.tools.copying_table import render_copying
from reports.tools.fitted_prior_table import render_fitted_prior
from reports.tools.record import PROVENANCE, RECORDED_PROFILE, read_recorded_seconds

COMPARISONS = places.OWN_RUN / "comparisons"
OF_TABLES = ("cells-", "exhibit-", "extractor-", "anomaly_study", "leaderboard", "paper_page")
OWN_RUN = ("reconstruction", "generation", "copies", "anomaly_pooled", "anomaly_tenth", "recovery")
EXHIBITS = {  # part -> the study whose folder has its table
    "anomaly_study": "anomaly_study",
    "leaderboard": "leaderboard",
    "tuning": "leaderboard",
    "fashion": "fashion",
    "solvers": "solvers",
}


def update_document(text: str, name: str) -> str:
    """Return a document's text with its generated parts rewritten; raises ValueError for an unknown part."""
    parts: dict[str, Callable[[], str]] = {
        "batch_norm_lag": render_lag,
        "checks": render_checks,
        "claims": render_claims,
        "copying": render_copying,
        "fitted_prior": render_fitted_prior,
        "dag": render_dag,
        "results": render_own_run,
        "comparison": functools.partial(render_table, COMPARISONS / "comparison.md"),
        "precision": functools.partial(render_table, COMPARISONS / "precision.md"),
        "own_seconds": lambda: f"{sum_own_seconds():.0f}",
        "own_machine": render_own_machine,
        **BENCHMARK_PARTS,
    }
    for part, study in EXHIBITS.items():
        path = places.find_exhibit(RECORDED_PROFILE, study) / f"{part}.md"
        parts[part] = functools.partial(render_table, path)

    def replace(match: re.Match[str]) -> str:
        part = match["name"]
        if part not in parts:
            raise ValueError(f"{name}: found part {part!r}, expected one of {', '.join(parts)}")
        edge = "\n" if "\n" in match[0] else ""
        return f"<!-- begin {part} -->{edge}{parts[part]()}{edge}<!-- end {part} -->"

    return re.sub(r"<!-- begin (?P<name>\w+) -->.*?<!-- end (?P=name) -->", replace, text, flags=re.DOTALL)


def list_documents(root: Path = Path(".")) -> list[Path]:
    """List README.md and the pages of docs/."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]


def render_own_run() -> str:
    """Render the tables of the recorded run of the pipeline."""
    return "\n".join((places.OWN_RUN / "tables" / f"{name}.md").read_text() for name in OWN_RUN)


def render_table(path: Path) -> str:
    """Read a table that was written in Markdown, without its section's heading; or say that it was not."""
    if not path.exists():
        return NOT_RUN
    lines = path.read_text().splitlines()
    return "\n".join(lines[2:] if lines[0].startswith("## ") else lines)


def render_dag() -> str:
    """What ``dvc dag report --md`` draws, in fewer lines: without the arrows that others imply."""
    command = [sys.executable, "-m", "dvc", "dag", "report", "--md"]
    drawn = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    names = dict(re.findall(r'(node\d+)\["(.*?)"\]', drawn))
    followers: dict[str, set[str]] = defaultdict(set)
    for source, target in re.findall(r"(node\d+)-->(node\d+)", drawn):
        followers[names[source]].add(names[target])
    lines = []
    for source in list_in_order(followers):
        implied = set().union(*(reach(one, followers) for one in followers[source]))
        direct = sorted(followers[source] - implied)
        lines.append(f"    {_name_node(source)} --> {' & '.join(map(_name_node, direct))}")
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```"])


def reach(node: str, followers: Mapping[str, set[str]]) -> set[str]:
    """All that comes after a node of a graph without circles."""
    after = set(followers.get(node, ()))
    return after.union(*(reach(one, followers) for one in after))


def list_in_order(followers: Mapping[str, set[str]]) -> list[str]:
    """The nodes that have followers, each before those that come after it."""
    return sorted(followers, key=lambda node: (-len(reach(node, followers)), node))


def _name_node(stage: str) -> str:
    plain = stage.replace("@", "_")
    return plain if plain == stage else f'{plain}["{stage}"]'


def sum_own_seconds() -> float:
    """The seconds of the recorded own run's stages; those of tables and rivals are no part of it."""
    recorded = read_recorded_seconds().items()
    return sum(value for stage, value in recorded if not stage.startswith(OF_TABLES))


def render_own_machine() -> str:
    """Name the machine, the torch and the revision of the recorded own run."""
    made = json.loads(PROVENANCE.read_text())
    hardware = ", ".join(filter(None, [made.get("gpu"), made["cpu"]]))
    return f"{hardware}, torch {made['torch']}, revision {made['git_revision'][:7]}"


def main() -> None:
    """Rewrite every document that has changed."""
    for path in list_documents():
        text = path.read_text(encoding="utf-8")
        updated = update_document(text, str(path))
        if updated != text:
            write_text(path, updated)
            print(path)


if __name__ == "__main__":
    main()
