"""Finished DVC experiments side by side: `python -m reports.compare`.

Reads what `dvc exp show` knows, trains nothing. Experiments that differ in their seed alone share a row.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.params import load_params
from reports.published import find_table2, find_table3, name_method, read_published
from reports.tables import ResultRow, ResultTable, write_table

TABLES = Path("reports/tables")
SYMBOLS = ("alpha", "s", "K", "L", "L2", "latent_dim", "sigma")
QUANTITIES = {  # title -> (metric file, key)
    "MSE of training images, [0, 1]": ("reconstruct", "mse_train"),
    "MSE of test images, [0, 1]": ("reconstruct", "mse_test"),
    "Frechet distance to the training images": ("fid", "frechet_distance"),
    "latent std before the correction": ("train-complete", "latent_std_before"),
    "latent std at the end of the round": ("train-complete", "latent_std_after"),
    "AUPRC, pooled": ("anomaly", "pooled.auprc_mean"),
    "AUPRC, tenth": ("anomaly", "tenth.auprc_mean"),
    "mean absolute recovery error": ("recover", "absolute_error"),
}

Row = dict[str, Any]


def read_experiments(count: int) -> list[Row]:
    """The finished experiments of the last ``count`` commits, as `dvc.api.exp_show` gives them."""
    import dvc.api

    rows = dvc.api.exp_show(num=count, force=True)
    return [row for row in rows if row.get("Experiment") and not row.get("Error")]


def find_value(row: Row, file: str, key: str) -> Any:
    """A column of `exp_show`, which carries its file's name only where two files share the key."""
    return row.get(f"{file}:{key}", row.get(key))


def compare_experiments(
    rows: Iterable[Row], published: dict[str, Any], dataset: str, held_out: int
) -> ResultTable:
    """Group experiments by their symbols, average over seeds: mean and, in a row below, std."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        if find_value(row, "params.yaml", "dataset") == dataset:
            groups[tuple(find_value(row, "params.yaml", symbol) for symbol in SYMBOLS)].append(row)
    varying = [
        i for i in range(len(SYMBOLS)) if len({str(key[i]) for key in groups}) > 1 and SYMBOLS[i] != "alpha"
    ]
    found: list[ResultRow] = []
    for key in sorted(groups, key=str):
        alpha = float(key[0])
        setting = ", ".join(f"{SYMBOLS[i]} = {key[i]}" for i in varying)
        method = name_method(alpha) + (f", {setting}" if setting else "")
        for title, (stage, metric) in QUANTITIES.items():
            values = [find_value(row, f"metrics/{stage}.json", metric) for row in groups[key]]
            values = [float(value) for value in values if isinstance(value, (int, float))]
            if not values:
                continue
            extractor = (
                find_value(groups[key][0], "metrics/fid.json", "extractor") if stage == "fid" else None
            )
            printed = None
            if title.startswith("MSE of training"):
                printed = find_table2(published, dataset, "mse", alpha)
            elif title == "AUPRC, tenth":
                printed = find_table3(published, dataset, held_out, alpha, "mean")
            seeds = len(values)
            found.append(
                ResultRow(
                    dataset,
                    method,
                    f"{title}, mean of {seeds} seeds",
                    statistics.fmean(values),
                    printed,
                    extractor=extractor,
                )
            )
            if seeds > 1:
                found.append(
                    ResultRow(
                        dataset,
                        method,
                        f"{title}, std over seeds",
                        statistics.stdev(values),
                        extractor=extractor,
                    )
                )
    note = "Finished DVC experiments; ABP is alpha = 0. Published: Tables 2 and 3, for equal quantities."
    return ResultTable("comparison", "Experiments side by side", note, found)


def main() -> None:
    """Write reports/tables/comparison.csv and .md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commits", type=int, default=1, help="look at the experiments of so many commits")
    rows = read_experiments(parser.parse_args().commits)
    params = load_params()
    table = compare_experiments(rows, read_published(), params.dataset, params.anomaly.held_out)
    if not table.rows:
        raise SystemExit(
            "no finished experiment of this data set; queue some: dvc exp run --queue -S alpha=0,0.5"
        )
    write_table(table, TABLES)
    print(f"{len(rows)} experiments, {len(table.rows)} rows in {TABLES / 'comparison.md'}")


if __name__ == "__main__":
    main()
