import pandas as pd
import pytest

from reports.beyond.rival_tables import place_cells, write_rival_tables
from reports.paper.all_methods import add_mixture
from reports.paper.published import read_published

PLACES = {"held_out": 4, "mask": {"kind": "region", "side": 30}, "dataset": "mnist"}


@pytest.fixture
def measured(make_cell):
    """A function that makes a cell of a method and a seed."""

    def make(method, seed):
        numbers = {"mse_train": 0.02 * seed, "frechet_distance": 60.0, "tenth_mean": 0.3, "pooled_mean": 0.6}
        return make_cell("leaderboard", method, seed=seed, axes={"seed": seed}, n=500, **numbers)

    return make


def test_a_method_cited_twice_has_both_rows_in_table_3_alone(measured):
    cells = [measured("MEG", 1), measured("MEG", 2)]
    assert [one.method for one in place_cells("table3", cells, PLACES)] == ["MEG", "EnGAN"] * 2
    assert [one.method for one in place_cells("table2", cells, PLACES)] == ["MEG", "MEG"]
    placed = place_cells("table3", cells, PLACES)[0]
    assert placed.axes == {"held_out": 4, "seed": 1}
    assert set(placed.numbers) == {"n", "tenth_mean", "pooled_mean"}


def test_a_rivals_row_has_the_papers_number_of_its_own_name_beside_it(tmp_path, measured):
    cells = [measured(method, seed) for method in ("SRI-L5", "MEG", "Ours") for seed in (1, 2)]
    assert write_rival_tables(cells, PLACES, read_published(), "smoke", tmp_path) > 0
    two = pd.read_csv(tmp_path / "rivals_table2.csv").set_index(["method", "quantity"])
    row = two.loc[("SRI-L5", "MSE of training images, [0, 1], mean over 2 seeds")]
    assert row["value"] == 0.03 and row["published"] == 0.015 and row["n"] == 500
    three = pd.read_csv(tmp_path / "rivals_table3.csv").set_index(["method", "quantity"])
    tenth, pooled = (f"held_out = 4: AUPRC, {name}, mean, mean over 2 seeds" for name in ("tenth", "pooled"))
    assert three.loc[("MEG", pooled), "published"] == three.loc[("EnGAN", pooled), "published"] == 0.401
    assert three.loc[("Ours (alpha=0.5)", tenth), "published"] == 0.695
    assert pd.isna(three.loc[("MEG", tenth), "published"])
    text = (tmp_path / "rivals_table3.md").read_text()
    assert "| EnGAN | 0.6 ± 0 (0.401) |" in text


def test_a_mixtures_samples_have_a_row_of_their_own(tmp_path, make_cell):
    ours = make_cell(
        "leaderboard", "Ours", axes={"seed": 1}, frechet_distance=40.0, frechet_distance_mixture=20.0
    )
    write_rival_tables(add_mixture([ours]), PLACES, read_published(), "smoke", tmp_path)
    two = pd.read_csv(tmp_path / "rivals_table2.csv")
    found = two[two["quantity"].str.contains("Frechet")].set_index("method")["value"]
    assert dict(found) == {"Ours (alpha=0.5)": 40.0, "Ours-mixture": 20.0}


def test_a_stand_in_has_no_published_number_and_a_lacking_method_says_why(tmp_path, make_cell):
    cells = [
        make_cell("leaderboard", "VAE", absolute_error=0.1, squared_error=0.02),
        make_cell("leaderboard", "DCGAN", lacks={"absolute_error": "learns from complete images only"}),
    ]
    write_rival_tables(cells, PLACES, read_published(), "smoke", tmp_path)
    eight = pd.read_csv(tmp_path / "rivals_table8.csv")
    assert eight["published"].isna().all()
    assert "- DCGAN learns from complete images only" in (tmp_path / "rivals_table8.md").read_text()


def test_what_stands_for_a_method_has_its_own_name_and_no_number_of_the_papers(tmp_path, measured):
    write_rival_tables(
        [measured("EBM-VAE", 1), measured("LEBM", 1)], PLACES, read_published(), "smoke", tmp_path
    )
    three = pd.read_csv(tmp_path / "rivals_table3.csv").set_index("method")["published"]
    assert "EBM-VAE" not in three and three["VAE + .1 triangle"].isna().all()
    assert three["LEBM"].notna().any()


def test_a_ladder_that_could_draw_is_not_said_to_draw_nothing(tmp_path, make_cell):
    lacks = {"mse_test_draw": "draws no posterior"}
    cells = [make_cell("leaderboard", name, mse_train=0.1, lacks=lacks) for name in ("Ladder-VAE", "RAE")]
    write_rival_tables(cells, PLACES, read_published(), "smoke", tmp_path)
    text = (tmp_path / "rivals_table2.md").read_text()
    assert "- Ladder-VAE draws a posterior, by which its errors are not measured" in text
    assert "- RAE draws no posterior" in text and "Ladder-VAE draws no" not in text
