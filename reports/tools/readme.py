"""Bring README.md's generated parts up to date with the results: `python -m reports.tools.readme`.

A part stands between `<!-- begin NAME -->` and `<!-- end NAME -->`; nothing in it is written by hand.
"""

from __future__ import annotations

import functools
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from pipeline.settings.yaml_files import read_yaml
from pipeline.storage.files import write_text
from pipeline.studies.grid import PAPER_STUDIES

README = Path("README.md")
TABLES = Path("reports/tables")
TIMING = Path("metrics/timing")
LOCK = Path("dvc.lock")
BENCHMARKS = Path("reports/benchmarks")
NOT_RUN = "Not run yet."
SHOWN = ("reconstruction", "generation", "anomaly_pooled", "anomaly_tenth", "recovery")


def update_readme(text: str) -> str:
    """Return README.md's text with its generated parts rewritten; raises ValueError for an unknown part."""
    parts = {
        "anomaly_study": functools.partial(render_table, "anomaly_study"),
        "claims": functools.partial(render_table, "claims"),
        "results": render_results,
        "leaderboard": functools.partial(render_table, "leaderboard"),
        "tuning": functools.partial(render_table, "tuning"),
        "fashion": functools.partial(render_table, "fashion"),
        "comparison": functools.partial(render_table, "comparison"),
        "precision": functools.partial(render_table, "precision"),
        "solvers": functools.partial(render_table, "solvers"),
        "timing": render_timing,
        "langevin": render_langevin,
        "learning": render_learning,
        "transport": render_transport,
        "pipeline": render_pipeline,
        "faults": render_faults,
    }

    def replace(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in parts:
            raise ValueError(f"README.md: found part {name!r}, expected one of {', '.join(parts)}")
        return f"<!-- begin {name} -->\n{parts[name]()}\n<!-- end {name} -->"

    return re.sub(r"<!-- begin (?P<name>\w+) -->.*?<!-- end (?P=name) -->", replace, text, flags=re.DOTALL)


def render_results() -> str:
    """The tables of the last committed `dvc repro`."""
    return "\n".join((TABLES / f"{name}.md").read_text() for name in SHOWN)


def render_table(name: str) -> str:
    """A table that was written as reports/tables/<name>.md, if it was; without a section's heading."""
    path = TABLES / f"{name}.md"
    if not path.exists():
        return NOT_RUN
    lines = path.read_text().splitlines()
    return "\n".join(lines[2:] if lines[0].startswith("## ") else lines)


def render_timing() -> str:
    """Seconds of the last committed `dvc repro`: of its own run, of the extractors, of each table."""
    outputs = {out["path"] for stage in read_yaml(LOCK)["stages"].values() for out in stage.get("outs", [])}
    seconds: dict[str, float] = defaultdict(float)
    for path in sorted(TIMING.glob("*.json")):
        if f"metrics/timing/{path.name}" not in outputs:
            continue  # of benchmarks/dvc.yaml
        kind, *rest = path.stem.split("-")
        study = rest[0] if kind == "cells" else kind
        if kind == "extractor" and rest:
            part = "the tables' feature extractors"
        elif study in PAPER_STUDIES:
            part = study
        else:
            part = "Table 1, claims and page" if kind == "paper" else "the pipeline's own run"
        seconds[part] += json.loads(path.read_text())["seconds"]
    lines = ["| part | seconds |", "|---|---|"]
    lines += [f"| {part} | {value:.0f} |" for part, value in seconds.items()]
    return "\n".join([*lines, f"| all | {sum(seconds.values()):.0f} |"])


def render_langevin() -> str:
    """What `benchmarks.langevin_step` measured last, a line a generator."""
    found = _read_benchmark("langevin")
    if found is None:
        return NOT_RUN
    lines = [_name_machine(found), "", "| generator | eager fp32, us | uncompiled, us | compiled, us |"]
    lines[-1] += " times eager | of the matrix-product peak |"
    lines.append("|" + "---|" * 6)
    for one in found["results"]:
        times = ("eager_us_per_sample_step", "us_per_sample_step_uncompiled", "us_per_sample_step")
        cells = [one["generator"], *(f"{one[key]:.0f}" for key in times)]
        cells += [f"{one['ratio_vs_eager']:.1f}", f"{one['fraction_of_matmul_peak']:.0%}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def render_learning() -> str:
    """What `benchmarks.learning_step` measured last, a line a generator and minibatch size."""
    found = _read_benchmark("learning")
    if found is None:
        return NOT_RUN
    titles = ("generator", "minibatch", "plain float32, us a sample", "ours, us", "times plain", "chunked")
    lines = [_name_machine(found), "", "| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    for one in found["results"]:
        plain, ours, chunked = (f"{one[f'{key}_us_per_sample']:.0f}" for key in ("plain", "ours", "chunked"))
        ratio = f"{one['ratio_vs_plain']:.2f}"
        cells = [one["generator"], str(one["minibatch"]), plain, ours, ratio, chunked]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def render_transport() -> str:
    """What `benchmarks.assignment` measured last, a line a solver and size."""
    found = _read_benchmark("transport")
    if found is None:
        return NOT_RUN
    lines = [_name_machine(found), "", "| d | n | solver | seconds | MB | cost | over the bound | matched |"]
    lines.append("|" + "---|" * 8)
    growth = []
    for key, part in found.items():
        if not key.startswith("d="):
            continue
        if part["growth_exponent_sparse"] is not None:
            growth.append(f"{part['growth_exponent_sparse']:.2f} at {key}")
        for n, solvers in part["n"].items():
            for name, one in solvers.items():
                gap = "" if one["optimum_gap"] is None else f"{one['optimum_gap']:.4%}"
                cells = [key.removeprefix("d="), n, name, f"{one['seconds']:.2f}", f"{one['peak_mb']:.0f}"]
                cells += [f"{one['cost']:.3f}", gap, f"{one['matched']:.0%}"]
                lines.append("| " + " | ".join(cells) + " |")
    if growth:
        lines += ["", f"Growth of the sparse solver's seconds: n to the power {', '.join(growth)}."]
    return "\n".join(lines)


def render_pipeline() -> str:
    """What `benchmarks.whole_training` measured last, a line a part."""
    found = _read_benchmark("pipeline")
    if found is None:
        return NOT_RUN
    about = f"{found['dataset']}, {found['profile']}: {found['seconds']:.0f} s for {found['rounds']} rounds"
    lines = [f"{_name_machine(found)} {about}.", "", "| part | seconds | share |", "|---|---|---|"]
    lines += [
        f"| {part} | {found['seconds_of'][part]:.1f} | {share:.1%} |"
        for part, share in found["share_of"].items()
    ]
    return "\n".join(lines)


def render_faults() -> str:
    """What `make test-faults` injected and survived when it was last recorded, a line a kind."""
    found = _read_benchmark("faults")
    if found is None:
        return NOT_RUN
    lines = [f"{_name_machine(found)} {found['seconds']:.0f} s.", "", "| faults | injected | survived |"]
    lines.append("|---|---|---|")
    injected, survived = found["injected"], found["survived"]
    lines += [f"| {kind} | {number} | {survived[kind]} |" for kind, number in injected.items()]
    return "\n".join([*lines, f"| all | {sum(injected.values())} | {sum(survived.values())} |"])


def _read_benchmark(name: str) -> dict[str, Any] | None:
    path = BENCHMARKS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def _name_machine(found: dict[str, Any]) -> str:
    machine = found["machine"]
    return ", ".join(filter(None, [machine["cpu"], machine.get("gpu"), f"torch {machine['torch']}"])) + "."


if __name__ == "__main__":
    write_text(README, update_readme(README.read_text()))
