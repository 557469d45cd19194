"""What a run left in a checkout, as named values that two revisions can be compared by.

A revision keeps its results where its own code writes them. A Layout gives each file the name that its
result has whatever the revision, such as ``metrics/fid`` or ``cells/table3/Ours``; the values in it follow by
key: ``metrics/fid/frechet_distance``, ``train-complete/weights/head.bias``. Seconds are left out.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.storage.files import flatten, read_arrays
from pipeline.studies.grid import AXES, describe

Results = dict[str, dict[str, Any]]  # name of a result -> key -> value
PROFILE = "smoke"
RESULT_FOLDERS = ("artifacts", "metrics", "reports/tables", "reports/figures", f"reports/results/{PROFILE}")
PAGES = ("reports/RUN.md", "reports/README.md")
OF_EVERY_LAYOUT = (
    (r".*/leaderboard\.(md|png)", ""),  # they show seconds; the numbers beside them are in leaderboard.csv
    (r".*/cells/.*\.npz", ""),  # read with the cells.json that names them
    (r"artifacts/data/(.*)", r"data/\1"),
    (r"artifacts/models/(.*)/model\.pt", r"train-\1"),
    (r"artifacts/extractor/classifier\.pt", "extractor"),
)
WHOLE = ""  # the key of a file that is one value
MEASURED = ("numbers", "curves", "lacks")  # of a cell; its arrays are in a file of their own
DESCRIBED = ("dataset", "paper_dataset", "alpha", "seed", "extractor", "rate_factor", "error")


@dataclass(frozen=True)
class Layout:
    """Where revisions of a time keep their results.

    ``names``: pairs of a regular expression for a file's path and the name of its result, "" for what is not
    compared; the first that fits counts, and a file that none fits is called by its path. ``page_stage``:
    the stage that writes the paper's page; ``method_option``: what stands before a method that ``cells``
    is to measure alone.
    """

    name: str
    names: tuple[tuple[str, str], ...]
    page_stage: str
    method_option: tuple[str, ...] = ()

    def name_result(self, path: str) -> str:
        """The name of the result in the file ``path``, "" where it is not compared."""
        for pattern, name in (*OF_EVERY_LAYOUT, *self.names):
            if match := re.fullmatch(pattern, path):
                return match.expand(name)
        return path


FLAT = Layout(  # up to 84374d7
    "flat",
    (
        (r"metrics/timing/.*", ""),
        (r"metrics/cells-.*", ""),  # the numbers of artifacts/cells once more
        (r"metrics/curves/(.*\.csv)", r"metrics/\1"),
        (r"metrics/(.*)\.json", r"metrics/\1"),
        (r"artifacts/extractors/(.*)\.pt", r"extractor-\1"),
        (r"artifacts/cells/(.*)/cells\.json", r"cells/\1"),
        (r"reports/(tables|figures)/(.*)", r"\1/\2"),
        (r"reports/(RUN|README)\.md", r"pages/\1.md"),
    ),
    page_stage="paper",
)
ROOMS = Layout(
    "rooms",
    (
        (r"artifacts/((seconds|kept)/.*|valid)", ""),
        (r"metrics/train/(.*)\.json", r"metrics/train-\1"),
        (r"metrics/train/(.*\.csv)", r"metrics/train-\1"),
        (r"metrics/(.*)\.json", r"metrics/\1"),
        (r"artifacts/run/(tables|figures)/(.*)", r"\1/\2"),
        (r"artifacts/run/RUN\.md", "pages/RUN.md"),
        (r"reports/results/smoke/extractors/(.*)/classifier\.pt", r"extractor-\1"),
        (r"reports/results/smoke/extractors/(.*)/extractor\.json", r"metrics/extractor-\1"),
        (r"reports/results/smoke/extractors/(.*)/errors\.png", r"figures/extractor-\1_errors.png"),
        (r"reports/results/smoke/cells/(.*)/cells\.json", r"cells/\1"),
        (r"reports/results/smoke/exhibits/(.*)/exhibit\.json", r"metrics/\1"),
        (r"reports/results/smoke/exhibits/[^/]*/(.*\.png)", r"figures/\1"),
        (r"reports/results/smoke/exhibits/[^/]*/(.*)", r"tables/\1"),
        (r"reports/results/smoke/paper/claims\.json", "metrics/paper"),
        (r"reports/results/smoke/paper/(.*\.png)", r"figures/\1"),
        (r"reports/results/smoke/paper/README\.md", "pages/README.md"),
        (r"reports/results/smoke/paper/(.*)", r"tables/\1"),
    ),
    page_stage="paper_page",
    method_option=("--method",),
)


@dataclass(frozen=True)
class KnownChange:
    """What another layout has otherwise on purpose: names of values, ``*`` for any letters, and why.

    ``in_base`` and ``in_present``: where the value is; ``values``: the two of it, None for any.
    """

    names: str
    cause: str
    in_base: bool = True
    in_present: bool = True
    values: tuple[Any, Any] | None = None


NO_SIZE = "DVC compares no key called size"
RENAMED = {  # in the base -> now, and why
    "metrics/mask/size": ("metrics/mask/side", NO_SIZE),
    "metrics/recover/mask.size": ("metrics/recover/mask.side", NO_SIZE),
    "data/occluded/meta.json/size": ("data/occluded/meta.json/side", NO_SIZE),
}
KNOWN = (
    KnownChange("metrics/fid/refused", "why an untrained extractor measures no distance", in_base=False),
    KnownChange("metrics/extractor*/classes", "the chance an extractor is held to", in_base=False),
    KnownChange("metrics/summary/*", "what `dvc exp show` puts first", in_base=False),
    KnownChange("metrics/report/*", "how many tables there are", in_present=False),
    KnownChange("metrics/leaderboard/*", "tables/leaderboard.csv has the same", in_present=False),
    KnownChange("cells/*/alpha", "null where no row is named by alpha", values=(0.0, None)),
    KnownChange("pages/*", "places and links of files that moved"),
    KnownChange("tables/methods.md", "modules that moved"),
    *(
        KnownChange(f"figures/{name}.png", "ticks at whole rounds and at the cells' values, another top")
        for name in ("figure8", "figure10", "table4", "table5", "table6", "table7", "table8", "solvers")
    ),
)


def find_renamed(result: str) -> dict[str, tuple[str, str]]:
    """The keys of a result that have another name now: old key -> new key, cause."""
    start = f"{result}/"
    return {
        old.removeprefix(start): (new.removeprefix(start), cause)
        for old, (new, cause) in RENAMED.items()
        if old.startswith(start)
    }


def find_known(name: str, in_base: bool, in_present: bool, values: tuple[Any, Any]) -> KnownChange | None:
    """The known change that a difference is, None for one that nobody meant."""
    for change in KNOWN:
        placed = (change.in_base, change.in_present) == (in_base, in_present)
        if placed and fnmatchcase(name, change.names) and change.values in (None, values):
            return change
    return None


def detect_layout(checkout: Path) -> Layout:
    """The layout of a checkout, by the module that lists the places of results since there are rooms."""
    return ROOMS if (checkout / "pipeline" / "storage" / "places.py").exists() else FLAT


def list_result_files(checkout: Path) -> list[Path]:
    """The files below the folders that hold results, and the pages, relative to ``checkout``."""
    paths = [path for folder in RESULT_FOLDERS for path in (checkout / folder).rglob("*")]
    paths += [checkout / page for page in PAGES]
    return sorted(path.relative_to(checkout) for path in paths if path.is_file())


def read_results(checkout: Path, layout: Layout) -> Results:
    """All results of a checkout, by name and key; raises ValueError for a file that cannot be read."""
    return {
        name: dict(read_values(checkout / path))
        for path in list_result_files(checkout)
        if (name := layout.name_result(path.as_posix()))
    }


def read_values(path: Path) -> Iterator[tuple[str, Any]]:
    """The values of a file by key: tensors and arrays, JSON leaves, a CSV's columns, else its bytes."""
    if path.suffix == ".pt":
        yield from name_tensors(torch.load(path, map_location="cpu", weights_only=True))
    elif path.suffix == ".npy":
        yield WHOLE, np.load(path, allow_pickle=False)
    elif path.name == "cells.json":
        yield from read_cell_values(path)
    elif path.suffix == ".json":
        yield from leave_out_seconds(flatten(json.loads(path.read_text())))
    elif path.suffix == ".csv":
        yield from leave_out_seconds(read_columns(path.read_text(encoding="utf-8")))
    else:
        yield WHOLE, path.read_bytes()


def name_tensors(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested dicts with tensors, as arrays by names such as ``weights/head.bias``."""
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from name_tensors(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value.numpy() if isinstance(value, torch.Tensor) else value


def read_columns(text: str) -> Iterator[tuple[str, Any]]:
    """The columns of a CSV as the texts in them, and the columns' order without those of seconds."""
    rows = list(csv.reader(io.StringIO(text)))
    header = rows[0] if rows else []
    yield "columns", [name for name in header if "seconds" not in name]
    for name, *column in zip(*rows, strict=True):
        yield name, column


def read_cell_values(path: Path) -> Iterator[tuple[str, Any]]:
    """The values of a method's cells of a study, by their places: ``held_out 4 alpha 0.3/tenth_mean``."""
    for cell in json.loads(path.read_text())["cells"]:
        place = name_place(cell["axes"])
        for key in DESCRIBED:
            yield f"{place}/{key}", cell[key]
        for group in MEASURED:
            prefix = "" if group == "numbers" else f"{group}/"
            for key, value in leave_out_seconds(cell[group].items()):
                yield f"{place}/{prefix}{key}", value
        for key, array in (read_arrays(path.parent / cell["arrays"]) if cell["arrays"] else {}).items():
            yield f"{place}/arrays/{key}", array


def name_place(axes: Mapping[str, Any]) -> str:
    """A cell's place in words, whatever the order of its axes in the file; ``all`` for the only cell."""
    keys = sorted(axes, key=lambda key: (AXES.index(key) if key in AXES else len(AXES), key))
    return " ".join(f"{key} {describe(axes[key])}" for key in keys) or "all"


def leave_out_seconds(values: Any) -> Iterator[tuple[str, Any]]:
    """What is measured by a clock differs each time."""
    return ((key, value) for key, value in values if "seconds" not in key)
