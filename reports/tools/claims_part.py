"""README's verdicts: a table of what several seeds decide, and a folded list of what they do not."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pipeline.storage import places
from pipeline.studies.measured import RECORDED as SEEDS_PROFILE
from reports.paper.claims import read_claims
from reports.paper.evaluations import EVALUATIONS, WITH_GRADIENT
from reports.tools.record import RECORDED_PROFILE

GAINS = "ABP's Frechet distance over that of Ours, "
CHOICE = "Chosen on validation images, "
FEW_PLACES = 3  # of a claim: each is told by itself
MOST_ROWS = 15  # of the table: a study that does not fit is told below
CONTRADICTED = "contradicted"
COUNTED = {  # verdict -> how the line above the folded list counts it
    "reproduces": "{} more reproduce",
    CONTRADICTED: "{} more contradicted",
    "no difference": "{} more without a difference",
    "undecided": "{} undecided",
}


def render_claims() -> str:
    """Read the claims judged by several seeds, as a table while they are decided and few, or as a list.

    The gain by length of training follows, and how many of the other claims have one seed or none.
    """
    once = read_claims_table(places.find_paper(RECORDED_PROFILE) / "claims.md")
    several = read_claims_table(places.find_paper(SEEDS_PROFILE) / "claims.md")
    head, rows = several[:2], [row for row in several[2:] if has_effect(row) and count_seeds(row) > 1]
    if not rows:
        return "\n".join(once)
    judged = {read_claim(row) for row in rows}
    few = read_few_places(judged, places.find_paper(SEEDS_PROFILE) / "claims.md")
    shown, others = split_studies([row for row in rows if read_verdict(row) != "undecided"])
    others += [row for row in rows if read_verdict(row) == "undecided" and read_claim(row) not in few]
    page = places.find_paper(SEEDS_PROFILE) / "README.md"
    said = [*read_sentence(page, GAINS), *read_sentence(page, CHOICE), *fold(others, few)]
    alone = [row for row in several[2:] if has_effect(row) and count_seeds(row) == 1]
    seen = {read_claim(row) for row in [*once[2:], *alone] if has_effect(row)}
    counted = count_others([claim.label for claim in read_claims()], judged, seen)
    return "\n".join([*head, *shown, "", *said, *tell_one_seed(judged, alone), counted])


def split_studies(rows: Sequence[str], most: int = MOST_ROWS) -> tuple[list[str], list[str]]:
    """Split a table's rows into those of the studies that fill ``most`` rows best, and the others.

    What contradicts the paper has its row, whether the rest of its study fits or not. Of two choices with as
    many rows, the one that has the earlier studies.
    """
    sizes = Counter(read_study(row) for row in rows if read_verdict(row) != CONTRADICTED)
    room = max(most - (len(rows) - sizes.total()), 0)
    choices = itertools.product((True, False), repeat=len(sizes))
    sets = ([study for study, chosen in zip(sizes, choice, strict=True) if chosen] for choice in choices)
    fitting = (studies for studies in sets if sum(sizes[study] for study in studies) <= room)
    shown = max(fitting, key=lambda studies: sum(sizes[study] for study in studies))
    kept = [row for row in rows if read_verdict(row) == CONTRADICTED or read_study(row) in shown]
    return kept, [row for row in rows if row not in kept]


def fold(rows: Sequence[str], few: Mapping[str, Sequence[str]]) -> list[str]:
    """Fold what has no row into a list: a verdict a line, then claims about few places, each alone."""
    by_verdict: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        by_verdict[read_verdict(row)].append(row)
    listed = [f"- {name}: {tell_claims(by_verdict[name])}" for name in COUNTED if name in by_verdict]
    listed += [f"- {claim}: {', '.join(each)}" for claim, each in few.items()]
    if not listed:
        return []
    told = [words.format(len(by_verdict[name])) for name, words in COUNTED.items() if name in by_verdict]
    if few:
        told.append(
            f"{len(few)} told place by place, as two or three places say little of others, each adjusted "
            "over the places of its claim alone"
        )
    summary = f"Judged by several seeds as well: {', '.join(told)}"
    return [f"<details><summary>{summary}</summary>", "", *listed, "", "</details>", ""]


def tell_claims(rows: Sequence[str]) -> str:
    """Tell the claims of a table's rows with their effects, each study named once."""
    told = []
    for study, group in itertools.groupby(rows, key=read_study):
        claims = [(read_claim(row).removeprefix(f"{study}: "), row.split("|")[2].strip()) for row in group]
        told.append(f"{study}, {'; '.join(f'*{claim}* {effect}' for claim, effect in claims)}")
    return "; ".join(told)


def count_others(claims: Sequence[str], judged: Collection[str], seen: Collection[str]) -> str:
    """Say how many of the ``claims`` beside those ``judged`` have one seed, as ``seen`` has, or none."""
    by_seeds: dict[bool, list[str]] = {True: [], False: []}  # whether one seed was measured -> studies
    for claim in claims:
        if claim not in judged:
            by_seeds[claim in seen].append(claim.partition(":")[0])
    told = [
        f"{len(studies)} have {words} ({', '.join(dict.fromkeys(studies))})"
        for studies, words in ((by_seeds[True], "one seed"), (by_seeds[False], "no seed yet"))
        if studies
    ]
    if not told:
        return f"Each of the {len(claims)} claims is judged by several seeds."
    return (
        f"Of all {len(claims)} claims, {' and '.join(told)}: undecided "
        f"([effects of one seed]({places.find_paper(RECORDED_PROFILE)}/claims.md))."
    )


def tell_one_seed(judged: Collection[str], alone: Sequence[str]) -> list[str]:
    """Tell, as a paragraph, what one seed says: of claims ``judged`` by several elsewhere, and of ``alone``.

    The former are on stand-ins, where the profile of several seeds has fewer data sets; with the note on
    cells behind PPCA. The latter are rows of that profile's table.
    """
    page, pages_of_seeds = (places.find_paper(one) / "claims.md" for one in (RECORDED_PROFILE, SEEDS_PROFILE))
    of_several = {claim for claim, *_ in read_places(pages_of_seeds)}
    found: dict[str, list[str]] = defaultdict(list)
    for claim, place, effect, *_ in read_places(page):
        if claim in judged and claim not in of_several and "stand-in" in place:
            found[claim].append(f"{effect} ({place})")
    told = [f"*{claim}* {', '.join([*each, *read_notes(claim, page)])}" for claim, each in found.items()]
    said = [f"on the stand-ins, {'; '.join(told)}"] if told else []
    said += [tell_claims(alone)] if alone else []
    return [f"With one seed, and so undecided: {'. Also: '.join(said)}.", ""] if said else []


def read_few_places(claims: Collection[str], path: Path) -> dict[str, list[str]]:
    """Read what was found at each place of those of ``claims`` that have two or three places, and the note.

    So few say little of further places: their common interval is as wide as the scale, and is not shown.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for claim, place, effect, verdict, seeds in read_places(path):
        if claim in claims:
            found[claim].append(f"{effect} ({place}, {seeds} seeds: {verdict})")
    few = {claim: each for claim, each in found.items() if len(each) <= FEW_PLACES}
    for claim, each in few.items():
        each += read_notes(claim, path)
    return few


def read_places(page: Path) -> list[list[str]]:
    """The measured rows of a page's table of places: claim, place, effect, verdict and seeds, as printed."""
    rows = (row.split("|")[1:6] for row in read_claims_table(page, "| claim | place |")[2:])
    parts = ([part.strip() for part in row] for row in rows)
    return [row for row in parts if row[2]]


def read_notes(claim: str, page: Path) -> list[str]:
    """The note that a page has on a claim; empty without it."""
    before = f"- {claim}: "
    return [note.removeprefix(before) for note in read_sentence(page, f"^{re.escape(before)}")[:1]]


def read_sentence(page: Path, pattern: str) -> list[str]:
    """What a page says from ``pattern`` to the end of the line, as a paragraph; empty without it.

    But how often a network is evaluated, which stands between what was found and what it was trained on.
    """
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    said = re.search(f"{pattern}.*$", text, re.MULTILINE)
    return [re.sub(f"{EVALUATIONS}.*?{WITH_GRADIENT}. ", "", said[0]), ""] if said else []


def read_claims_table(path: Path, head: str = "| claim |") -> list[str]:
    """The lines of a page's first table that begins so, its head among them; none where there is no page."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    table = itertools.dropwhile(lambda line: not line.startswith(head), lines)
    return list(itertools.takewhile(lambda line: line.startswith("|"), table))


def read_study(row: str) -> str:
    """The study of a row of the table, as the claim begins with it."""
    return read_claim(row).partition(":")[0]


def read_claim(row: str) -> str:
    """The claim of a row of the table."""
    return row.split("|")[1].strip()


def read_verdict(row: str) -> str:
    """The verdict of a row of the table."""
    return row.split("|")[3].strip()


def has_effect(row: str) -> bool:
    """Whether the claim of a row of the table was measured."""
    return bool(row.split("|")[2].strip())


def count_seeds(row: str) -> int:
    """The seeds of a row of the table that has an effect."""
    return int(row.split("|")[4])
