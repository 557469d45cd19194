"""The report's tables: ours with the paper's numbers beside them, and the paper's own as printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from html import escape
from typing import Any

from reports.paper.html_parts import (
    ABSENT,
    HtmlCell,
    HtmlColumn,
    paragraphs,
    render_table,
    slug,
    tag,
    write_number,
    write_spread,
)
from reports.paper.provenance import NOT_RECORDED, CellIndex, Origin
from reports.paper.shown_tables import Number, ShownRow, ShownTable
from reports.result_table import drop_rounding

MAX_KEYS = 12  # listed of a number; a claim may rest on dozens
HEADS = {"dataset": "data set"}
PRINTED_HEADS = {"columns": "data set, quantity", "digits": "method", "latent_dim": "dimension of z"}
PUBLISHED_OF = {
    "table2": "table2_reconstruction_generation",
    "table3": "table3_anomaly_auprc",
    "table4": "table4_latent_dim_svhn",
    "table5": "table5_step_size_mnist",
    "table6": "table6_langevin_steps_mnist",
    "table7": "table7_learning_iterations_mnist",
    "table8": "table8_recovery_error_celeba",
}


@dataclass
class Details:
    """What the page says of each number when it is pointed at; what several numbers share is kept once."""

    numbers: list[dict[str, Any]] = field(default_factory=list)
    origins: list[dict[str, Any]] = field(default_factory=list)
    _places: dict[Origin, int] = field(default_factory=dict)

    def add(self, name: str, origin: Origin, **facts: Any) -> int:
        """Keep a number's facts, those that are not None; returns the number's place in the list."""
        if origin not in self._places:
            self._places[origin] = len(self.origins)
            self.origins.append(shorten_origin(origin))
        known = {key: value for key, value in facts.items() if value is not None}
        self.numbers.append({"name": name, "origin": self._places[origin], **known})
        return len(self.numbers) - 1


def shorten_origin(origin: Origin) -> dict[str, Any]:
    """An origin in words, with no more keys than can be read."""
    words = asdict(origin)
    more = len(origin.keys) - MAX_KEYS
    words["keys"] = list(origin.keys[:MAX_KEYS]) + ([f"and {more} more"] if more > 0 else [])
    words["seeds"] = sorted(set(origin.seeds))
    return words


def render_shown(table: ShownTable, title: str, index: CellIndex, details: Details) -> str:
    """A table of an exhibit: a line a place and method; beside a quantity the paper's where it has one."""
    printed = {
        quantity
        for row in table.rows
        for quantity, number in row.numbers.items()
        if number.published is not None
    }
    columns = [HtmlColumn(slug(label), escape(HEADS.get(label, label))) for label in table.labels]
    for quantity in table.quantities:
        words = escape(quantity.replace("_", " "))
        columns.append(HtmlColumn(slug(quantity), words, True))
        if quantity in printed:
            columns.append(HtmlColumn(f"{slug(quantity)}-paper", f"{words}: paper", True))
    lines = []
    for row in table.rows:
        line = [HtmlCell(escape(row.labels[label]), row.labels[label]) for label in table.labels]
        for quantity in table.quantities:
            number = row.numbers.get(quantity)
            line.append(_render_number(table, row, quantity, number, index, details))
            if quantity in printed:
                line.append(_render_printed(number.published if number else None))
        lines.append(line)
    remarks = "".join(tag("li", escape(remark)) for remark in table.remarks)
    return (
        render_table(table.name, title, columns, lines, heads=len(table.labels))
        + tag("p", f"From {tag('code', escape(table.source))}.", class_="source")
        + (
            tag("details", tag("summary", "What is lacking or failed") + tag("ul", remarks))
            if remarks
            else ""
        )
    )


def _render_number(
    table: ShownTable, row: ShownRow, quantity: str, number: Number | None, index: CellIndex, details: Details
) -> HtmlCell:
    if number is None:
        return HtmlCell(tag("span", ABSENT, class_="none"))
    origin = index.find(table.study, row, quantity, number)
    if origin.keys:  # a row's seeds are not each column's
        number = replace(number, seeds=len(origin.keys))
    words = ", ".join(filter(None, (row.labels[label] for label in table.labels)))
    seeds = origin.seeds or ((number.seed,) if number.seed is not None else ())
    bounds = number.bound()
    place = details.add(
        f"{quantity.replace('_', ' ')}; {words}",
        origin,
        value=repr(number.value),
        seeds=", ".join(map(str, sorted(seeds))) or _count_seeds(number),
        interval=[write_number(end) for end in bounds] if bounds else None,
        spread=None if number.spread is None else write_number(number.spread),
        n=number.images,
        extractor=number.extractor or None,
        paper=None if number.published is None else f"{number.published:g}",
        source=table.source,
    )
    text = write_number(number.value)
    std = drop_rounding(number.spread or 0, number.value)
    spread = tag("span", f" ± {write_spread(std)}", class_="spread") if std else ""
    button = tag("button", text, type="button", class_="n", data_d=place, tabindex=-1)
    return HtmlCell(button + spread, repr(number.value))


def _count_seeds(number: Number) -> str | None:
    if number.seeds:
        return f"{number.seeds} of them"
    return f"at most {number.most} of them" if number.most else None


def _render_printed(value: float | None) -> HtmlCell:
    if value is None:
        return HtmlCell(tag("span", ABSENT, class_="none"))
    return HtmlCell(f"{value:g}", repr(float(value)))


def render_published(study: str, published: Mapping[str, Any]) -> str:
    """The paper's table as it is printed, folded, with what contradicts itself in it; "" for a figure."""
    if study not in PUBLISHED_OF:
        return ""
    content = dict(published[PUBLISHED_OF[study]])
    suspects = content.pop("suspect", [])
    columns, rows = list_printed(content)
    columns[0] = PRINTED_HEADS.get(columns[0], columns[0])
    heads = [HtmlColumn(slug(column), escape(column), number > 0) for number, column in enumerate(columns)]
    lines = [
        [HtmlCell(escape(str(row[0])), str(row[0])), *(_render_printed(value) for value in row[1:])]
        for row in rows
    ]
    key = f"{study}-paper"
    notes = [
        f"Not consistent in the paper: {', '.join(map(str, one['cell']))}"
        + (f" = {one['printed']}" if "printed" in one else "")
        + f": {one['why']}."
        for one in suspects
    ]
    table = render_table(key, f"The paper's {study.replace('table', 'Table ')}, as printed", heads, lines)
    content_html = table + "".join(paragraphs(note) for note in notes)
    return tag("details", tag("summary", "The paper's table, as printed") + content_html, class_="printed")


def list_printed(content: Mapping[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """A printed table of reports/published.yaml as heads and lines, the first of each its name.

    Its axis is the first list; a mapping of lists has an axis of its own where it has no `columns`.
    """
    axes = [key for key, value in content.items() if isinstance(value, list)]
    nested = {key: value for key, value in content.items() if isinstance(value, Mapping)}
    if not nested:  # a parameter and what was measured at each of its values
        axis = axes[0]
        return [axis, *axes[1:]], [list(line) for line in zip(*content.values(), strict=True)]
    if axes:  # rows below one shared axis
        columns = [str(value) for value in content[axes[0]]]
        rows = [
            [f"{name}, {part}", *values] for name, parts in nested.items() for part, values in parts.items()
        ]
        return [axes[0], *columns], rows
    columns, rows = [], []
    for name, parts in nested.items():  # each part with its own axis
        axis, *methods = parts
        rows += [
            [f"{name}, {axis} {value}".replace("_", " "), *(parts[method][place] for method in methods)]
            for place, value in enumerate(parts[axis])
        ]
        columns = methods
    return ["mask", *columns], rows


def describe_sources(details: Details) -> str:
    """How many of the numbers have their cells on disk, in a sentence."""
    known = sum(
        details.origins[number["origin"]]["keys"] not in ([], [NOT_RECORDED]) for number in details.numbers
    )
    total = len(details.numbers)
    return f"{known:,} of the {total:,} numbers below are those of cells on disk, and have their keys."


def count_published(tables: Sequence[ShownTable]) -> tuple[int, int]:
    """Over all tables: how many numbers are shown, and how many have the paper's beside them."""
    counts = [table.count_numbers() for table in tables]
    return sum(count[0] for count in counts), sum(count[1] for count in counts)
