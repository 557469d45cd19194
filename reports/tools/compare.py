"""Finished DVC experiments side by side: ``python -m reports.tools.compare``.

Reads what DVC and Git keep of them, trains nothing. Experiments that differ in their seed alone share a row,
which is named after the settings that vary among all that are compared.
"""

from __future__ import annotations

import argparse
import fnmatch
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pipeline.evaluation.fitted_densities import FITTED_DISTANCES
from pipeline.settings.params import OWN_IMAGES, Params, parse_params
from pipeline.settings.yaml_files import ParamError
from pipeline.storage import places
from pipeline.storage.files import flatten, write_text
from pipeline.tracking.current_stages import find_current_stages, read_revision
from pipeline.tracking.run_identity import RESOLVED_ELSEWHERE
from reports.drawing import OURS, save_figure
from reports.paper.names import name_method
from reports.paper.published import find_table2, find_table3, read_published
from reports.result_table import ResultRow, ResultTable, write_digits, write_table

FOLDER = places.ARTIFACTS / "comparison"
SETTINGS = (  # which come first in a row's name and in the order of rows, as they stand here
    *("alpha", "s", "K", "L", "L2", "latent_dim", "sigma"),
    *("langevin.preset", "transport.solver", "mask.kind", "mask.side", "mask.share", "engine.precision"),
)
# A row is a mean over seeds, no number depends on where files lie, and some settings are in there twice.
OVERLOOKED = ("seed", "data.folder", "data.download", *RESOLVED_ELSEWHERE)
CHANNELS = "profile_settings.train.channels_divided_by"
# Whose ``auto`` follows from what has a name of its own: from the preset, L, the data set or its images.
FOLLOWING = ("langevin.", "latent_dim", "data.generator")
QUANTITIES = {  # title -> (stage, key)
    "MSE of training images, [0, 1]": ("reconstruct", "mse_train"),
    "MSE of test images, [0, 1]": ("reconstruct", "mse_test"),
    "Frechet distance to the training images": ("fid", "frechet_distance"),
    "Frechet distance to test images": ("fid", "frechet_distance_test"),
    **{f"Frechet distance, {one} fitted to z": ("fid", key) for one, key in FITTED_DISTANCES.items()},
    "share nearer to a training image": ("fid", "nearer_training"),
    "precision": ("fid", "precision"),
    "recall": ("fid", "recall"),
    "OT cost of the last correction": ("train-complete", "ot_cost"),
    "matched share": ("train-complete", "matched_share"),
    "latent std before the correction": ("train-complete", "latent_std_before"),
    "latent std at the end of the round": ("train-complete", "latent_std_after"),
    "AUPRC, pooled": ("anomaly", "pooled.auprc_mean"),
    "AUPRC, tenth": ("anomaly", "tenth.auprc_mean"),
    "mean absolute recovery error": ("recover", "absolute_error"),
}


@dataclass(frozen=True)
class Experiment:
    """An experiment: its settings, what its stages measured with them, and why it failed, if it did.

    ``params`` have ``auto`` resolved; ``numbers`` are keyed by stage and metric.
    """

    name: str
    params: Params
    numbers: dict[tuple[str, str], Any]
    reason: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """What can change a number of it, but the seed; K = auto is the number that auto stands for."""
        flat = self.params.flat()
        divisors = {name: flat.pop(name) for name in list(flat) if name.startswith(CHANNELS)}
        flat[CHANNELS] = divisors[f"{CHANNELS}.{flat['data.generator']}"]  # of the one generator it has
        if self.params.dataset != OWN_IMAGES:
            del flat["data.images"]
        return {name: flat[name] for name in (*SETTINGS, *flat) if name not in OVERLOOKED}


def read_experiments(count: int, pattern: str = "*") -> list[Experiment]:
    """Read the finished and the failed experiments of the last ``count`` commits whose names match."""
    import dvc.api

    read: list[Experiment | None] = []
    for row in dvc.api.exp_show(num=count, force=True):
        name, state = row.get("Experiment") or "", row.get("State")
        if not name or not fnmatch.fnmatch(name, pattern):
            continue
        if state == "Failed":
            read.append(read_failed(name, row))
        elif state in (None, "", "Success") and not row.get("Error"):
            read.append(read_finished(name, row["rev"]))
    return [one for one in read if one is not None]


def read_finished(name: str, revision: str) -> Experiment:
    """Read what an experiment's commit holds of the stages that ran with its parameters, and no others."""
    params = read_revision(revision, "params.yaml")
    current = find_current_stages(read_revision(revision, "dvc.lock"), params)
    numbers: dict[tuple[str, str], Any] = {}
    for stage in dict.fromkeys(stage for stage, _ in QUANTITIES.values()):
        if stage.replace("train-", "train@") in current:
            metrics = read_revision(revision, places.find_metrics(stage).as_posix())
            numbers.update({(stage, key): value for key, value in flatten(metrics)})
    return Experiment(name, parse_params(params), numbers)


def read_failed(name: str, row: dict[str, Any]) -> Experiment | None:
    """Read a queued experiment that failed, with the reason; None where its parameters are not valid ones."""
    try:
        params = parse_params(read_revision(row["rev"], "params.yaml"))
    except (ParamError, ValueError):
        return None
    return Experiment(name, params, {}, find_reason(read_log(row["rev"])))


def read_log(task: str) -> str:
    """Read what a queued experiment printed; empty where DVC no longer has it."""
    command = [sys.executable, "-m", "dvc", "queue", "logs", task]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


def find_reason(output: str) -> str:
    """Say ``diverged`` where the chains did, else the last thing said before the stage failed."""
    if "chains diverged" in output:
        return "diverged"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(("ERROR: failed to reproduce", ">", "Running"))]
    return f"failed: {said[-1]}" if said else "failed; its log is gone"


def find_varying(experiments: Sequence[Experiment]) -> list[str]:
    """Find the settings in which experiments differ, without those that follow from others of them."""
    settings = [one.settings for one in experiments]
    names = dict.fromkeys(name for one in settings for name in one)
    varying = [name for name in names if len({str(one.get(name)) for one in settings}) > 1]
    return [name for name in varying if not _follows(name, experiments)]


def _follows(name: str, experiments: Iterable[Experiment]) -> bool:
    return name.startswith(FOLLOWING) and all(attrgetter(name)(one.params) == "auto" for one in experiments)


def name_group(experiment: Experiment, varying: Iterable[str]) -> str:
    """Name a group ``ABP, K = 5``: the method, which alpha decides, and the other settings that vary."""
    settings = experiment.settings
    shown = [f"{_shorten(name)} = {_show(settings.get(name))}" for name in varying if name != "alpha"]
    return ", ".join([name_method(experiment.params.alpha), *shown])


def _shorten(name: str) -> str:
    """``mask.side`` as ``side``; ``profile_settings.train.rounds.complete`` as ``rounds.complete``."""
    return name.removeprefix("profile_settings.").partition(".")[2] or name


def group_by_settings(experiments: Iterable[Experiment]) -> list[list[Experiment]]:
    """Group experiments that differ in their seed alone."""
    groups: dict[tuple[str, ...], list[Experiment]] = defaultdict(list)
    for one in experiments:
        groups[tuple(str(value) for value in one.settings.values())].append(one)
    return [groups[key] for key in sorted(groups)]


def tabulate(experiments: Sequence[Experiment], published: dict[str, Any]) -> list[ResultRow]:
    """A row for each group and quantity, the mean over seeds, then its std; failed ones with the reason."""
    finished = [one for one in experiments if not one.reason]
    varying = find_varying(experiments)
    rows: list[ResultRow] = []
    for group in group_by_settings(finished):
        first, method = group[0], name_group(group[0], varying)
        for title, place in QUANTITIES.items():
            values = _list_values(group, place)
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
    if title.startswith("MSE of training"):
        return find_table2(published, params.dataset, "mse", params.alpha)
    if title == "AUPRC, tenth":
        return find_table3(published, params.dataset, params.anomaly.held_out, params.alpha, "mean")
    return None


def render_pivot(experiments: Sequence[Experiment], published: dict[str, Any], title: str, note: str) -> str:
    """One line a group, one column a quantity: mean ± std over seeds, the paper's number in brackets."""
    finished = [one for one in experiments if not one.reason]
    groups, varying = group_by_settings(finished), find_varying(experiments)
    titles = [key for key, place in QUANTITIES.items() if _list_values(finished, place)]
    lines = [f"### {title}", "", note, "", "| method | seeds | " + " | ".join(titles) + " |"]
    lines.append("|" + "---|" * (len(titles) + 2))
    for group in groups:
        cells = []
        for key in titles:
            values = _list_values(group, QUANTITIES[key])
            text = f"{statistics.fmean(values):.4g}" if values else ""
            text += f" ± {write_digits(statistics.stdev(values))}" if len(values) > 1 else ""
            printed = find_printed(key, group[0].params, published)
            cells.append(text if printed is None else f"{text} ({printed:g})")
        lines.append(f"| {name_group(group[0], varying)} | {len(group)} | " + " | ".join(cells) + " |")
    failed = [one for one in experiments if one.reason]
    lines += [f"- {name_group(one, varying)}, seed {one.params.seed}: {one.reason}" for one in failed]
    return "\n".join(lines) + "\n"


def draw_experiments(path: Path, experiments: Sequence[Experiment]) -> None:
    """Draw MSE and Frechet distance over each setting that varies, a point an experiment."""
    varying = find_varying(experiments) or ["alpha"]
    figure = Figure(figsize=(4 * len(varying), 6), layout="constrained")
    grid = figure.subplots(2, len(varying), squeeze=False)
    for axes, place in zip(grid, (("reconstruct", "mse_train"), ("fid", "frechet_distance")), strict=True):
        for axis, name in zip(axes, varying, strict=True):
            points = [(one.settings.get(name), one.numbers.get(place)) for one in experiments]
            drawn = [(value, number) for value, number in points if isinstance(number, (int, float))]
            drawn.sort(key=lambda point: _rank(point[0]))
            axis.plot([_show(value) for value, _ in drawn], [number for _, number in drawn], "o", color=OURS)
            axis.set(xlabel=name, ylabel=place[1])
            axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{len(experiments)} experiments", fontsize=11)
    save_figure(figure, path)


def _list_values(experiments: Iterable[Experiment], place: tuple[str, str]) -> list[float]:
    values = [one.numbers.get(place) for one in experiments]
    return [float(value) for value in values if isinstance(value, (int, float))]


def _rank(value: Any) -> tuple[bool, Any]:
    """Numbers by size, before names and what is not set."""
    return (False, value) if isinstance(value, (int, float)) else (True, str(value))


def _show(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


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
        raise SystemExit(
            f"no finished experiment is named {arguments.experiments!r}; queue some: "
            "dvc exp run --queue -S alpha=0,0.5 report"
        )
    kinds: dict[tuple[str, str], list[Experiment]] = defaultdict(list)
    for one in experiments:
        kinds[one.params.dataset, one.params.profile].append(one)
    published, texts = read_published(), []
    for (dataset, profile), alike in kinds.items():
        name = arguments.name if len(kinds) == 1 else f"{arguments.name}_{dataset}_{profile}"
        note = (
            f"{len(alike)} DVC experiments, profile {profile}, {dataset}, seeds "
            f"{', '.join(map(str, sorted({one.params.seed for one in alike})))}: mean ± standard deviation "
            "over seeds. ABP is alpha = 0."
        )
        write_table(ResultTable(name, arguments.title, note, tabulate(alike, published)), arguments.folder)
        texts.append(render_pivot(alike, published, arguments.title, note))
        write_text(arguments.folder / f"{name}.md", texts[-1])
        draw_experiments(arguments.folder / f"{name}.png", alike)
    print("\n".join(texts))
    print(f"{len(experiments)} experiments in {arguments.folder}")


if __name__ == "__main__":
    main()
