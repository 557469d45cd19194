"""report.html: claims, tables, figures and where each number comes from, in one file that loads nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from pipeline.storage.files import write_text
from pipeline.studies.measured import MeasuredCell
from reports.paper.all_methods import LEADERBOARD, describe_spread, keep_longest
from reports.paper.claim_values import Verdict
from reports.paper.figures import FIGURES
from reports.paper.html_claims import render_belief, render_forests
from reports.paper.html_figures import render_figures, render_png
from reports.paper.html_parts import join_sentences, paragraphs, read_asset, tag
from reports.paper.html_tables import (
    Details,
    count_published,
    describe_sources,
    render_published,
    render_shown,
)
from reports.paper.layouts import LAYOUTS, name_study
from reports.paper.names import describe_facts
from reports.paper.page import CAPTIONS, DEVIATIONS, READING
from reports.paper.provenance import CellIndex, Origin, Records, read_records
from reports.paper.shown_tables import ShownTable, read_exactly, read_shown
from reports.paper.yardstick import describe_cells

FILE = "report.html"
MAX_ROWS = 400  # of a table; a longer one is named, with its file
BEYOND_TITLES = {
    LEADERBOARD: "Leaderboard: all methods",
    "rivals_table2": "Table 2, every method",
    "rivals_table3": "Table 3, every method",
    "rivals_table8": "Table 8, every method",
    "tuning": "Tuning of the learning rate on a validation split",
    "anomaly_study": "What decides the AUPRC",
}
MADE_OF = {"tuning": "tuning"}  # a table beside those of another study: the study of its cells
Cells = Mapping[str, Sequence[MeasuredCell]]
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def write_report(
    folder: Path,
    results: Path,
    profile: str,
    cells: Cells,
    published: Mapping[str, Any],
    verdicts: Sequence[Verdict] = (),
    notes: Mapping[str, str] | None = None,
) -> Path:
    """Write ``folder``/report.html, atomically; arguments as ``render_report`` has them."""
    path = folder / FILE
    write_text(path, render_report(folder, results, profile, cells, published, verdicts, notes=notes))
    return path


def render_report(
    folder: Path,
    results: Path,
    profile: str,
    cells: Cells,
    published: Mapping[str, Any],
    verdicts: Sequence[Verdict] = (),
    records: Records | None = None,
    notes: Mapping[str, str] | None = None,
) -> str:
    """Render the report from the files on disk; raises ValueError or OSError that names a damaged one.

    ``folder``: the one with claims.csv and table1.csv; ``results``: the profile's, with exhibits/ and cells/;
    ``cells``: measured cells by study, of which the figures are drawn and in which each number's origin is
    looked up; ``published``: reports/published.yaml; ``verdicts``: those of claims.csv, for their cells;
    ``records``: what Git and DVC know of the cells, read from the working folder if None; ``notes``:
    sentences on a study that are not told of its cells alone.
    """
    records = read_records(results / "cells") if records is None else records
    index = CellIndex(cells, results / "cells", records)
    details = Details()
    claims = read_exactly(folder / "claims.csv")
    exhibits = results / "exhibits"
    tables = {study: read_exhibit(exhibits, study, results) for study in _list_studies(cells, exhibits)}
    shown = count_published(
        [table for of_study in tables.values() for table in of_study if len(table.rows) <= MAX_ROWS]
    )

    def find_origin(claim: str, place: str) -> Origin:
        own = [
            cell for one in verdicts if (one.claim.text, one.place) == (claim, place) for cell in one.cells
        ]
        return index.describe(own[0].study, own) if own else Origin()

    forests = render_forests(claims, find_origin, details)
    parts = [
        tag("h2", "What reproduces and what does not", id="claims"),
        render_belief(claims, shown),
        forests,
        _render_table1(folder, details, index),
    ]
    for title, studies in READING:
        shown_studies = [study for study in studies if study in tables]
        parts += [tag("h2", escape(title))] if shown_studies else []
        for study in shown_studies:
            note = (notes or {}).get(study, "")
            parts.append(_render_study(study, tables, cells, exhibits, published, index, details, note))
    beyond = [study for study in tables if study not in DEVIATIONS and (exhibits / study).exists()]
    if beyond:
        parts.append(tag("h2", "Beyond the paper", id="beyond"))
        for study in beyond:
            parts.append(_render_beyond(study, tables[study], cells, exhibits, index, details))
    parts.insert(2, paragraphs(describe_sources(details)))
    return _fill_page(profile, "\n".join(parts), details)


def _list_studies(cells: Cells, exhibits: Path) -> list[str]:
    """The page's studies, in its order, that have cells or an exhibit; then others with an exhibit."""
    of_page = [study for _, studies in READING for study in studies]
    made = {path.name for path in exhibits.glob("*") if path.is_dir()}
    return [*(study for study in of_page if study in cells or study in made), *sorted(made - set(of_page))]


def read_exhibit(exhibits: Path, study: str, results: Path) -> list[ShownTable]:
    """Read all tables of a study's exhibit, in their order there; none where it has not been made."""
    paths = sorted((exhibits / study).glob("*.csv"))
    if study in LAYOUTS:
        order = [f"{name}.csv" for name in LAYOUTS[study].split(study)]
        paths = [exhibits / study / name for name in order if (exhibits / study / name).exists()]
    return [
        read_shown(path, MADE_OF.get(path.stem, study), path.relative_to(results).as_posix())
        for path in paths
    ]


def _render_table1(folder: Path, details: Details, index: CellIndex) -> str:
    path = folder / "table1.csv"
    if not path.exists():
        return ""
    table = read_shown(path, "table1", "paper/table1.csv")
    title = "Table 1: the generators"
    content = tag("h2", title) + render_shown(table, title, index, details)
    return tag("section", content, id="s-table1")


def _render_study(
    study: str,
    tables: Mapping[str, Sequence[ShownTable]],
    cells: Cells,
    exhibits: Path,
    published: Mapping[str, Any],
    index: CellIndex,
    details: Details,
    note: str,
) -> str:
    layout, own = LAYOUTS[study], cells.get(study, ())
    sentences = (
        layout.note,
        DEVIATIONS.get(study, ""),
        describe_cells(study, own),
        note,
    )
    captions = {name: CAPTIONS.get(name, f"{layout.title}, drawn") for name in FIGURES[study]}
    parts = [tag("h3", escape(layout.title)), paragraphs(" ".join(filter(None, sentences)))]
    for table in tables[study]:
        suffix = table.name.removeprefix(study).strip("_")
        title = f"{layout.title} ({suffix})" if suffix else layout.title
        parts += [tag("h4", escape(title)) if suffix else "", render_shown(table, title, index, details)]
    if not tables[study]:
        parts.append(paragraphs("Its exhibit has not been made yet."))
    parts += [render_published(study, published), render_figures(study, own, exhibits / study, captions)]
    return tag("section", "".join(parts), id=f"s-{study}")


def _render_beyond(
    study: str,
    tables: Sequence[ShownTable],
    cells: Cells,
    exhibits: Path,
    index: CellIndex,
    details: Details,
) -> str:
    layout, own = LAYOUTS.get(study), cells.get(study, ())
    title = layout.title if layout else _name_beyond(study, own)
    parts = [tag("h3", escape(title)), paragraphs(layout.note) if layout else ""]
    for table in tables:
        name = layout.title if layout else _name_beyond(table.name, own)
        parts.append(tag("h4", escape(name)) if name != title else "")
        if len(table.rows) > MAX_ROWS:
            parts.append(paragraphs(f"{len(table.rows)} lines: `{table.source}`."))
        else:
            parts.append(render_shown(table, name, index, details))
    if layout:
        captions = {name: CAPTIONS.get(name, layout.title) for name in FIGURES[study]}
        parts.append(render_figures(study, own, exhibits / study, captions))
    else:
        facts = describe_facts([cell for cell in own if not cell.error])
        parts += [
            render_png(path, join_sentences(f"{title}, drawn", facts))
            for path in sorted((exhibits / study).glob("*.png"))
        ]
    return tag("section", "".join(parts), id=f"s-{study}")


def _name_beyond(name: str, cells: Sequence[MeasuredCell]) -> str:
    """The title of a table beyond the paper; the leaderboard's says what its numbers are over its seeds."""
    title = BEYOND_TITLES.get(name, name)
    measured = [cell for cell in keep_longest(cells) if not cell.error]
    return f"{title}, {describe_spread(measured)}" if name == LEADERBOARD and measured else title


def _fill_page(profile: str, content: str, details: Details) -> str:
    """The whole page around its content; what it says of numbers lies in it as JSON."""
    places = [("claims", "Claims"), ("s-table1", "Table 1")]
    places += [(f"s-{study}", name_study(study)) for _, studies in READING for study in studies]
    places += [("beyond", "Beyond")]
    links = "".join(
        f'<a href="#{place}">{escape(name)}</a>' for place, name in places if f'id="{place}"' in content
    )
    facts = json.dumps({"numbers": details.numbers, "origins": details.origins}, separators=(",", ":"))
    return (
        read_asset("report_page.html")
        .replace("{{policy}}", POLICY)
        .replace("{{style}}", read_asset("report_page.css"))
        .replace("{{profile}}", escape(profile))
        .replace("{{links}}", links)
        .replace("{{facts}}", facts.replace("<", "\\u003c"))
        .replace("{{script}}", read_asset("report_page.js"))
        .replace("{{content}}", content)
    )
