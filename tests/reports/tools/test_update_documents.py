from pathlib import Path

import pytest

from pipeline.storage import places
from pipeline.storage.files import write_json, write_text
from reports.tools import update_documents
from reports.tools.record import PROVENANCE, RECORDED_PROFILE, SECONDS, merge_seconds
from reports.tools.update_documents import OWN_RUN, list_documents, update_document

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
    write_json(PROVENANCE, {"cpu": "a chip, 2 cores", "torch": "2.15.0", "git_revision": "0123456789"})
    return text


def test_the_documents_take_their_results_from_the_files(recorded):
    updated = update_document(recorded, "README.md")
    for name in OWN_RUN:
        assert f"### {name}\n\nmeasured\n" in updated
    assert "Not run yet." in updated
    assert "|\n| It is cheaper |  | undecided | 0 |\n<!-- end claims -->" in updated
    assert "| place |" not in updated
    assert update_document(updated, "README.md") == updated


def test_a_part_within_a_line_stays_there(recorded):
    line = "| `make main` | <!-- begin own_seconds -->639<!-- end own_seconds --> |"
    assert update_document(line, "README.md") == line.replace("639", "12")
    machine = "on: <!-- begin own_machine -->?<!-- end own_machine --> (recorded)"
    assert "a chip, 2 cores, torch 2.15.0, revision 0123456<" in update_document(machine, "README.md")


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
