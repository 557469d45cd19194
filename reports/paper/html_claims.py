"""How the report opens: what a reader may believe, and every claim with its interval drawn beside it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from html import escape
from typing import Any

import pandas as pd

from pipeline.evaluation.effects import LEVEL, UNDECIDED, VERDICTS
from reports.paper.claims_table import format_factor
from reports.paper.forest import LOOKS, MARKS, TITLES
from reports.paper.html_parts import (
    ABSENT,
    HtmlCell,
    HtmlColumn,
    render_table,
    slug,
    tag,
    write_number,
)
from reports.paper.html_tables import Details
from reports.paper.layouts import OF_PRIOR, name_study
from reports.paper.provenance import Origin
from reports.paper.shown_tables import list_records

UNITS = {"log ratio": "ratio", "difference": "difference"}  # of claims.csv, and as forest.py has them
COLUMNS = (
    HtmlColumn("claim", "claim"),
    HtmlColumn("place", "place"),
    HtmlColumn("effect", "effect [95 % interval]", True),
    HtmlColumn("forest", "", True, "forest plot"),
    HtmlColumn("verdict", "verdict"),
    HtmlColumn("seeds", "seeds", True),
    HtmlColumn("images", "images", True),
    HtmlColumn("updates", "updates", True),
    HtmlColumn("share", "of the paper's compute", True),
)
SHAPES = {  # of a verdict's marker, about (0, 0)
    "o": '<circle r="5"/>',
    "X": '<path d="M-5-3-3-5 0-2 3-5 5-3 2 0 5 3 3 5 0 2-3 5-5 3-2 0z"/>',
    "s": '<rect x="-4.5" y="-4.5" width="9" height="9"/>',
    "D": '<path d="M0-6 6 0 0 6-6 0z"/>',
}
FindOrigin = Callable[[str, str], Origin]  # of a claim's text and place


def render_belief(claims: pd.DataFrame, shown: tuple[int, int]) -> str:
    """Say in plain words what may be believed, from claims.csv.

    ``shown``: how many numbers the page has, and how many of them stand beside a published one.
    """
    whole = claims[claims["place"].isna()]
    counts = Counter(whole["verdict"])
    parts = [
        f"<p>Of the {len(whole)} claims that are tested here, "
        f"{_count(counts['reproduces'])} reproduced and {_count(counts['contradicted'])} contradicted; "
        f"{_count(counts['no difference'])} shown to make no difference that matters, and "
        f"{_count(counts[UNDECIDED])} undecided.</p>"
    ]
    for verdict, opening in (
        ("reproduces", "You may believe, at this scale, that"),
        ("contradicted", "The measurements here speak against this:"),
        ("no difference", "Too small to matter here, whatever its sign, is the effect in these:"),
    ):
        of_it = [
            f"{_lower(row['claim'])} ({name_study(row['study'])}, {_name_unit(row)} {describe_effect(row)})"
            for row in list_records(whole[whole["verdict"] == verdict])
        ]
        if of_it:
            items = "".join(f"<li>{escape(claim)}</li>" for claim in of_it)
            parts.append(f"<p>{opening}</p><ul>{items}</ul>")
    sentences = [OF_PRIOR] if whole["claim"].str.contains("Frechet").any() else []
    undecided = whole[whole["verdict"] == UNDECIDED]
    without = int(undecided["effect"].isna().sum())
    several = int(undecided["low"].notna().sum())
    single = len(undecided) - without - several
    if single:
        sentences.append(
            f"{single} of the undecided rest on a single seed, so they have no interval: their effects below "
            "are one draw each, and none is a reason to believe either side."
        )
    if several:
        sentences.append(
            f"Adjusted for all claims, the intervals of {several} of the undecided hold effects that matter "
            "and others that do not."
        )
    if without:
        sentences.append(f"{without} of the undecided could not be measured; the notes below say why.")
    shares = whole["share_of_paper"].dropna()
    if len(shares):
        sentences.append(
            f"Where the paper's compute is known, these trainings had {_range_shares(shares)} of its "
            f"sample-gradients, with {_range(whole['images'])} training "
            f"images and {_range(whole['updates'])} updates of the weights. An effect that is missing here "
            "is untested at the paper's scale, not refuted."
        )
    sentences.append(
        f"{shown[1]:,} of the {shown[0]:,} measured numbers below have a published one of the same quantity "
        "on the same data beside them; the others stand alone."
    )
    parts.append(f"<p>{' '.join(map(escape, sentences))}</p>")
    return f'<div class="belief">{"".join(parts)}</div>'


def _count(number: int) -> str:
    return {0: "none is", 1: "1 is"}.get(number, f"{number} are")


def _lower(claim: str) -> str:
    """A claim inside a sentence: its first letter small, but for the name of the method."""
    return claim if claim.startswith("Ours") else claim[0].lower() + claim[1:]


def _name_unit(row: Mapping[str, Any]) -> str:
    return "factor" if UNITS[row["unit"]] == "ratio" else "difference"


def _range(values: pd.Series) -> str:
    known = values.dropna()
    if known.empty:
        return "an unknown number of"
    low, high = int(known.min()), int(known.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _range_shares(shares: pd.Series) -> str:
    low, high = (f"1/{1 / share:,.0f}" for share in (shares.min(), shares.max()))
    return low if low == high else f"from {low} to {high}"


def describe_effect(row: Mapping[str, Any]) -> str:
    """An effect with its interval, log ratios as factors: ``1.12 [1.03, 1.22]``; a dash without one."""
    if pd.isna(row["effect"]):
        return ABSENT
    ends = [row[name] for name in ("effect", "low", "high")]
    ratio = UNITS[row["unit"]] == "ratio"
    texts = [
        format_factor(end) if ratio else f"{end:+.3f}".replace("-", "−") for end in ends if not pd.isna(end)
    ]
    return texts[0] if len(texts) == 1 else f"{texts[0]} [{texts[1]}, {texts[2]}]"


def render_forests(claims: pd.DataFrame, find_origin: FindOrigin, details: Details) -> str:
    """A table with a forest plot for each unit, its claims first; their single places folded below."""
    parts = [_render_legend()]
    for unit, name in UNITS.items():
        of_unit = claims[claims["unit"] == unit]
        if of_unit.empty:
            continue
        margin = float(of_unit["margin"].iloc[0])
        effects = of_unit["effect"].dropna().abs()
        limit = max(4 * margin, 1.6 * float(effects.max()) if len(effects) else 0.0)
        axis = _Axis(name, margin, limit)
        parts.append(tag("h3", escape(TITLES[name][0].upper() + TITLES[name][1:])))
        whole, places = of_unit[of_unit["place"].isna()], of_unit[of_unit["place"].notna()]
        parts.append(_render_forest(f"claims-{name}", "Claims", whole, axis, find_origin, details))
        if len(places):
            table = _render_forest(f"places-{name}", "Each place", places, axis, find_origin, details)
            parts.append(tag("details", tag("summary", f"Each place ({len(places)} effects)") + table))
    return "\n".join(parts)


class _Axis:
    """A forest plot's axis: asinh of the effect in units of its margin, as percent of the strip's width."""

    def __init__(self, unit: str, margin: float, limit: float) -> None:
        self.unit, self.margin, self.limit = unit, margin, limit

    def place(self, effect: float) -> float:
        inside = max(-self.limit, min(self.limit, effect))
        scaled = math.asinh(inside / (2 * self.margin)) / math.asinh(self.limit / (2 * self.margin))
        return 50 + 46 * scaled

    def list_marks(self) -> list[tuple[float, str]]:
        """Ticks that stand apart from each other, "equal" among them."""
        marks = [(50.0, "1" if self.unit == "ratio" else "0")]
        for effect, text in sorted(MARKS[self.unit].items(), key=lambda mark: abs(mark[0])):
            at = self.place(float(effect))
            if abs(effect) < self.limit and all(abs(at - other) >= 11 for other, _ in marks):
                marks.append((at, text.replace("-", "−")))
        return sorted(marks)

    def draw_head(self) -> str:
        ticks = "".join(
            f'<text x="{at:.2f}%" y="11" text-anchor="middle">{text}</text>'
            f'<line x1="{at:.2f}%" x2="{at:.2f}%" y1="15" y2="20"/>'
            for at, text in self.list_marks()
        )
        return f'<svg class="axis" width="100%" height="20" aria-hidden="true">{ticks}</svg>'

    def draw(self, row: Mapping[str, Any]) -> str:
        """The strip of one effect: the band of what does not matter, the interval, the marker."""
        band = self.place(-self.margin), self.place(self.margin)
        words = f"{row['claim']}, effect {describe_effect(row)}, {row['verdict']}"
        parts = [
            f"<title>{escape(words)}</title>"
            f'<rect class="band" x="{band[0]:.2f}%" width="{band[1] - band[0]:.2f}%" height="100%"/>'
            '<line class="zero" x1="50%" x2="50%" y1="0" y2="100%"/>'
        ]
        if not pd.isna(row["effect"]):
            known = not pd.isna(row["low"])
            if known:
                low, high = self.place(row["low"]), self.place(row["high"])
                parts.append(f'<line class="ci" x1="{low:.2f}%" x2="{high:.2f}%" y1="14" y2="14"/>')
                for end, at, arrow in (
                    (row["low"], low, "M0-5-7 0 0 5z"),
                    (row["high"], high, "M0-5 7 0 0 5z"),
                ):
                    if abs(end) > self.limit:
                        parts.append(
                            f'<svg x="{at:.2f}%" y="14" overflow="visible"><path d="{arrow}"/></svg>'
                        )
            shape = SHAPES[LOOKS[row["verdict"]][1]]
            group = tag("g", shape, class_=None if known else "hollow")
            parts.append(f'<svg x="{self.place(row["effect"]):.2f}%" y="14" overflow="visible">{group}</svg>')
        kind = slug(row["verdict"])
        return f'<svg class="strip v-{kind}" role="img" width="100%" height="28">{"".join(parts)}</svg>'


def _render_forest(
    key: str, caption: str, rows: pd.DataFrame, axis: _Axis, find_origin: FindOrigin, details: Details
) -> str:
    with_place = rows["place"].notna().any()
    columns = [
        replace(one, head=axis.draw_head()) if one.key == "forest" else one
        for one in COLUMNS
        if with_place or one.key != "place"
    ]
    lines = []
    for row in list_records(rows):
        study = f'<a href="#s-{row["study"]}">{escape(name_study(row["study"]))}</a>'
        line = [HtmlCell(f"{escape(row['claim'])} <small>{study}</small>", row["claim"])]
        if with_place:
            line.append(HtmlCell(escape(str(row["place"])), str(row["place"])))
        effect = "" if pd.isna(row["effect"]) else repr(float(row["effect"]))
        line.append(HtmlCell(_render_effect(row, find_origin, details), effect))
        line.append(HtmlCell(axis.draw(row), effect))
        mark = f'<svg class="mark v-{slug(row["verdict"])}" width="14" height="14" aria-hidden="true">'
        mark += f'<g transform="translate(7 7)">{SHAPES[LOOKS[row["verdict"]][1]]}</g></svg>'
        word = row["verdict"] if effect else "not measured"
        line.append(HtmlCell(f"{mark} {word}" if effect else word, word))
        line += [_render_count(row[name]) for name in ("seeds", "images", "updates")]
        share = row["share_of_paper"]
        known = not pd.isna(share)
        line.append(HtmlCell(f"1/{1 / share:,.0f}" if known else ABSENT, repr(share) if known else ""))
        lines.append(line)
    head = f"{caption}: {TITLES[axis.unit]}"
    notes = [
        tag("li", escape(f"{row['claim']}: {row['note']}"))
        for row in list_records(rows)
        if not pd.isna(row["note"])
    ]
    return render_table(key, head, columns, lines, "forest") + (tag("ul", "".join(notes)) if notes else "")


def _render_effect(row: Mapping[str, Any], find_origin: FindOrigin, details: Details) -> str:
    text = describe_effect(row)
    if text == ABSENT:
        return text
    place = "" if pd.isna(row["place"]) else str(row["place"])
    origin = find_origin(row["claim"], place)
    at = details.add(
        f"{row['claim']}{f', {place}' if place else ''}",
        origin,
        value=f"{row['effect']!r} ({row['unit']})",
        seeds=", ".join(map(str, sorted(set(origin.seeds)))) or f"{int(row['seeds'])} of them",
        interval=None if pd.isna(row["low"]) else [write_number(row["low"]), write_number(row["high"])],
        p=f"{row['p_holm']:.3g}",
        n=None if pd.isna(row["images"]) else int(row["images"]),
        source="paper/claims.csv",
    )
    return tag("button", text, type="button", class_="n", data_d=at, tabindex=-1)


def _render_count(value: Any) -> HtmlCell:
    return HtmlCell(ABSENT) if pd.isna(value) else HtmlCell(f"{int(value):,}", str(int(value)))


def _render_legend() -> str:
    marks = "".join(
        f'<span><svg class="mark v-{slug(word)}" width="14" height="14" aria-hidden="true"><g '
        f'transform="translate(7 7)">{SHAPES[marker]}</g></svg> {word}</span>'
        for word, (_, marker) in ((word, LOOKS[word]) for word in (*VERDICTS, UNDECIDED))
    )
    return (
        tag("p", marks + "<span>hollow: one seed, no interval</span>", class_="legend")
        + f"<p>Right of the middle is the claim's side. A line is the {LEVEL:.0%} interval over seeds and "
        "places; the band is what is too small to matter; an arrow goes beyond the axis.</p>"
    )
