"""The verdicts as a table: claims.csv, and Markdown for reading."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from pipeline.evaluation.effects import UNDECIDED, VERDICTS
from pipeline.storage.files import write_json, write_text
from reports.paper.claim_values import Verdict
from reports.paper.forest import draw_forest
from reports.paper.layouts import OF_PRIOR

if TYPE_CHECKING:  # which takes torch
    from pipeline.studies.measured import MeasuredCell
    from reports.paper.scale import Scale

FindScale = Callable[[Sequence["MeasuredCell"]], "Scale | None"]
READING = (
    "An effect above 1 (a ratio) or 0 (a difference) is on the claim's side. Its 95 % interval is over "
    "seeds, a seed being a training; for several places it is over places too. **Reproduces**: all of it "
    "is beyond the smallest effect that matters, {smallest}; **contradicted**: beyond it on the other side; "
    "**no difference**: within it on both; each after Holm's adjustment within a table. One seed has no "
    "interval and leaves a claim **undecided**. Images and updates of the weights: of a training of Ours, "
    "the fewest where they differ; the share is of the paper's sample-gradients. How and why: "
    "[docs/protocol.md](../../../../docs/protocol.md)."
)

SMALLEST: dict[str, Callable[[float], str]] = {
    "ratio": lambda margin: f"{100 * math.expm1(margin):.0f} % of an error or a distance",
    "difference": lambda margin: f"{margin:g} of an AUPRC",
}

COLUMNS = (
    *("claim", "study", "place", "effect", "low", "high", "unit", "margin", "verdict", "p_holm", "seeds"),
    *("images", "updates", "share_of_paper", "note"),
)


def tabulate_claims(verdicts: Sequence[Verdict], find_scale: FindScale) -> pd.DataFrame:
    """Tabulate a row for each claim, and for each of its places below it; log ratios as they are."""
    rows = []
    for one in verdicts:
        scale = find_scale(one.cells)
        rows.append(
            {
                "claim": one.claim.text,
                "study": one.claim.study,
                "place": one.place,
                "effect": one.effect,
                "low": one.low,
                "high": one.high,
                "unit": "log ratio" if one.claim.unit == "ratio" else "difference",
                "margin": one.claim.margin,
                "verdict": one.verdict,
                "p_holm": one.p,
                "seeds": one.seeds,
                "images": one.images,
                "updates": scale.updates if scale else None,
                "share_of_paper": scale.share if scale else None,
                "note": one.note,
            }
        )
    whole = {"images": "Int64", "updates": "Int64"}
    real = dict.fromkeys(("effect", "low", "high", "share_of_paper"), "float64")
    return pd.DataFrame(rows, columns=COLUMNS).astype({**whole, **real})


def render_claims(verdicts: Sequence[Verdict], find_scale: FindScale) -> str:
    """Render the section in Markdown: a table of the claims, below it one of their places."""
    margins = {one.claim.unit: one.claim.margin for one in verdicts}
    smallest = [SMALLEST[unit](margin) for unit, margin in margins.items()]
    claims = [one for one in verdicts if not one.place]
    places = [one for one in verdicts if one.place]
    lines = [
        "## What reproduces and what does not",
        "",
        " ".join((READING.format(smallest=" and ".join(smallest)), OF_PRIOR)),
        "",
        "![every effect with its interval](claims.png)",
        "",
        "| claim | effect, 95 % interval | verdict | seeds | images | updates | of the paper's compute |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in claims:
        if one.effect is None:
            lines.append(f"| {one.claim.label} | | not measured | | | | |")
            continue
        scale = find_scale(one.cells)
        updates = f"{scale.updates:,}" if scale else ""
        share = "" if scale is None or scale.share is None else f"1/{1 / scale.share:,.0f}"
        cells = (
            one.claim.label,
            format_effect(one),
            one.verdict,
            one.seeds,
            f"{one.images:,}" if one.images else "",
            updates,
            share,
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    notes = list(dict.fromkeys(f"- {one.claim.label}: {one.note}" for one in verdicts if one.note))
    lines += ["", *notes, *([""] if notes else [])]
    if places:
        lines += [
            "<details><summary>Each place</summary>",
            "",
            "| claim | place | effect | verdict | seeds |",
        ]
        lines.append("|---|---|---|---|---|")
        lines += [
            f"| {one.claim.label} | {one.place} | {format_effect(one)} | {one.verdict} | {one.seeds} |"
            for one in places
        ]
        lines += ["", "</details>", ""]
    return "\n".join(lines)


def format_effect(verdict: Verdict) -> str:
    """Write an effect with its interval, ratios as factors: ``1.12 [1.03, 1.22]``."""
    if verdict.effect is None:
        return ""
    ratio = verdict.claim.unit == "ratio"
    ends = [verdict.effect, verdict.low, verdict.high]
    texts = ["" if end is None else format_factor(end) if ratio else f"{end:+.3f}" for end in ends]
    return texts[0] if verdict.low is None else f"{texts[0]} [{texts[1]}, {texts[2]}]"


def format_factor(log_ratio: float) -> str:
    """Write a log ratio as the factor it is, in three digits: ``1.12``, ``22,500``."""
    factor = math.exp(min(log_ratio, 700))
    return f"{float(f'{factor:.3g}'):,.0f}" if 1_000 <= factor < 1e7 else f"{factor:.3g}"


def count_verdicts(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """Count the claims, their places left out, by verdict."""
    counts = Counter(one.verdict for one in verdicts if not one.place)
    return {
        "claims": counts.total(),
        **{word.replace(" ", "_"): counts[word] for word in (*VERDICTS, UNDECIDED)},
    }


def write_claims(verdicts: Sequence[Verdict], find_scale: FindScale, folder: Path) -> str:
    """Write claims.csv, .md, .json and .png into ``folder``; return the section in Markdown."""
    text = render_claims(verdicts, find_scale)
    write_text(folder / "claims.csv", tabulate_claims(verdicts, find_scale).to_csv(index=False))
    write_text(folder / "claims.md", text)
    write_json(folder / "claims.json", count_verdicts(verdicts))
    draw_forest(folder / "claims.png", verdicts)
    return text
