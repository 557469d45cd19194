"""Bring the generated parts of README.md and docs/ up to date with the results: ``make docs``.

A part stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``; nothing in it is written by hand.
"""

from __future__ import annotations

import functools
import itertools
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from pipeline.storage import places
from pipeline.storage.files import write_text
from pipeline.studies.grid import PAPER_STUDIES
from pipeline.studies.measured import RECORDED as SEEDS_PROFILE
from reports.tools.benchmark_tables import BENCHMARK_PARTS, NOT_RUN, render_lag
from reports.tools.check_cells import render_checks
from reports.tools.record import RECORDED_PROFILE, read_recorded_seconds

COMPARISONS = places.OWN_RUN / "comparisons"
GAINS = "ABP's Frechet distance over that of Ours, "
CHOICE = "Chosen on validation images, "
FEW_PLACES = 3  # of a claim: each is said by itself as well
MOST_ROWS = 15  # of README's table of verdicts: a study that no longer fits is told in words
OWN_RUN = ("reconstruction", "generation", "anomaly_pooled", "anomaly_tenth", "recovery")
EXHIBITS = {  # part -> the study whose folder has its table
    "anomaly_study": "anomaly_study",
    "leaderboard": "leaderboard",
    "tuning": "leaderboard",
    "fashion": "fashion",
    "solvers": "solvers",
}


def update_document(text: str, name: str) -> str:
    """Return a document's text with its generated parts rewritten; raises ValueError for an unknown part."""
    parts: dict[str, Callable[[], str]] = {
        "batch_norm_lag": render_lag,
        "checks": render_checks,
        "claims": render_claims,
        "dag": render_dag,
        "results": render_own_run,
        "comparison": functools.partial(render_table, COMPARISONS / "comparison.md"),
        "precision": functools.partial(render_table, COMPARISONS / "precision.md"),
        "timing": render_timing,
        **BENCHMARK_PARTS,
    }
    for part, study in EXHIBITS.items():
        path = places.find_exhibit(RECORDED_PROFILE, study) / f"{part}.md"
        parts[part] = functools.partial(render_table, path)

    def replace(match: re.Match[str]) -> str:
        part = match["name"]
        if part not in parts:
            raise ValueError(f"{name}: found part {part!r}, expected one of {', '.join(parts)}")
        return f"<!-- begin {part} -->\n{parts[part]()}\n<!-- end {part} -->"

    return re.sub(r"<!-- begin (?P<name>\w+) -->.*?<!-- end (?P=name) -->", replace, text, flags=re.DOTALL)


def list_documents(root: Path = Path(".")) -> list[Path]:
    """List README.md and the pages of docs/."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]


def render_own_run() -> str:
    """Render the tables of the recorded run of the pipeline."""
    return "\n".join((places.OWN_RUN / "tables" / f"{name}.md").read_text() for name in OWN_RUN)


def render_table(path: Path) -> str:
    """Read a table that was written in Markdown, without its section's heading; or say that it was not."""
    if not path.exists():
        return NOT_RUN
    lines = path.read_text().splitlines()
    return "\n".join(lines[2:] if lines[0].startswith("## ") else lines)


def render_claims() -> str:
    """Read the claims that several seeds decide, as rows while they are few, and the others as sentences.

    The gain by length of training follows, and how many of the other claims have one seed or none.
    """
    once = read_claims_table(places.find_paper(RECORDED_PROFILE) / "claims.md")
    several = read_claims_table(places.find_paper(SEEDS_PROFILE) / "claims.md")
    head, rows = several[:2], [row for row in several[2:] if has_effect(row) and count_seeds(row) > 1]
    judged = {read_claim(row) for row in rows}
    others = [row for row in once[2:] if read_claim(row) not in judged]
    seen = sum(map(has_effect, others))
    studies = ", ".join(dict.fromkeys(map(name_study, others)))
    sentence = (
        f"Of the other claims ({studies}), {seen} were measured with one seed, {len(others) - seen} not at "
        f"all: undecided ([effects]({places.find_paper(RECORDED_PROFILE)}/claims.md))."
    )
    page = places.find_paper(SEEDS_PROFILE) / "README.md"
    gains = [*read_sentence(page, GAINS), *read_sentence(page, CHOICE)]
    few = read_few_places(judged, places.find_paper(SEEDS_PROFILE) / "claims.md")
    apart = [f"*{claim}*: {', '.join(each)}" for claim, each in few.items()]
    words = f"Two or three places say little of others; each by itself. {'. '.join(apart)}."
    decided, told = split_studies([row for row in rows if not is_undecided(row)])
    open_ones = [row for row in rows if is_undecided(row) and read_claim(row) not in few]
    middle = [f"Several seeds do not decide: {tell_claims(open_ones)}.", ""] if open_ones else []
    after = [words, ""] if apart else []
    said = [*tell_verdicts(told), *middle, *gains, *after, sentence]
    return "\n".join([*head, *decided, "", *said]) if rows else "\n".join(once)


def split_studies(rows: Sequence[str], most: int = MOST_ROWS) -> tuple[list[str], list[str]]:
    """Split a table's rows into those of the first studies that fit into ``most`` rows, and the others."""
    kept: list[str] = []
    others: list[str] = []
    for _, group in itertools.groupby(rows, key=name_study):
        study = list(group)
        (kept if len(kept) + len(study) <= most else others).extend(study)
    return kept, others


def tell_verdicts(rows: Sequence[str]) -> list[str]:
    """Tell a table's rows as a paragraph, a sentence for each verdict; empty without rows."""
    verdicts: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        verdicts[row.split("|")[3].strip()].append(row)
    sentences = [f"Also {verdict}: {tell_claims(each)}." for verdict, each in verdicts.items()]
    return [" ".join(sentences), ""] if sentences else []


def tell_claims(rows: Sequence[str]) -> str:
    """Tell the claims of a table's rows with their effects, each study named once."""
    told = []
    for study, group in itertools.groupby(rows, key=name_study):
        claims = [(read_claim(row).removeprefix(f"{study}: "), row.split("|")[2].strip()) for row in group]
        told.append(f"{study}, {'; '.join(f'*{claim}* {effect}' for claim, effect in claims)}")
    return "; ".join(told)


def name_study(row: str) -> str:
    """The study of a row of the table, as the claim begins with it."""
    return read_claim(row).partition(":")[0]


def read_few_places(claims: Collection[str], path: Path) -> dict[str, list[str]]:
    """Read what was found at each place of those of ``claims`` that have two or three places.

    So few say little of further places: their common interval is as wide as the scale, and is not shown.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for row in read_claims_table(path, "| claim | place |")[2:]:
        claim, place, effect, verdict, seeds = (part.strip() for part in row.split("|")[1:6])
        if claim in claims and effect:
            found[claim].append(f"{effect} ({place}, {seeds} seeds: {verdict})")
    return {claim: each for claim, each in found.items() if len(each) <= FEW_PLACES}


def read_sentence(page: Path, pattern: str) -> list[str]:
    """What a page says from ``pattern`` to the end of the line, as a paragraph; empty without it."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    said = re.search(f"{pattern}.*$", text, re.MULTILINE)
    return [said[0], ""] if said else []


def read_claims_table(path: Path, head: str = "| claim |") -> list[str]:
    """The lines of a page's first table that begins so, its head among them; none where there is no page."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    table = itertools.dropwhile(lambda line: not line.startswith(head), lines)
    return list(itertools.takewhile(lambda line: line.startswith("|"), table))


def read_claim(row: str) -> str:
    """The claim of a row of the table."""
    return row.split("|")[1].strip()


def has_effect(row: str) -> bool:
    """Whether the claim of a row of the table was measured."""
    return bool(row.split("|")[2].strip())


def is_undecided(row: str) -> bool:
    """Whether a row of the table has an effect and no verdict."""
    return row.split("|")[3].strip() == "undecided"


def count_seeds(row: str) -> int:
    """The seeds of a row of the table that has an effect."""
    return int(row.split("|")[4])


def render_dag() -> str:
    """What ``dvc dag report --md`` draws, in fewer lines: without the arrows that others imply."""
    command = [sys.executable, "-m", "dvc", "dag", "report", "--md"]
    drawn = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    names = dict(re.findall(r'(node\d+)\["(.*?)"\]', drawn))
    followers: dict[str, set[str]] = defaultdict(set)
    for source, target in re.findall(r"(node\d+)-->(node\d+)", drawn):
        followers[names[source]].add(names[target])
    lines = []
    for source in list_in_order(followers):
        implied = set().union(*(reach(one, followers) for one in followers[source]))
        direct = sorted(followers[source] - implied)
        lines.append(f"    {_name_node(source)} --> {' & '.join(map(_name_node, direct))}")
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```"])


def reach(node: str, followers: Mapping[str, set[str]]) -> set[str]:
    """All that comes after a node of a graph without circles."""
    after = set(followers.get(node, ()))
    return after.union(*(reach(one, followers) for one in after))


def list_in_order(followers: Mapping[str, set[str]]) -> list[str]:
    """The nodes that have followers, each before those that come after it."""
    return sorted(followers, key=lambda node: (-len(reach(node, followers)), node))


def _name_node(stage: str) -> str:
    plain = stage.replace("@", "_")
    return plain if plain == stage else f'{plain}["{stage}"]'


def render_timing() -> str:
    """Render the seconds of the recorded ``dvc repro``: of its own run, of the extractors, of each table."""
    seconds: dict[str, float] = defaultdict(float)
    for stage, value in read_recorded_seconds().items():
        kind, *rest = stage.split("-")
        if kind in ("cells", "exhibit"):
            part = rest[0] if rest[0] in PAPER_STUDIES else ""
        elif kind == "extractor" and rest:
            part = "the tables' feature extractors" if rest[0] != "fashion_full" else ""
        elif kind in ("anomaly_study", "leaderboard"):
            part = ""
        else:
            part = "Table 1, claims and page" if kind == "paper_page" else "the pipeline's own run"
        if part:  # the others are of beyond/dvc.yaml
            seconds[part] += value
    lines = ["| part | seconds |", "|---|---|"]
    lines += [f"| {part} | {value:.0f} |" for part, value in seconds.items()]
    return "\n".join([*lines, f"| all | {sum(seconds.values()):.0f} |"])


def main() -> None:
    """Rewrite every document that has changed."""
    for path in list_documents():
        text = path.read_text(encoding="utf-8")
        updated = update_document(text, str(path))
        if updated != text:
            write_text(path, updated)
            print(path)


if __name__ == "__main__":
    main()
