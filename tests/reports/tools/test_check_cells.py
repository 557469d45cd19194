"""What Git holds can be trained again, and what comes out otherwise is named."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.studies.grid import list_cells, read_grid
from pipeline.studies.making import read_again
from pipeline.studies.recall import KeyedCell
from pipeline.studies.result import CellResult
from reports.tools import check_cells
from reports.tools.check_cells import KeptCell, choose_cells, find_deviations, render_check

ROOT = Path(__file__).parents[3]
CONTENT = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"profile": "recorded"}
GRID = read_grid(ROOT / "tables.yaml")
HERE = {"cpu_seconds": 5.0, "machine": "this one", "torch": "2", "finished": "now"}
MADE = {"cpu_seconds": 2.0, "machine": "another"}


def list_kept(method):
    """A cell for each seed of Table 2, whose distance is 1, 2, 3, ... by seed."""
    cells = list_cells("table2", method, CONTENT, GRID)
    return [
        KeptCell(
            KeyedCell(cell, (), f"{method}{number}"),
            CellResult({"frechet_distance": float(cell.params.seed), "training_seconds": 9.0}, made=MADE),
            MADE,
        )
        for number, cell in enumerate(cells)
    ]


@pytest.fixture
def kept():
    return [one for method in ("Ours", "PPCA", "VAE") for one in list_kept(method)]


def test_the_same_seed_chooses_the_same_cells_and_no_cell_twice(kept):
    chosen = choose_cells(kept, 5, 7, cheapest=False)
    assert chosen == choose_cells(kept, 5, 7, cheapest=False) != choose_cells(kept, 5, 8, cheapest=False)
    assert len({one.keyed.key for one in chosen}) == 5
    shared = replace(kept[0], keyed=replace(kept[0].keyed, cell=kept[1].keyed.cell))  # by another study
    assert len(choose_cells([*kept, shared], 10_000, 7, cheapest=False)) == len(kept)


def test_the_cheapest_are_of_different_methods_the_closed_form_last_of_all(kept):
    assert [one.keyed.cell.method for one in choose_cells(kept, 2, 1, cheapest=True)] == ["Ours", "VAE"]
    assert len(choose_cells(kept, 9, 1, cheapest=True)) == 3


def test_a_number_that_deviates_stands_beside_the_spread_over_seeds(kept):
    one = kept[0]
    assert find_deviations(one, one.result, kept) == []
    here = replace(one.result, numbers={"frechet_distance": 1.5, "training_seconds": 20.0}, made=HERE)
    (found,) = find_deviations(one, here, kept)
    seeds = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert (found.name, found.here, found.kept) == ("frechet_distance", 1.5, 1.0)
    assert found.spread == pytest.approx(np.std(seeds, ddof=1))
    text = render_check(one, here, [found])
    assert "DIFFERS (5 s here, 2 s on another)" in text and "1.5 here, 1 kept, which spreads by 1.58" in text


def test_seconds_are_no_difference_and_a_picture_is_one(kept):
    one = kept[0]
    slower = replace(one.result, numbers=one.result.numbers | {"training_seconds": 20.0}, made=HERE)
    assert "the same bits" in render_check(one, slower, find_deviations(one, slower, kept))
    redrawn = replace(slower, arrays={"samples": np.zeros(2)})
    assert "every number is the same" in render_check(one, redrawn, find_deviations(one, redrawn, kept))
    failed = replace(slower, error="diverged in round 1")
    assert "FAILED here: diverged" in render_check(one, failed, [])


@pytest.mark.parametrize("deviates", [False, True])
def test_checking_measures_anew_notes_the_seconds_and_says_whether_all_are_the_same(
    kept, deviates, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").touch()
    monkeypatch.setattr("pipeline.studies.making.project_root", lambda: tmp_path)
    measured = []

    def measure(keyed):
        measured.append(keyed.key)
        return CellResult({"frechet_distance": 1.0 + deviates, "training_seconds": 1.0}, made=HERE)

    monkeypatch.setattr(check_cells, "measure_anew", measure)
    record = tmp_path / "checks.json"
    for _ in range(2):  # of the same cell on the same machine the later check alone
        assert check_cells.check_cells(kept[:1], kept, record) is not deviates
    assert set(measured) == {kept[0].keyed.key} and read_again() == {kept[0].keyed.key: HERE}
    assert ("DIFFERS" in capsys.readouterr().out) is deviates
    said = check_cells.render_checks(record)
    assert said.startswith("- Made by another, trained again by this one: ")
    assert f"{int(not deviates)} of 1 the same to the bit (recorded table2 Ours" in said
    words = "1 numbers differ, by 100.00% in the median, frechet_distance of"
    spread = "1 have a spread over seeds, of which the difference is 0.63 in the median and 0.63 at most"
    assert ((words in said) and (spread in said)) is deviates
