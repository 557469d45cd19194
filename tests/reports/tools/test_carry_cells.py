"""Measured cells outlive a change of code that changes no number, and no other."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.studies.grid import list_cells, read_grid
from pipeline.studies.making import write_making
from pipeline.studies.recall import KeyedCell
from pipeline.studies.result import CellResult
from pipeline.studies.workload import estimate_seconds
from reports.tools import carry_cells
from reports.tools.carry_cells import Candidate, carry, is_same

ROOT = Path(__file__).parents[3]
CONTENT = yaml.safe_load((ROOT / "params.yaml").read_text())
GRID = read_grid(ROOT / "tables.yaml")
RESULT = CellResult(
    {"mse_train": 0.1}, {"ot_cost": [1.0, 2.0]}, {"samples": np.arange(4)}, made={"seconds": 1}
)


def list_candidates(study, method):
    cells = list_cells(study, method, CONTENT, GRID)
    return [Candidate(KeyedCell(cell, (), f"{study}{number}"), RESULT) for number, cell in enumerate(cells)]


@pytest.mark.parametrize(
    "changed",
    [
        {"numbers": {"mse_train": np.nextafter(0.1, 1)}},
        {"curves": {"ot_cost": [1.0, 2.0, 3.0]}},
        {"arrays": {"samples": np.array([0, 1, 2, 4])}},
        {"arrays": {}},
        {"error": "diverged"},
        {"lacks": {"mse_test": "draws no images"}},
    ],
)
def test_one_bit_makes_two_results_different_and_seconds_do_not(changed):
    assert is_same(RESULT, replace(RESULT, made={"seconds": 2}))
    timed = [replace(RESULT, numbers=RESULT.numbers | {"score_seconds": seconds}) for seconds in (1.0, 2.0)]
    assert is_same(*timed)
    assert not is_same(RESULT, replace(RESULT, **changed))


def test_the_cheapest_cell_is_measured_anew_and_the_others_are_kept_under_the_new_keys():
    candidates, kept, measured = list_candidates("table6", "Ours"), {}, []

    def measure(keyed):
        measured.extend(keyed)
        return [(one, RESULT) for one in keyed]

    (line,) = carry(candidates, measure, kept.__setitem__)
    cheapest = min(candidates, key=lambda one: estimate_seconds(one.keyed.cell)).keyed
    assert measured == [cheapest] and dict(cheapest.cell.axes)["K"] == 30
    assert set(kept) == {one.keyed.key for one in candidates} and "3 kept" in line


def test_where_and_how_long_a_cell_was_made_goes_with_it(tmp_path, monkeypatch):
    (cell, *_) = list_cells("table6", "Ours", CONTENT, GRID)
    keyed, old = KeyedCell(cell, (), "new"), KeyedCell(cell, (), "old")
    kept = replace(RESULT, made={})  # as a committed folder of cells has it
    monkeypatch.chdir(tmp_path)
    write_making("embedded", "table6", {"old": {"seconds": 9.0}}, ["old"])
    monkeypatch.setattr(carry_cells, "recall_method", lambda *place: {"old": kept})
    monkeypatch.setattr(carry_cells, "key_method", lambda *arguments: [keyed])
    monkeypatch.setattr(carry_cells, "digest_base", lambda *arguments: "code")
    monkeypatch.setattr(carry_cells, "key_cell", lambda *arguments: old)
    (found,) = carry_cells.find_candidates("table6", "Ours", cell.params, GRID, tmp_path)
    assert found.keyed == keyed and found.result.made == {"seconds": 9.0}


def test_where_a_number_differs_that_method_and_task_are_trained_anew_and_the_others_kept():
    candidates = list_candidates("table6", "Ours") + list_candidates("table8", "Ours")
    kept = {}

    def measure(keyed):
        other = replace(RESULT, numbers={"mse_train": 0.2})
        return [(one, RESULT if one.cell.task == "occluded" else other) for one in reversed(keyed)]

    complete, occluded = carry(candidates, measure, kept.__setitem__)
    assert "DIFFERS, 3 to be trained anew" in complete and "14 kept" in occluded
    assert set(kept) == {f"table8{number}" for number in range(14)}
