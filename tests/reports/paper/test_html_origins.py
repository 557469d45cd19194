"""A number on report.html names the cells that it comes from, their commit and how they were made."""

import subprocess
from pathlib import Path

from pipeline.storage.files import write_text
from pipeline.studies.measured import write_cells
from reports.paper.html_report import render_report
from reports.paper.provenance import NOT_RECORDED, CellIndex, Records, read_digests, read_records
from reports.paper.published import read_published
from reports.paper.shown_tables import read_exactly
from tests.reports.paper.html_reader import NOTHING, read_facts


def test_a_number_names_its_cells_and_one_that_no_cell_has_names_none(results):
    folder, below, cells, verdicts = results
    path = below / "exhibits/table2/table2.csv"
    frame = read_exactly(path)
    changed = frame["quantity"].str.startswith("Frechet distance, mean") & (frame["method"] == "VAE")
    frame.loc[changed, "value"] += 1
    frame.to_csv(path, index=False)
    stale = render_report(folder, below, "smoke", cells, read_published(), verdicts, NOTHING)
    facts = read_facts(stale)
    named = {
        fact["name"]: (fact, facts["origins"][fact["origin"]])
        for fact in facts["numbers"]
        if "figure8" not in fact["source"]  # whose alpha 0 is an ABP, too
    }
    number, origin = named["Frechet distance; mnist5k, ABP"]
    assert origin["keys"] == ["ABP-mnist5k-1", "ABP-mnist5k-2", "ABP-mnist5k-3"]
    assert origin["seeds"] == [1, 2, 3] and number["seeds"] == "1, 2, 3"
    assert named["Frechet distance; mnist5k, VAE"][1]["keys"] == []
    assert named["Frechet distance; mnist5k, VAE"][1]["commit"] == NOT_RECORDED
    claim = named["Ours has a lower Frechet distance than ABP, mnist5k"][1]
    assert claim["keys"] == [f"Ours-mnist5k-{seed}" for seed in (1, 2, 3)]


def test_the_commit_of_cells_is_told_until_they_change(results, tmp_path, monkeypatch):
    _, below, cells, _ = results
    monkeypatch.chdir(tmp_path)
    folder = (below / "cells/table2/VAE").relative_to(tmp_path)
    write_cells(folder, cells["table2"][:1])
    write_text("dvc.lock", "stages: {cells@table2: {outs: [{path: results/cells/table2, md5: abc.dir}]}}")
    run = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org")
    for command in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "-m", "cells")):
        subprocess.run([*run, *command], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout
    records = read_records(folder.parents[1])
    (commit,) = records.commits.values()
    assert head.startswith(commit.split()[0]) and list(records.commits) == [f"{folder}/cells.json"]
    assert "abc.dir" in records.digests["results/cells/table2"]
    write_cells(folder, cells["table2"][:2])
    assert read_records(folder.parents[1]).commits == {}
    assert read_digests(tmp_path / "none.lock") == {}


def test_how_cells_were_made_is_told_with_its_seconds(results):
    _, _, cells, _ = results
    makings = {
        cell.key: {"machine": "A CPU", "cpu_seconds": 10.0 * (cell.seed or 0)} for cell in cells["table2"]
    }
    later = next(cell for cell in cells["table2"] if (cell.method, cell.seed) == ("ABP", 2))
    makings[later.key]["precision"] = "bfloat16"  # not noted of older cells
    index = CellIndex(cells, Path("cells"), Records({}, {}, makings))
    three = [cell for cell in cells["table2"] if cell.method == "ABP" and cell.seed in (1, 2, 3)]
    assert (
        index.describe("table2", three).made == "A CPU, A CPU in bfloat16, 10 to 30 processor seconds a cell"
    )
    assert index.describe("table2", three[:1]).made == "A CPU, 10 processor seconds a cell"
    assert CellIndex(cells, Path("cells"), NOTHING).describe("table2", three).made == NOT_RECORDED
