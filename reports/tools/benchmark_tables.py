"""What the benchmarks measured last, as the tables of docs/speed.md and docs/promises.md."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.storage import places

BENCHMARKS = places.RESULTS / "speed"
LAG = places.RESULTS / "batch_norm_lag.json"
NOT_RUN = "Not run yet."


def render_langevin(measured: dict[str, Any]) -> str:
    """Render what ``benchmarks.langevin_step`` measured last, a line a generator."""
    lines = [_name_machine(measured), "", "| generator | eager fp32, us | uncompiled, us | compiled, us |"]
    lines[-1] += " times eager | of the matrix-product peak |"
    lines.append("|" + "---|" * 6)
    for one in measured["results"]:
        times = ("eager_us_per_sample_step", "us_per_sample_step_uncompiled", "us_per_sample_step")
        cells = [one["generator"], *(f"{one[key]:.0f}" for key in times)]
        cells += [f"{one['ratio_vs_eager']:.1f}", f"{one['fraction_of_matmul_peak']:.0%}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def render_learning(measured: dict[str, Any]) -> str:
    """Render what ``benchmarks.learning_step`` measured last, a line a generator and minibatch size."""
    titles = ["generator", "minibatch", "plain float32, us a sample", "layers, us", "ours, us"]
    titles += ["its products alone, us", "times plain", "times layers", "of the matrix-product peak"]
    lines = [_name_machine(measured), "", "| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    for one in measured["results"]:
        cells = [one["generator"], str(one["minibatch"])]
        cells += [f"{one[f'{key}_us_per_sample']:.0f}" for key in ("plain", "layers", "ours")]
        products = one.get("products_us_per_sample")
        cells.append("" if products is None else f"{products:.0f}")
        cells += [f"{one[f'ratio_vs_{key}']:.2f}" for key in ("plain", "layers")]
        cells.append(f"{one['fraction_of_matmul_peak']:.0%}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def render_cells(measured: dict[str, Any]) -> str:
    """Render what ``benchmarks.cell_processes`` measured last, a line a way."""
    what = f"{measured['cells']} cells of {', '.join(measured['studies'])} at profile {measured['profile']}"
    lines = [f"{_name_machine(measured)} {what}.", "", "| way | seconds |", "|---|---|"]
    for way, seconds in measured["seconds"].items():
        lines.append(f"| {way} | {', '.join(f'{one:.0f}' for one in seconds)} |")
    return "\n".join([*lines, "", f"By processes: {measured['ratio']:.2f} of the time one by one."])


def render_repro(measured: dict[str, Any]) -> str:
    """Render what ``benchmarks.repro_anew`` measured last, a line a command and a study."""
    seconds, studies = measured["seconds"], measured["cells"]
    whole = f"{sum(seconds.values()) / 60:.0f} minutes on {measured['cores']} cores"
    lines = [f"{_name_machine(measured)} Profile {measured['profile']}, everything trained: {whole}.", ""]
    lines += ["| part | minutes |", "|---|---|"]
    lines += [f"| {part} | {value / 60:.1f} |" for part, value in seconds.items()]
    lines += ["", "| cells of | cells | seconds of one thread |", "|---|---|---|"]
    lines += [f"| {study} | {one['cells']} | {one['seconds']:.0f} |" for study, one in studies.items()]
    total = {key: sum(one[key] for one in studies.values()) for key in ("cells", "seconds")}
    return "\n".join([*lines, f"| all | {total['cells']} | {total['seconds']:.0f} |"])


def render_transport(measured: dict[str, Any]) -> str:
    """Render what ``benchmarks.assignment`` measured last, a line a solver and size."""
    lines = [
        _name_machine(measured),
        "",
        "| d | n | solver | seconds | MB | cost | over the bound | matched |",
    ]
    lines.append("|" + "---|" * 8)
    growth = []
    for key, part in measured.items():
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


def render_pipeline(measured: dict[str, Any]) -> str:
    """Render what ``benchmarks.whole_training`` measured last, a line a part."""
    training = f"{measured['dataset']}, {measured['profile']}"
    rounds = "one round" if measured["rounds"] == 1 else f"{measured['rounds']} rounds"
    duration = f"{measured['seconds']:.0f} s for {rounds}"
    lines = [f"{_name_machine(measured)} {training}: {duration}."]
    lines += ["", "| part | seconds | share | of the matrix-product peak |", "|---|---|---|---|"]
    for part, share in measured["share_of"].items():
        near = measured["fraction_of_matmul_peak"].get(part)
        peak = "" if near is None else f"{near:.0%}"
        lines.append(f"| {part} | {measured['seconds_of'][part]:.1f} | {share:.1%} | {peak} |")
    return "\n".join(lines)


def render_faults(measured: dict[str, Any]) -> str:
    """Render what ``make test-faults`` injected and survived when it was last recorded, a line a kind."""
    lines = [
        f"{_name_machine(measured)} {measured['seconds']:.0f} s.",
        "",
        "| faults | injected | survived |",
    ]
    lines.append("|---|---|---|")
    injected, survived = measured["injected"], measured["survived"]
    lines += [f"| {kind} | {number} | {survived[kind]} |" for kind, number in injected.items()]
    return "\n".join([*lines, f"| all | {sum(injected.values())} | {sum(survived.values())} |"])


def _name_machine(measured: dict[str, Any]) -> str:
    machine = measured["machine"]
    return ", ".join(filter(None, [machine["cpu"], machine.get("gpu"), f"torch {machine['torch']}"])) + "."


RENDERERS: dict[str, Callable[[dict[str, Any]], str]] = {  # by the file's name, which is the part's
    "cells": render_cells,
    "langevin": render_langevin,
    "learning": render_learning,
    "repro": render_repro,
    "transport": render_transport,
    "pipeline": render_pipeline,
    "faults": render_faults,
}


def render_lag(path: Path = LAG) -> str:
    """Render what ``reports.tools.batch_norm_lag`` measured, a line a training; or that it was not run."""
    if not path.exists():
        return NOT_RUN
    lines = [
        "| method | rounds | seed | MSE, test | with statistics anew | Frechet distance | with them anew |",
        "|---|---|---|---|---|---|---|",
    ]
    keys = ("mse_test_as_is", "mse_test_anew", "frechet_distance_as_is", "frechet_distance_anew")
    for row in json.loads(path.read_text())["rows"]:
        numbers = " | ".join(f"{row[key]:.3g}" for key in keys)
        lines.append(f"| {row['method']} | {row['rounds']} | {row['seed']} | {numbers} |")
    return "\n".join(lines)


def render_benchmark(name: str) -> str:
    """Render what a benchmark measured last; or say that it was not run."""
    path = BENCHMARKS / f"{name}.json"
    return RENDERERS[name](json.loads(path.read_text())) if path.exists() else NOT_RUN


BENCHMARK_PARTS = {name: functools.partial(render_benchmark, name) for name in RENDERERS}
