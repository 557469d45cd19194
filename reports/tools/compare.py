"""Finished DVC experiments side by side: `python -m reports.tools.compare`.

Reads what `dvc exp show` knows, trains nothing. Experiments that differ in their seed alone share a row.
"""

from __future__ import annotations

import argparse
import fnmatch
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pipeline.settings.params import load_params
from pipeline.storage.files import write_text
from pipeline.tracking.current_stages import find_current_stages, read_revision
from reports.drawing import OURS, save_figure
from reports.paper.names import name_method
from reports.paper.published import find_table2, find_table3, read_published
from reports.result_table import ResultRow, ResultTable, write_table

TABLES = Path("reports/tables")
FIGURES = Path("reports/figures")
SETTINGS = (
    "alpha",
    "s",
    "K",
    "L",
    "L2",
    "latent_dim",
    "sigma",
    "langevin.preset",
    "transport.solver",
    "engine.precision",
)
QUANTITIES = {  # title -> (metric file, key)
    "MSE of training images, [0, 1]": ("reconstruct", "mse_train"),
    "MSE of test images, [0, 1]": ("reconstruct", "mse_test"),
    "Frechet distance to the training images": ("fid", "frechet_distance"),
    "OT cost of the last correction": ("train-complete", "ot_cost"),
    "matched share": ("train-complete", "matched_share"),
    "latent std before the correction": ("train-complete", "latent_std_before"),
    "latent std at the end of the round": ("train-complete", "latent_std_after"),
    "AUPRC, pooled": ("anomaly", "pooled.auprc_mean"),
    "AUPRC, tenth": ("anomaly", "tenth.auprc_mean"),
    "mean absolute recovery error": ("recover", "absolute_error"),
}
MEAN, STD = "mean over {} seeds", "std over seeds"

Row = dict[str, Any]


def read_experiments(count: int, pattern: str = "*") -> tuple[list[Row], list[Row]]:
    """The finished and the failed experiments of the last ``count`` commits whose names match.

    Finished ones come with what they measured, failed ones with why they failed, as `reason`.
    """
    import dvc.api

    rows = dvc.api.exp_show(num=count, force=True)
    named = [row for row in rows if fnmatch.fnmatch(row.get("Experiment") or "", pattern)]
    finished = [
        row
        for row in named
        if row.get("Experiment") and not row.get("Error") and row.get("State") in (None, "", "Success")
    ]
    failed = [row for row in named if row.get("State") == "Failed"]
    return (
        [drop_stale_metrics(row) for row in finished],
        [{**row, "reason": find_reason(read_log(row["rev"]))} for row in failed],
    )


def read_log(task: str) -> str:
    """What a queued experiment printed; empty where DVC no longer has it."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "queue", "logs", task], capture_output=True, text=True
    )
    return done.stdout if done.returncode == 0 else ""


def find_reason(output: str) -> str:
    """`diverged` where the chains did, else the last thing said before the stage failed."""
    if "chains diverged" in output:
        return "diverged"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(("ERROR: failed to reproduce", ">", "Running"))]
    return f"failed: {said[-1]}" if said else "failed; its log is gone"


def describe_failures(failures: list[Row], dataset: str) -> list[ResultRow]:
    """A row for each failed experiment: settings, seed, and why it failed in the place of a quantity."""
    found = []
    for row in failures:
        if find_value(row, "params.yaml", "dataset") == dataset:
            settings = {name: find_value(row, "params.yaml", name) for name in SETTINGS}
            method = name_method(float(settings.pop("alpha")))
            rest = [f"{key} = {value}" for key, value in settings.items() if value != "auto"]
            seed = int(find_value(row, "params.yaml", "seed"))
            found.append(ResultRow(dataset, ", ".join([method, *rest]), row["reason"], None, seed=seed))
    return found


def draw_experiments(path: Path, experiments: list[Row]) -> None:
    """A panel for each setting that varies: MSE and Frechet distance over it, a point an experiment."""
    keys = ("mse_train", "frechet_distance")
    files = {key: f"metrics/{file}.json" for file, key in QUANTITIES.values() if key in keys}
    points = [
        {name: find_value(row, "params.yaml", name) for name in SETTINGS}
        | {key: find_value(row, files[key], key) for key in keys}
        for row in experiments
    ]
    varying = [name for name in SETTINGS if len({str(point[name]) for point in points}) > 1] or ["alpha"]
    figure = Figure(figsize=(4 * len(varying), 6), layout="constrained")
    grid = figure.subplots(2, len(varying), squeeze=False)
    for axes, key in zip(grid, keys, strict=True):
        for axis, name in zip(axes, varying, strict=True):
            drawn = [point for point in points if isinstance(point[key], (int, float))]
            drawn.sort(key=lambda point: (isinstance(point[name], str), point[name]))
            axis.plot([str(point[name]) for point in drawn], [point[key] for point in drawn], "o", color=OURS)
            axis.set(xlabel=name, ylabel=key)
            axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{len(points)} experiments", fontsize=11)
    save_figure(figure, path)


def drop_stale_metrics(row: Row) -> Row:
    """Leave out the metrics of stages that did not run with this experiment's parameters."""
    revision = row["rev"]
    current = find_current_stages(read_revision(revision, "dvc.lock"), read_revision(revision, "params.yaml"))
    stale = {
        (file, key) for file, key in QUANTITIES.values() if file.replace("train-", "train@") not in current
    }
    columns = {name for file, key in stale for name in (key, f"metrics/{file}.json:{key}")}
    return {name: value for name, value in row.items() if name not in columns}


def find_value(row: Row, file: str, key: str) -> Any:
    """A column of `exp_show`, which carries its file's name only where two files share the key."""
    return row.get(f"{file}:{key}", row.get(key))


def compare_experiments(
    rows: Iterable[Row], published: dict[str, Any], dataset: str, held_out: int
) -> list[ResultRow]:
    """Group experiments by their settings: the mean over seeds of each quantity, then its std."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        if find_value(row, "params.yaml", "dataset") == dataset:
            groups[tuple(find_value(row, "params.yaml", name) for name in SETTINGS)].append(row)
    varying = [
        i for i in range(1, len(SETTINGS)) if len({str(key[i]) for key in groups}) > 1
    ]  # alpha names the method
    found: list[ResultRow] = []
    for key in sorted(groups, key=str):
        alpha = float(key[0])
        setting = "".join(f", {SETTINGS[i].rpartition('.')[2]} = {key[i]}" for i in varying)
        method = name_method(alpha) + setting
        for title, (stage, metric) in QUANTITIES.items():
            values = [find_value(row, f"metrics/{stage}.json", metric) for row in groups[key]]
            values = [float(value) for value in values if isinstance(value, (int, float))]
            if not values:
                continue
            extractor = find_value(groups[key][0], "metrics/fid.json", "extractor")
            extractor = extractor if stage == "fid" else None
            printed = None
            if title.startswith("MSE of training"):
                printed = find_table2(published, dataset, "mse", alpha)
            elif title == "AUPRC, tenth":
                printed = find_table3(published, dataset, held_out, alpha, "mean")
            mean = f"{title}, {MEAN.format(len(values))}"
            found.append(
                ResultRow(dataset, method, mean, statistics.fmean(values), printed, extractor=extractor)
            )
            if len(values) > 1:
                std = statistics.stdev(values)
                found.append(ResultRow(dataset, method, f"{title}, {STD}", std, extractor=extractor))
    return found


def render_pivot(table: ResultTable) -> str:
    """One line a method, one column a quantity: mean ± std over seeds, the paper's number in brackets."""
    cells: dict[str, dict[str, str]] = defaultdict(dict)
    for row in table.rows:
        title, _, kind = row.quantity.rpartition(", ")
        if kind == STD:
            cells[row.method][title] = cells[row.method][title].replace(" @", f" ± {row.value:.2g} @")
        else:
            paper = "" if row.published is None else f" ({row.published:g})"
            cells[row.method][title] = f"{row.value:.4g} @{paper}"
    titles = list(dict.fromkeys(title for found in cells.values() for title in found))
    lines = [f"### {table.title}", "", table.note, "", "| method | " + " | ".join(titles) + " |"]
    lines.append("|" + "---|" * (len(titles) + 1))
    for method, found in cells.items():
        columns = [found.get(title, "").replace(" @", "") for title in titles]
        lines.append(f"| {method} | " + " | ".join(columns) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write reports/tables/NAME.csv and .md, and reports/figures/NAME.png."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commits", type=int, default=1, help="look at the experiments of so many commits")
    parser.add_argument("--experiments", default="*", help="a pattern of names, such as 'grid-*'")
    parser.add_argument("--table", default="comparison", help="name of the table's files")
    parser.add_argument("--title", default="Experiments side by side")
    arguments = parser.parse_args()
    experiments, failed = read_experiments(arguments.commits, arguments.experiments)
    params = load_params()
    rows = compare_experiments(experiments, read_published(), params.dataset, params.anomaly.held_out)
    if not rows:
        raise SystemExit(
            f"no finished experiment of {params.dataset} is named {arguments.experiments!r}; queue some: "
            "dvc exp run --queue -S alpha=0,0.5"
        )
    seeds = sorted({int(find_value(row, "params.yaml", "seed")) for row in experiments})
    note = (
        f"{len(experiments)} finished DVC experiments, profile {params.profile}, {params.dataset}, seeds "
        f"{', '.join(map(str, seeds))}: mean ± standard deviation over seeds, the paper's number in brackets "
        "where it prints this quantity. ABP is alpha = 0."
    )
    failures = describe_failures(failed, params.dataset)
    table = ResultTable(arguments.table, arguments.title, note, [*rows, *failures])
    write_table(table, TABLES)
    text = render_pivot(ResultTable(table.name, table.title, note, rows))
    lines = [f"- {row.method}, seed {row.seed}: {row.quantity}" for row in failures]
    write_text(TABLES / f"{table.name}.md", "\n".join([text, *lines, ""]) if lines else text)
    draw_experiments(FIGURES / f"{table.name}.png", experiments)
    print(f"{len(experiments)} experiments in {TABLES / table.name}.md")


if __name__ == "__main__":
    main()
