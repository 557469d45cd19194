"""Finished DVC experiments side by side: ``python -m reports.tools.compare``.

Reads what DVC and Git keep of them, trains nothing. Experiments that differ in their seed alone share a row,
which is named after the settings that vary among all that are compared.
"""

from __future__ import annotations

import argparse
import statistics
import textwrap
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pipeline.settings.params import Params
from pipeline.storage import places
from pipeline.storage.files import write_text
from reports.drawing import OURS, save_figure
from reports.paper.published import find_table2, find_table3, read_published
from reports.result_table import ResultRow, ResultTable, write_digits, write_table
from reports.tools.experiments import (
    QUANTITIES,
    Experiment,
    find_earlier,
    find_varying,
    group_by_settings,
    list_values,
    name_group,
    read_experiments,
    show_value,
)

FOLDER = places.ARTIFACTS / "comparison"
DRAWN = (  # of the table's quantities those that runs are compared by
    "MSE of training images, a draw, [0, 1]",
    "MSE of test images, a draw, [0, 1]",
    "Frechet distance to the training images",
    "AUPRC, pooled",
    "AUPRC, tenth",
    "mean absolute recovery error, a draw",
)
TITLE_WIDTH = 24  # letters of a title that a panel is high
COLUMNS = 3  # of panels at most, where one setting varies and each is a quantity


def tabulate(experiments: Sequence[Experiment], published: dict[str, Any]) -> list[ResultRow]:
    """A row for each group and quantity, the mean over seeds, then its std; failed ones with the reason."""
    finished = [one for one in experiments if not one.reason]
    varying = find_varying(experiments)
    rows: list[ResultRow] = []
    for group in group_by_settings(finished):
        first, method = group[0], name_group(group[0], varying)
        for title, place in QUANTITIES.items():
            values = list_values(group, place)
            if not values:
                continue
            extractor = first.numbers.get(("fid", "extractor")) if place[0] == "fid" else None
            printed = find_printed(title, first.params, published)
            mean, seeds = statistics.fmean(values), f"{title}, mean over {len(values)} seeds"
            rows.append(ResultRow(first.params.dataset, method, seeds, mean, printed, extractor=extractor))
            if len(values) > 1:
                std = statistics.stdev(values)
                named = f"{title}, std over seeds"
                rows.append(ResultRow(first.params.dataset, method, named, std, extractor=extractor))
    for one in experiments:
        if one.reason:
            method = name_group(one, varying)
            rows.append(ResultRow(one.params.dataset, method, one.reason, None, seed=one.params.seed))
    return rows


def find_printed(title: str, params: Params, published: dict[str, Any]) -> float | None:
    """Find the paper's number of a quantity, where it prints one for as many Langevin steps as it used."""
    if params.profile != "paper":
        return None  # other data, a fraction of the steps: no number to stand beside
    if QUANTITIES[title] == ("reconstruct", "mse_train"):
        return find_table2(published, params.dataset, "mse", params.alpha)
    if title == "AUPRC, tenth":
        return find_table3(published, params.dataset, params.anomaly.held_out, params.alpha, "mean")
    return None


def render_pivot(experiments: Sequence[Experiment], published: dict[str, Any], title: str, note: str) -> str:
    """One line a group, one column a quantity: mean ± std over seeds, the paper's number in brackets."""
    finished = [one for one in experiments if not one.reason]
    groups, varying = group_by_settings(finished), find_varying(experiments)
    titles = [key for key, place in QUANTITIES.items() if list_values(finished, place)]
    lines = [f"### {title}", "", note, "", "| method | seeds | " + " | ".join(titles) + " |"]
    lines.append("|" + "---|" * (len(titles) + 2))
    for group in groups:
        cells = []
        for key in titles:
            values = list_values(group, QUANTITIES[key])
            text = f"{statistics.fmean(values):.4g}" if values else ""
            text += f" ± {write_digits(statistics.stdev(values))}" if len(values) > 1 else ""
            printed = find_printed(key, group[0].params, published)
            cells.append(text if printed is None else f"{text} ({printed:g})")
        lines.append(f"| {name_group(group[0], varying)} | {len(group)} | " + " | ".join(cells) + " |")
    failed = [one for one in experiments if one.reason]
    lines += [f"- {name_group(one, varying)}, seed {one.params.seed}: {one.reason}" for one in failed]
    return "\n".join(lines) + "\n"


def draw_experiments(path: Path, experiments: Sequence[Experiment]) -> None:
    """Draw each quantity that experiments measured over each setting that varies, a point an experiment.

    No figure, and none left of earlier experiments, where nothing of DRAWN was measured.
    """
    titles = [title for title in DRAWN if list_values(experiments, QUANTITIES[title])]
    if not titles:
        path.unlink(missing_ok=True)
        return
    varying = find_varying(experiments) or ["alpha"]
    panels = [(title, name) for title in titles for name in varying]
    rows = len(titles) if len(varying) > 1 else -(-len(panels) // COLUMNS)
    columns = -(-len(panels) // rows)
    figure = Figure(figsize=(4 * columns, 3 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (title, name) in zip(grid, panels, strict=False):
        points = [(one.settings.get(name), one.numbers.get(QUANTITIES[title])) for one in experiments]
        drawn = [(value, number) for value, number in points if isinstance(number, (int, float))]
        drawn.sort(key=lambda point: _rank(point[0]))
        values, numbers = [show_value(value) for value, _ in drawn], [number for _, number in drawn]
        axis.plot(values, numbers, "o", color=OURS)
        axis.set(xlabel=name, ylabel=textwrap.fill(title, TITLE_WIDTH))
        axis.margins(x=0.15)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in grid[len(panels) :]:
        axis.set_visible(False)
    finished = sum(not one.reason for one in experiments)
    figure.suptitle(_count(finished), fontsize=11)
    save_figure(figure, path)


def _count(number: int) -> str:
    return "one experiment" if number == 1 else f"{number} experiments"


def _rank(value: Any) -> tuple[bool, Any]:
    """Numbers by size, before names and what is not set."""
    return (False, value) if isinstance(value, (int, float)) else (True, str(value))


def main() -> None:
    """Write a comparison for each data set and profile as CSV, Markdown and a figure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=1, help="look at the experiments of so many commits")
    parser.add_argument("--experiments", default="*", help="a pattern of names, such as 'grid-*'")
    parser.add_argument("--name", default="comparison", help="of the files that are written")
    parser.add_argument("--title", default="Experiments side by side")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    experiments = read_experiments(arguments.commits, arguments.experiments)
    if not any(not one.reason for one in experiments):
        raise SystemExit(_say_none(arguments.experiments, arguments.commits))
    kinds: dict[tuple[str, str], list[Experiment]] = defaultdict(list)
    for one in experiments:
        kinds[one.params.dataset, one.params.profile].append(one)
    published, texts = read_published(), []
    for (dataset, profile), alike in kinds.items():
        name = arguments.name if len(kinds) == 1 else f"{arguments.name}_{dataset}_{profile}"
        note = (
            f"{_count(len(alike))}, profile {profile}, {dataset}, seeds "
            f"{', '.join(map(str, sorted({one.params.seed for one in alike})))}: mean ± standard deviation "
            "over seeds. ABP is alpha = 0. A draw is a noisy chain's z, a point that of the chain without "
            "noise (langevin.noise_scale 0: both are the point); errors compare within one kind alone."
        )
        write_table(ResultTable(name, arguments.title, note, tabulate(alike, published)), arguments.folder)
        texts.append(render_pivot(alike, published, arguments.title, note))
        write_text(arguments.folder / f"{name}.md", texts[-1])
        draw_experiments(arguments.folder / f"{name}.png", alike)
    print("\n".join(texts))
    print(f"{_count(len(experiments))} in {arguments.folder}")


def _say_none(pattern: str, commits: int) -> str:
    """What to do where no experiment is found: those of a commit are not those of the one before."""
    none = f"no finished experiment of the last {commits} commits is named {pattern!r}"
    if commits == 1:
        none = f"no finished experiment of this commit is named {pattern!r}"
    if (earlier := find_earlier(pattern)) > commits:
        return f"{none}; on an earlier one there is: --commits {earlier}"
    return f"{none}; queue some: dvc exp run --queue -S alpha=0,0.5 report"


if __name__ == "__main__":
    main()
