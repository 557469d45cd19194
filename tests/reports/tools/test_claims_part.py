"""README shows what several seeds decide as rows, folds what they do not, and counts the other claims."""

from pathlib import Path

import pytest

from pipeline.storage import places
from pipeline.storage.files import write_text
from pipeline.studies.measured import RECORDED as SEEDS_PROFILE
from reports.paper.claims import read_claims
from reports.tools.claims_part import (
    count_others,
    fold,
    read_claim,
    read_claims_table,
    render_claims,
    split_studies,
)
from reports.tools.record import RECORDED_PROFILE

ROOT = Path(__file__).parents[3]
HEAD = "| claim | effect | verdict | seeds |\n|---|---|---|---|"
OF_PLACES = "| claim | place | effect | verdict | seeds |\n|---|---|---|---|---|"
SIZES = (("Table 2", 2), ("Table 5", 3), ("Figure 8", 4))  # study, claims
ONCE = f"{HEAD}\n| It is better | 2 | undecided | 1 |\n| It is cheaper |  | undecided | 0 |"


@pytest.fixture
def claims(tmp_path, monkeypatch):
    """A folder with the claims of one seed, in which a test works."""
    monkeypatch.chdir(tmp_path)
    write_text(places.find_paper(RECORDED_PROFILE) / "claims.md", f"## Claims\n\n{ONCE}\n\n- a note\n")


def test_without_several_seeds_the_claims_of_one_are_shown(claims):
    assert render_claims() == ONCE


def test_what_is_decided_is_a_row_and_the_rest_is_folded_or_counted(claims):
    rows = (
        "| It is better | 2 | reproduces | 3 |\n| It is wide | 2 [0.1, 90] | undecided | 3 |\n"
        "| It lasts | | undecided | 0 |\n| Table 5: It grows | 1.1 [0.9, 1.3] | undecided | 5 |\n"
        "| Table 5: It falls | 1 | undecided | 2 |"
    )
    two = "\n".join(f"| It is wide | place {n} | {n} [1, {2 * n}] | reproduces | 3 |" for n in (2, 3))
    many = "\n".join(f"| Table 5: It grows | place {n} | {n} | undecided | 1 |" for n in range(9))
    page = places.find_paper(SEEDS_PROFILE)
    write_text(page / "claims.md", f"{HEAD}\n{rows}\n\n- It is wide: a note\n\n{OF_PLACES}\n{two}\n{many}\n")
    gain = "ABP's Frechet distance over that of Ours, with its interval: 1.14 [1.06, 1.22]."
    write_text(page / "README.md", f"Some sentence. {gain}\n\n| a table |\n")
    table, said, opened, listed, closed, end = render_claims().split("\n\n")
    assert table == f"{HEAD}\n| It is better | 2 | reproduces | 3 |"
    assert said == gain
    assert "as well: 2 undecided, 1 told place by place" in opened and closed == "</details>"
    assert listed.splitlines() == [
        "- undecided: Table 5, *It grows* 1.1 [0.9, 1.3]; *It falls* 1",
        "- It is wide: 2 [1, 4] (place 2, 3 seeds: reproduces), 3 [1, 6] (place 3, 3 seeds: reproduces), "
        "a note",
    ]
    assert end.startswith(
        f"Of all {len(read_claims())} claims, {len(read_claims())} have no seed yet (Table 2, "
    )


def test_the_other_claims_have_one_seed_or_none():
    claims = ["Table 2: It is better", "Table 6: It grows", "Table 6: It falls", "All: It lasts"]
    said = count_others(claims, judged=claims[:1], seen=claims[:2])
    assert said.startswith(
        "Of all 4 claims, 1 have one seed (Table 6) and 2 have no seed yet (Table 6, All): undecided"
    )
    assert count_others(claims, judged=claims, seen=[]) == "Each of the 4 claims is judged by several seeds."
    pages = (places.find_paper(one) / "claims.md" for one in (RECORDED_PROFILE, SEEDS_PROFILE))
    shown = {read_claim(row) for page in pages for row in read_claims_table(ROOT / page)[2:]}
    assert shown and shown <= {claim.label for claim in read_claims()}  # the names are those of the pages


def test_what_has_one_seed_is_told_beside_the_claims_of_several(claims):
    write_text(
        places.find_paper(RECORDED_PROFILE) / "claims.md",
        f"{ONCE}\n\n- It is better: 3 of 6 behind\n\n{OF_PLACES}\n"
        "| It is better | digits | 2 | undecided | 1 |\n"
        "| It is better | emoji (stand-in for CelebA) | 1.1 | undecided | 1 |\n"
        "| It is cheaper | emoji (stand-in for CelebA) | 1.2 | undecided | 1 |\n",
    )
    page = places.find_paper(SEEDS_PROFILE)
    alone = "| Script: It is better | 0.1 | undecided | 1 |"
    write_text(page / "claims.md", f"{HEAD}\n| It is better | 2 | reproduces | 3 |\n{alone}\n")
    _, told, _ = render_claims().split("\n\n")
    assert told == (
        "With one seed, and so undecided: on the stand-ins, *It is better* 1.1 (emoji (stand-in for "
        "CelebA)), 3 of 6 behind. Also: Script, *It is better* 0.1."
    )


def test_a_study_that_does_not_fit_is_folded_but_for_what_contradicts_the_paper():
    rows = [
        "| Table 2: It is better | 2 [1.5, 3] | reproduces | 5 |",
        "| Length: It lasts | 1.2 [1.1, 1.3] | reproduces | 5 |",
        "| Length: It is nearer | .8 [.7, .9] | contradicted | 5 |",
        "| Table 7: It grows | 1.3 [1.2, 1.4] | reproduces | 5 |",
        "| Table 8: It is quicker | .9 [.8, .93] | contradicted | 5 |",
    ]
    kept, others = split_studies(rows, most=3)
    assert kept == [rows[0], rows[2], rows[4]] and others == [rows[1], rows[3]]
    _, _, *listed, _, _, _ = fold(others, {})
    assert listed == [
        "- reproduces: Length, *It lasts* 1.2 [1.1, 1.3]; Table 7, *It grows* 1.3 [1.2, 1.4]",
    ]
    assert split_studies(rows, most=5) == (rows, []) and fold([], {}) == []


def test_the_rows_are_filled_as_far_as_studies_go():
    rows = [f"| {study}: Claim {n} | 2 | reproduces | 5 |" for study, many in SIZES for n in range(many)]
    kept, others = split_studies(rows, most=6)
    assert [row.partition(":")[0] for row in kept] == ["| Table 2"] * 2 + ["| Figure 8"] * 4
    assert kept + others == [*rows[:2], *rows[5:], *rows[2:5]]
    kept, _ = split_studies(rows, most=5)  # 2 + 3 or, with fewer rows, 4
    assert kept == rows[:5]
