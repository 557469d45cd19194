"""The numbers of the leaderboard's tables and of the tuning name the trainings that they are of, or none."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.storage.files import write_text
from reports.beyond.leaderboard_table import tabulate
from reports.beyond.rival_tables import write_rival_tables
from reports.beyond.tuning_table import tabulate_tuning
from reports.paper.all_methods import QUANTITIES, add_mixture, keep_longest
from reports.paper.claims import read_claims
from reports.paper.claims_table import tabulate_claims
from reports.paper.html_report import render_report
from reports.paper.layouts import LAYOUTS
from reports.paper.provenance import NOT_RECORDED, CellIndex, Records, find_key, tell_machines
from reports.paper.published import read_published
from reports.paper.shown_tables import read_shown
from reports.paper.verdicts import judge_claims

PLACES = {"held_out": 4, "mask": {"kind": "region", "side": 30}}
METHODS = ("Ours", "PPCA", "MEG")
BEYOND = "exhibits/leaderboard"


@pytest.fixture
def make_cells(make_cell):
    """A function that makes the leaderboard's cells: two lengths of each method, by seed."""

    def make(seeds):
        cells = []
        for number, method in enumerate(METHODS):
            for rounds in (1, 4):
                for seed in seeds:
                    value = 1 + number if method == "PPCA" else number + 1 / rounds + seed / 7
                    numbers = {
                        "mse_test_point": value / 50, "frechet_distance": 40 * value, "parameters": 3e6,
                        "tenth_mean": value / 9, "pooled_mean": value / 5, "squared_error": value / 30,
                    }  # fmt: skip
                    if method == "Ours":
                        numbers["frechet_distance_mixture"] = 20 * value
                    axes, key = {"rounds": rounds, "seed": seed}, f"{method}-{rounds}-{seed}"
                    cells.append(make_cell("leaderboard", method, seed=seed, axes=axes, key=key, **numbers))
        return cells

    return make


@pytest.fixture
def tuning(make_cell):
    """Candidates, of which PPCA's are equal in everything but the rate, which it does not use."""
    return [
        make_cell(
            "tuning", method, axes={"rate_factor": factor}, key=f"tuning-{method}-{factor}",
            frechet_distance=50.0 if method == "PPCA" else 50.0 + factor, sample_gradients=600.0,
        )
        for method in METHODS
        for factor in (0.3, 1, 4)
    ]  # fmt: skip


@pytest.fixture
def report(tmp_path, tuning):
    """A function that writes the leaderboard's exhibit; its report, and each number with its origin."""

    def make(cells, shown=None):
        folder, longest = tmp_path / BEYOND, keep_longest(add_mixture(cells))
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "leaderboard.csv", tabulate(longest).to_csv(index=False))
        write_text(folder / "tuning.csv", tabulate_tuning(tuning).to_csv(index=False))
        write_rival_tables(longest, PLACES, read_published(), "smoke", folder)
        claims = read_claims()[:1]
        verdicts = judge_claims(claims, {claims[0].study: []})
        write_text(tmp_path / "claims.csv", tabulate_claims(verdicts, lambda _: None).to_csv(index=False))
        everything = {"leaderboard": cells if shown is None else shown, "tuning": tuning}
        text = render_report(
            tmp_path, tmp_path, "smoke", everything, read_published(), records=Records({}, {})
        )
        facts = json.loads(re.search(r'id="facts">(.*?)</script>', text, re.DOTALL)[1])
        found = [
            (Path(one["source"]).stem, one["name"], one, facts["origins"][one["origin"]])
            for one in facts["numbers"]
        ]
        return text, found

    return make


def list_keys(found, table):
    """The keys of each number of a table, by its name there."""
    return {name: origin["keys"] for source, name, _, origin in found if source == table}


@pytest.mark.parametrize("seeds", [(1,), (1, 2), (1, 2, 3)])
def test_every_number_of_the_leaderboards_tables_is_of_its_longest_trainings(make_cells, report, seeds):
    _, found = report(make_cells(seeds))
    tables = ("leaderboard", "rivals_table2", "rivals_table3", "rivals_table8")
    trained = {"Ours (alpha=0.5)": "Ours", "Ours-mixture": "Ours", "EnGAN": "MEG"}
    methods = set()
    for table in tables:
        keys = list_keys(found, table)
        assert len(keys) > len(METHODS)
        for name, of_number in keys.items():
            method = name.partition("; ")[2].removeprefix("mnist5k, ").partition(",")[0]
            methods.add(method)
            assert of_number == [f"{trained.get(method, method)}-4-{seed}" for seed in seeds], (table, name)
    assert methods == {*METHODS, *trained}
    assert {"parameters; PPCA", "frechet distance; Ours-mixture"} <= list_keys(found, "leaderboard").keys()


def test_the_numbers_of_the_tuning_are_of_its_candidates_but_the_rate_and_the_rating(make_cells, report):
    _, found = report(make_cells((1,)))
    named = [(one, origin["keys"]) for table, _, one, origin in found if table == "tuning"]
    assert len(named) == 4 * 9
    for one, keys in named:
        quantity, _, words = one["name"].partition("; ")
        if quantity in ("rate factor", "rating"):
            assert keys == [], one
        else:
            assert len(keys) == 1 and keys[0].startswith(f"tuning-{words.partition(',')[0]}-")
    of_ppca = [keys[0] for one, keys in named if one["name"].startswith("frechet distance; PPCA")]
    assert of_ppca == [f"tuning-PPCA-{factor}" for factor in (0.3, 1, 4)]


def test_an_equal_value_of_another_quantity_is_no_origin(make_cells, report):
    cells = make_cells((1,))
    of_ours = next(cell for cell in cells if cell.key == "Ours-4-1")
    shown = [cell for cell in cells if cell is not of_ours]
    numbers = {**of_ours.numbers, "mse_train": of_ours.numbers["frechet_distance"], "frechet_distance": 1.0}
    _, found = report(cells, [*shown, replace(of_ours, numbers=numbers)])
    keys = list_keys(found, "leaderboard")
    assert keys["frechet distance; Ours"] == [] and keys["parameters; Ours"] == ["Ours-4-1"]


def test_a_table_older_than_a_seed_names_no_training_for_what_all_have_in_common(make_cells, report):
    _, found = report(make_cells((1, 2, 3)), shown=make_cells((1, 2, 3, 4)))
    assert not any(list_keys(found, "leaderboard").values())
    _, found = report(make_cells((1,)), shown=make_cells((1, 2)))
    keys = list_keys(found, "leaderboard")
    assert keys["parameters; Ours"] == [] and keys["frechet distance; Ours"] == ["Ours-4-1"]


def test_an_interval_is_over_the_trainings_that_have_the_number(make_cells, report, tmp_path):
    cells = make_cells((1, 2, 3))
    for cell in cells:
        if (cell.method, cell.seed) == ("Ours", 2):
            del cell.numbers["pooled_mean"]
        if cell.method == "MEG" and cell.seed > 1:
            del cell.numbers["pooled_mean"]
    _, found = report(cells)
    facts = {name: one for source, name, one, _ in found if source == "leaderboard"}
    assert facts["pooled mean; Ours"]["seeds"] == "1, 3" and facts["pooled mean; MEG"]["seeds"] == "1"
    low, high = (float(end.replace("−", "-")) for end in facts["pooled mean; Ours"]["interval"])
    values = [cell.numbers["pooled_mean"] for cell in cells if cell.key in ("Ours-4-1", "Ours-4-3")]
    half = 12.706 * abs(values[0] - values[1]) / 2  # Student's t of one degree of freedom
    assert (high - low) / 2 == pytest.approx(half, rel=2e-3)
    assert "interval" not in facts["pooled mean; MEG"] and "interval" in facts["mse test point; Ours"]
    # Without cells the table alone leaves open how many they are.
    shown = read_shown(tmp_path / BEYOND / "leaderboard.csv", "leaderboard", "")
    ours, ppca, meg = (row.numbers["pooled_mean"] for row in shown.rows[:3])
    assert ours.bound() is None and (ours.seeds, ours.most) == (None, 3)
    assert ppca.bound() is None and (meg.seeds, meg.most) == (1, None)


def test_the_heading_speaks_of_a_spread_where_there_is_one(make_cells, report):
    title = "<h3>Leaderboard: all methods"
    assert f"{title}, one seed</h3>" in report(make_cells((1,)))[0]
    assert f"{title}, mean ± standard deviation over seeds</h3>" in report(make_cells((1, 2)))[0]
    shorter = [cell for cell in make_cells((1, 2)) if cell.key[-3:] != "4-2"]
    assert f"{title}, one seed</h3>" in report(shorter)[0]  # of the longest trainings
    assert f"{title}</h3>" in report(make_cells((1,)), shown=[])[0]


def test_the_mixture_was_trained_and_committed_as_ours(make_cells):
    commits = {"cells/leaderboard/Ours/cells.json": "abc"}
    index = CellIndex({}, Path("cells"), Records(commits, {"cells/leaderboard": "dvc stage"}))
    mixture = [cell for cell in add_mixture(make_cells((1,))) if cell.method == "Ours-mixture"]
    origin = index.describe("leaderboard", mixture)
    assert (origin.commit, origin.run) == ("abc", "dvc stage")
    assert (
        CellIndex({}, Path("cells"), Records({}, {})).describe("leaderboard", mixture).commit == NOT_RECORDED
    )


def test_a_study_calls_no_two_quantities_the_same():
    for study, layout in LAYOUTS.items():
        for one in layout.quantities:
            assert find_key(study, one.title) == one.key
    for quantities in QUANTITIES.values():
        for one in quantities:
            assert find_key("leaderboard", one.title) == one.key
    assert find_key("leaderboard", "parameters") == "parameters"


def test_a_study_is_told_with_its_machines(make_cell):
    """Cells of two precisions are counted apart, a failed cell not at all, and no record gives no words."""
    cells = [make_cell("table4", "Ours", seed=seed, key=str(seed), mse=1.0) for seed in (1, 2, 3, 4)]
    cells.append(replace(cells[0], key="5", error="diverged"))
    old, new = {"machine": "A"}, {"machine": "B", "precision": "bfloat16"}
    told = tell_machines(cells, {"1": old, "2": new, "3": new, "5": old})
    assert told == "Trained on: A (1 cell), B in bfloat16 (2 cells), not recorded (1 cell)."
    assert tell_machines(cells, {}) == ""
