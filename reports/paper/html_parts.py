"""Pieces of the HTML report: escaped text, numbers in words, tables with a toolbar, pictures as data."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape, unescape
from pathlib import Path

ABSENT = "–"


@dataclass(frozen=True)
class HtmlColumn:
    """A column: its key in the address, its head in HTML, and whether its cells sort as numbers.

    ``label``: its name where the head is a drawing.
    """

    key: str
    head: str
    is_number: bool = False
    label: str = ""

    @property
    def words(self) -> str:
        """Its name as plain text."""
        return self.label or unescape(re.sub(r"<[^>]*>", "", self.head))


@dataclass(frozen=True)
class HtmlCell:
    """A cell: its content in HTML, and what it sorts by; "" sorts last."""

    content: str
    sort: str = ""


def tag(name: str, content: str = "", **attributes: str | int | bool | None) -> str:
    """An element with escaped attributes: ``_`` in a name is ``-``, one at its end is left out.

    True is an attribute without a value, None and False none at all. ``content`` is HTML.
    """
    parts = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        parts.append(key if value is True else f'{key}="{escape(str(value))}"')
    opened = f"<{' '.join(parts)}>"
    return opened if name in ("img", "input", "meta") else f"{opened}{content}</{name}>"


def slug(text: str) -> str:
    """A name for addresses: small letters, digits and single hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def write_number(value: float) -> str:
    """A number as tables show it: four digits, thousands apart from 10,000 on, a true minus sign."""
    text = f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    return text.replace("-", "−", 1) if text.startswith("-") else text


def write_spread(value: float) -> str:
    """A standard deviation as tables show it: two digits, or all before the point."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def join_sentences(*sentences: str) -> str:
    """Sentences one after the other, those that have no end with a full stop; empty ones left out."""
    return " ".join(one if one.endswith((".", "?")) else f"{one}." for one in sentences if one)


def paragraphs(text: str) -> str:
    """Plain text, or Markdown's bold, code and links (of which the words stay), as a paragraph; "" for ""."""
    if not text:
        return ""
    text = escape(text, quote=False)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", text)
    text = re.sub(r"`(.+?)`", r"<code>\1</code>", text)
    return f"<p>{text}</p>"


def render_table(
    key: str,
    caption: str,
    columns: Sequence[HtmlColumn],
    rows: Iterable[Sequence[HtmlCell]],
    kind: str = "",
    heads: int = 1,
) -> str:
    """A table that report_page.js sorts, filters and hides columns of; the first ``heads`` cells name a row.

    ``caption``: what the table is, for those who hear it; ``kind``: a class of its own.
    """
    lines = []
    for row in rows:
        cells = [
            tag(
                "th" if number < heads else "td",
                cell.content,
                scope="row" if number < heads else None,
                data_v=cell.sort or None,
                data_label=column.words,
                class_="num" if column.is_number else None,
            )
            for number, (column, cell) in enumerate(zip(columns, row, strict=True))
        ]
        lines.append(tag("tr", "".join(cells)))
    head = "".join(map(_render_head, columns))
    table = tag(
        "table",
        tag("caption", escape(caption)) + tag("thead", tag("tr", head)) + tag("tbody", "\n".join(lines)),
        id=key,
        class_=f"data {kind}".strip(),
    )
    return _render_tools(key, caption, columns, heads, len(lines)) + tag(
        "div", table, class_="scroll", tabindex=0, role="region", aria_label=caption
    )


def _render_head(column: HtmlColumn) -> str:
    button = tag("button", column.head, type="button", class_="sort", aria_label=column.label or None)
    return tag(
        "th",
        button,
        scope="col",
        data_key=column.key,
        data_number=column.is_number,
        class_="num" if column.is_number else None,
    )


def _render_tools(key: str, caption: str, columns: Sequence[HtmlColumn], heads: int, count: int) -> str:
    boxes = "".join(
        tag(
            "label",
            tag("input", type="checkbox", checked=True, data_key=column.key) + f" {escape(column.words)}",
        )
        for column in columns[heads:]
    )
    return tag(
        "div",
        tag("label", "Filter " + tag("input", type="search", aria_label=f"Filter rows: {caption}"))
        + tag("details", tag("summary", "Columns") + tag("div", boxes), class_="columns")
        + tag("button", "Reset", type="button", class_="reset")
        + tag("output", f"{count} rows", aria_live="polite"),
        class_="tools",
        data_for=key,
    )


def embed_png(data: bytes) -> str:
    """A PNG file's bytes as the address of an image inside the page."""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def read_asset(name: str) -> str:
    """A file of this package beside the modules, as text."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
