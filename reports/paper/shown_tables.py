"""An exhibit's CSV as a table for reading: a line for each place and method, a column for each quantity."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.special import stdtrit

from pipeline.evaluation.effects import LEVEL
from reports.result_table import COLUMNS

OF_SEEDS = re.compile(r"^(?P<title>.*), (?P<part>mean|std) over (?P<seeds>\d+) seeds$", re.DOTALL)
SPREAD = "_std"  # of a column's name: the standard deviation between the seeds of the column without it
LABELS = ("dataset", "method", "place")


@dataclass(frozen=True)
class Number:
    """A measured number as its CSV has it, and what it rests on; None where that does not apply.

    ``published``: the paper's; ``seeds``: of how many trainings it is the mean; ``most``: of how many it is
    at most, where that is all that its table says; ``seed``: that of the only one; ``spread``: the
    trainings' standard deviation; ``images``: training images of each; ``extractor``: whose features it is
    in, "" for other quantities.
    """

    value: float
    published: float | None = None
    seeds: int | None = None
    seed: int | None = None
    spread: float | None = None
    images: int | None = None
    extractor: str = ""
    most: int | None = None

    def bound(self) -> tuple[float, float] | None:
        """The 95 % interval over seeds by Student's t; None for one training or an unknown number."""
        if self.spread is None or self.seeds is None or self.seeds < 2:
            return None
        half = float(stdtrit(self.seeds - 1, (1 + LEVEL) / 2)) * self.spread / math.sqrt(self.seeds)
        return self.value - half, self.value + half


@dataclass
class ShownRow:
    """A line: its words by label, and its numbers by quantity."""

    labels: dict[str, str]
    numbers: dict[str, Number] = field(default_factory=dict)


@dataclass(frozen=True)
class ShownTable:
    """A table as it is shown: its lines, its quantities in order, and what methods lack or failed in.

    ``study``: whose cells it was made of; ``source``: the CSV below the results' folder.
    """

    name: str
    study: str
    source: str
    labels: list[str]
    quantities: list[str]
    rows: list[ShownRow]
    remarks: list[str]

    def count_numbers(self) -> tuple[int, int]:
        """How many numbers it shows, and how many of them have a published one beside them."""
        numbers = [number for row in self.rows for number in row.numbers.values()]
        return len(numbers), sum(number.published is not None for number in numbers)


def read_shown(path: Path, study: str, source: str) -> ShownTable:
    """Read a CSV of an exhibit, rows of ``ResultRow`` or a line a method; raises ValueError with its name.

    ``source``: how the table says where it is from.
    """
    frame = read_exactly(path)
    read = _read_long if tuple(frame.columns) == COLUMNS else _read_wide
    labels, rows, remarks = read(frame)
    quantities = list(dict.fromkeys(title for row in rows for title in row.numbers))
    used = [label for label in labels if any(row.labels.get(label) for row in rows)]
    return ShownTable(path.stem, study, source, used, quantities, rows, remarks)


def read_exactly(path: Path) -> pd.DataFrame:
    """Read a CSV, numbers with all their digits, empty cells as NaN; raises ValueError with its name."""
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, pd.errors.ParserError) as error:
        raise ValueError(f"{path}: not a CSV table ({' '.join(str(error).split())})") from error
    return pd.DataFrame({name: _read_column(frame[name]) for name in frame})


def _read_column(texts: pd.Series) -> pd.Series:
    try:  # Python's float is exact; pandas' own reader is that only in some versions
        return pd.Series([float(text) if text else math.nan for text in texts], dtype="float64")
    except ValueError:
        return pd.Series([text if text else None for text in texts], dtype="object")


def list_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame by column."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def split_quantity(text: str) -> tuple[str, str, str, int]:
    """Split ``K = 30: MSE, mean over 3 seeds`` into its place, title, part (mean or std) and seeds.

    Place and part are "" where there is none, and the seeds then 1.
    """
    place, colon, title = text.partition(": ")
    if not colon or " = " not in place:
        place, title = "", text
    found = OF_SEEDS.match(title)
    if found is None:
        return place, title, "", 1
    return place, found["title"], found["part"], int(found["seeds"])


def _read_long(frame: pd.DataFrame) -> tuple[list[str], list[ShownRow], list[str]]:
    """Read a row a number: a standard deviation over seeds stands with the mean that precedes it."""
    rows: dict[tuple[str, str, str], ShownRow] = {}
    spreads: dict[tuple[tuple[str, str, str], str], float] = {}
    remarks: list[str] = []
    entries = list_records(frame)
    for entry in entries:
        place, title, part, _ = split_quantity(entry["quantity"])
        if part == "std":
            spreads[(str(entry["dataset"]), str(entry["method"]), place), title] = float(entry["value"])
    for entry in entries:
        place, title, part, seeds = split_quantity(entry["quantity"])
        key = str(entry["dataset"]), str(entry["method"]), place
        if pd.isna(entry["value"]):
            remarks.append(f"{entry['method']}: {entry['quantity']}")
        elif part != "std":
            row = rows.setdefault(key, ShownRow(dict(zip(LABELS, key, strict=True))))
            row.numbers[title] = Number(
                float(entry["value"]),
                _or_none(entry["published"]),
                seeds,
                _whole_or_none(entry["seed"]),
                spreads.get((key, title)),
                _whole_or_none(entry["n"]),
                "" if pd.isna(entry["extractor"]) else str(entry["extractor"]),
            )
    return list(LABELS), list(rows.values()), list(dict.fromkeys(remarks))


def _read_wide(frame: pd.DataFrame) -> tuple[list[str], list[ShownRow], list[str]]:
    """Read a line a method: columns of numbers are quantities, those of words labels.

    ``seeds`` counts the line's trainings, of which a column may have fewer.
    """
    names = [str(name) for name in frame]
    spreads = [name for name in names if name.endswith(SPREAD) and name.removesuffix(SPREAD) in frame]
    is_number = {
        name: pd.api.types.is_numeric_dtype(frame[name]) and frame[name].dtype != bool for name in names
    }
    ends = [name for name in ("lacks", "failed", "error") if name in frame]
    labels = [name for name in names if not is_number[name] and name not in ends]
    quantities = [name for name in names if is_number[name] and name not in (*spreads, *ends, "seeds")]
    rows, remarks = [], []
    for entry in list_records(frame):
        words = {name: "" if pd.isna(entry[name]) else str(entry[name]) for name in labels}
        row = ShownRow(words)
        for name in quantities:
            if not pd.isna(entry[name]):
                spread = _or_none(entry[name + SPREAD]) if name + SPREAD in spreads else None
                most = _whole_or_none(entry.get("seeds"))
                seeds = _count_values(spread, most)
                most = most if seeds is None else None
                row.numbers[name] = Number(float(entry[name]), seeds=seeds, spread=spread, most=most)
        rows.append(row)
        remarks += [f"{entry[labels[0]]}: {entry[name]}" for name in ends if not pd.isna(entry[name])]
    return labels, rows, list(dict.fromkeys(remarks))


def _count_values(spread: float | None, most: int | None) -> int | None:
    """How many of ``most`` trainings have a number, as its spread tells; None where it leaves that open."""
    if most is None:
        return None
    if spread is None:  # which one number alone has not
        return 1
    return 2 if most == 2 else None


def _or_none(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def _whole_or_none(value: Any) -> int | None:
    return None if value is None or pd.isna(value) else int(value)
