import copy
from pathlib import Path

import pytest
import yaml

from pipeline.grid import TABLES, describe, fingerprint, list_cells, read_grid
from pipeline.methods import METHODS
from pipeline.params import ParamError

ROOT = Path(__file__).parents[2]
CONTENT = yaml.safe_load((ROOT / "params.yaml").read_text())
GRID = read_grid(ROOT / "tables.yaml")


def cells(table, method="Ours", **changes):
    return list_cells(table, method, {**CONTENT, **changes}, GRID)


def test_the_tables_have_the_papers_rows_and_columns():
    assert [cell.params.dataset for cell in cells("table2")] == ["mnist5k", "colour_digits", "photo_patches"]
    table3 = [(cell.params.anomaly.held_out, cell.params.alpha) for cell in cells("table3")]
    assert table3 == [(digit, alpha) for digit in (1, 4, 5, 7, 9) for alpha in (0.1, 0.3, 0.5)]
    assert len(cells("table3", "VAE")) == 5
    assert [cell.params.resolved_latent_dim for cell in cells("table4")] == [20, 40, 64]
    assert [cell.params.s for cell in cells("table5")] == [0.03, 0.15, 0.3, 0.6]
    assert [cell.params.profile_settings.train.K for cell in cells("table6")] == [30, 50, 100]
    assert [cell.params.profile_settings.train.L2 for cell in cells("table7")] == [1, 2, 3]
    for method in METHODS:
        masks = [cell.params.mask for cell in cells("table8", method)]
        assert [mask.size for mask in masks[:7]] == [15, 20, 25, 30, 35, 40, 45]
        assert [mask.share for mask in masks[7:]] == [0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9]


def test_a_table_about_one_method_has_no_cells_of_the_others():
    assert cells("table5", "VAE") == [] and len(cells("table5")) == 4


@pytest.mark.parametrize("profile", ["smoke", "embedded", "paper"])
def test_every_cell_of_every_profile_has_valid_parameters(profile):
    named = {
        cell.name for table in TABLES for method in METHODS for cell in cells(table, method, profile=profile)
    }
    assert len(named) == 89
    scale = GRID["scales"][profile].get("mnist5k", {}).get("prepare", {}).get("n_train")
    assert cells("table6", profile=profile)[0].params.profile_settings.prepare.n_train == scale


def test_whatever_changes_a_cells_numbers_changes_its_fingerprint():
    prints = [fingerprint(cell) for table in TABLES for method in METHODS for cell in cells(table, method)]
    # The sweeps of s and L2 pass through table 2's own setting, table 4 through its latent dimension: those
    # cells are the same training.
    assert sum(one in prints[:number] for number, one in enumerate(prints)) <= 3
    assert fingerprint(cells("table2")[0]) != fingerprint(cells("table2", seed=2)[0])


def test_values_in_words():
    assert describe({"kind": "region", "size": 15}) == "region 15"
    assert describe(0.3) == "0.3" and describe(4) == "4"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda grid: grid.pop("scales"), "expected the keys methods, scales and tables"),
        (lambda grid: grid["methods"].append("GAN"), "methods: found 'GAN', expected one of VAE, ABP, Ours"),
        (lambda grid: grid["tables"].update(table9={}), "tables.table9: unknown"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path, change, message):
    grid = copy.deepcopy(GRID)
    change(grid)
    (tmp_path / "tables.yaml").write_text(yaml.safe_dump(grid))
    with pytest.raises(ParamError, match=message) as error:
        read_grid(tmp_path / "tables.yaml")
    assert "\n" not in str(error.value)


def test_a_wrong_axis_or_value_names_the_table_and_key():
    grid = copy.deepcopy(GRID)
    grid["tables"]["table6"]["k"] = [1]
    with pytest.raises(ParamError, match=r"tables\.table6\.k: unknown axis"):
        list_cells("table6", "Ours", CONTENT, grid)
    grid = copy.deepcopy(GRID)
    grid["tables"]["table3"]["held_out"] = [12]
    with pytest.raises(ParamError, match=r"anomaly\.held_out: found 12"):
        list_cells("table3", "Ours", CONTENT, grid)
