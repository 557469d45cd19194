from pathlib import Path

import pytest

from pipeline.storage import places
from pipeline.storage.files import write_text
from reports.tools import update_documents
from reports.tools.record import RECORDED_PROFILE, SECONDS, merge_seconds
from reports.tools.update_documents import (
    OWN_RUN,
    list_documents,
    split_studies,
    tell_verdicts,
    update_document,
)

ROOT = Path(__file__).parents[3]
TIMES = {"fid": 12.3, "cells-table3-VAE": 10.0, "exhibit-table3": 1.0, "cells-tuning-GLO": 9.0}


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """A folder with the recorded run's tables and seconds, and the claims; works in it."""
    text = "\n\n".join(path.read_text(encoding="utf-8") for path in list_documents(ROOT))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(update_documents, "render_dag", lambda: "drawn")
    for name in OWN_RUN:
        write_text(places.OWN_RUN / "tables" / f"{name}.md", f"### {name}\n\nmeasured\n")
    lines = [
        "## Claims",
        "",
        "| claim | effect | verdict | seeds |",
        "|---|---|---|---|",
        "| It is better | 2 | undecided | 1 |",
        "| It is cheaper |  | undecided | 0 |",
        "",
        "- a note",
    ]
    write_text(places.find_paper(RECORDED_PROFILE) / "claims.md", "\n".join([*lines, "", "| place |"]))
    write_text(SECONDS, merge_seconds(TIMES, places.SECONDS))
    return text


def test_the_documents_take_their_results_from_the_files(recorded):
    updated = update_document(recorded, "README.md")
    for name in OWN_RUN:
        assert f"### {name}\n\nmeasured\n" in updated
    for line in ("| the pipeline's own run | 12 |", "| table3 | 11 |", "| all | 23 |", "Not run yet."):
        assert line in updated
    assert "|\n| It is cheaper |  | undecided | 0 |\n<!-- end claims -->" in updated
    assert "| place |" not in updated
    assert update_document(updated, "README.md") == updated


def test_readme_shows_the_claims_of_several_seeds_and_counts_the_others(recorded):
    head = "| claim | effect | verdict | seeds |\n|---|---|---|---|"
    wide = "| It is wide | 2 [0.1, 90] | undecided | 3 |"
    rows = f"| It is better | 2 | reproduces | 3 |\n{wide}\n| It lasts | | undecided | 0 |"
    open_one = (
        "| Table 5: It grows | 1.1 [0.9, 1.3] | undecided | 5 |\n| Table 5: It falls | 1 | undecided | 2 |"
    )
    apart = [f"| It is wide | place {n} | {n} [1, {2 * n}] | reproduces | 3 |" for n in (2, 3)]
    many = [f"| It lasts | place {n} | {n} | undecided | 1 |" for n in range(9)]
    below = ["| claim | place | effect | verdict | seeds |", "|---|---|---|---|---|", *apart, *many]
    write_text(places.find_paper("recorded") / "claims.md", "\n".join([head, rows, open_one, "", *below, ""]))
    gain = "ABP's Frechet distance over that of Ours, with its interval: 1.14 [1.06, 1.22]."
    write_text(places.find_paper("recorded") / "README.md", f"Some sentence. {gain}\n\n| a table |\n")
    updated = update_document(recorded, "README.md")
    part = updated.partition("<!-- begin claims -->")[2].partition("<!-- end claims -->")[0]
    begin, undecided, said, each, end = part.split("\n\n")
    assert undecided == "Several seeds do not decide: Table 5, *It grows* 1.1 [0.9, 1.3]; *It falls* 1."
    assert (
        "*It is wide*: 2 [1, 4] (place 2, 3 seeds: reproduces), 3 [1, 6] (place 3, 3 seeds: reproduces)."
        in each
    )
    assert "It lasts" not in each
    assert said == gain
    assert begin.strip() == f"{head}\n| It is better | 2 | reproduces | 3 |"
    assert end.startswith("Of the other claims (It is cheaper), 0 were measured with one seed, 1 not at all")


def test_a_study_whose_rows_no_longer_fit_is_told_in_words_by_its_verdicts():
    rows = [
        "| Table 2: It is better | 2 [1.5, 3] | reproduces | 5 |",
        "| Length: It lasts | 1.2 [1.1, 1.3] | reproduces | 5 |",
        "| Length: It is nearer | .8 [.7, .9] | contradicted | 5 |",
        "| Table 7: It grows | 1.3 [1.2, 1.4] | reproduces | 5 |",
    ]
    kept, others = split_studies(rows, most=2)
    assert kept == [rows[0], rows[3]] and others == rows[1:3]
    assert tell_verdicts(others) == [
        "Also reproduces: Length, *It lasts* 1.2 [1.1, 1.3]. "
        "Also contradicted: Length, *It is nearer* .8 [.7, .9].",
        "",
    ]
    assert split_studies(rows, most=4) == (rows, []) and tell_verdicts([]) == []


def test_a_part_that_nobody_makes_is_refused_with_the_documents_name(recorded):
    with pytest.raises(
        ValueError,
        match=r"docs/x\.md: found part 'nothing', expected one of batch_norm_lag, checks, claims, ",
    ):
        update_document("<!-- begin nothing -->\n<!-- end nothing -->", "docs/x.md")


def test_seconds_of_stages_that_ran_here_take_the_place_of_recorded_ones(tmp_path):
    write_text(tmp_path / "fid.json", '{"seconds": 2.5}')
    assert merge_seconds({"fid": 9.0, "mask": 1.0}, tmp_path) == "stage,seconds\nfid,2.5\nmask,1.0\n"


@pytest.mark.parametrize("path", list_documents(ROOT), ids=lambda path: path.stem)
def test_each_document_can_be_brought_up_to_date_from_what_is_committed(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(update_documents, "render_dag", lambda: "drawn")
    assert update_document(path.read_text(encoding="utf-8"), str(path))
