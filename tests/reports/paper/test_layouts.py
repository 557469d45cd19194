import pytest

from pipeline.studies.grid import PAPER_STUDIES, read_grid
from pipeline.studies.pace import OF_SEVERAL_SEEDS
from reports.paper.layouts import LAYOUTS
from reports.paper.page import READING, render_architectures, render_study, tabulate_architectures
from reports.paper.pivot import render_tables
from reports.paper.published import read_published
from reports.paper.rows import build_rows

PAPER = read_published()


def rows(table, *cells):
    return build_rows(table, list(cells), PAPER)


def test_the_papers_number_stands_beside_the_same_quantity_on_the_same_data_alone(make_cell):
    numbers = {"mse_train": 0.02, "mse_test_point": 0.03, "mse_test_draw": 0.04, "frechet_distance": 40.0}
    mnist = make_cell("table2", "VAE", **numbers)
    found = {row.quantity: row for row in rows("table2", mnist)}
    assert found["MSE of training images, [0, 1]"].published == 0.023
    for way, value in (("point", 0.03), ("draw", 0.04)):
        row = found[f"MSE of test images, {way}, [0, 1]"]
        assert (row.value, row.published) == (value, None)
    assert found["Frechet distance"].published is None
    assert found["Frechet distance"].extractor == "mnist5k classifier"
    stand_in = make_cell("table2", dataset="colour_digits", axes={"dataset": "colour_digits"}, mse_train=0.02)
    (row,) = rows("table2", stand_in)
    assert (row.dataset, row.published) == ("colour_digits (stand-in for SVHN)", None)


def test_table_3_compares_the_papers_protocol_alone(make_cell):
    found = rows(
        "table3", make_cell("table3", alpha=0.3, axes={"held_out": 4}, tenth_mean=0.3, pooled_mean=0.7)
    )
    assert [(row.method, row.quantity, row.published) for row in found] == [
        ("Ours (alpha=0.3)", "held_out = 4: AUPRC, tenth, mean", 0.770),
        ("Ours (alpha=0.3)", "held_out = 4: AUPRC, pooled, mean", None),
    ]


def test_a_number_that_table_3_cites_stands_beside_its_own_papers_protocol(make_cell):
    cells = make_cell("table3", "MEG", axes={"held_out": 4}, tenth_mean=0.3, pooled_mean=0.7)
    assert [(row.quantity, row.published) for row in rows("table3", cells)] == [
        ("held_out = 4: AUPRC, tenth, mean", None),
        ("held_out = 4: AUPRC, pooled, mean", 0.401),
    ]


def test_sweeps_find_their_published_values(make_cell):
    (row,) = rows("table6", make_cell("table6", axes={"K": 50}, mse_train=0.01))
    assert row.published == 0.011
    (row,) = rows("table7", make_cell("table7", axes={"L2": 3}, mse_train=0.01))
    assert row.published == 0.008
    found = rows("table5", make_cell("table5", axes={"s": 0.3}, mse_before=0.01, mse_after=0.02))
    assert [row.published for row in found] == [0.011, 0.013]


def test_a_failed_cell_is_a_row_that_says_why(make_cell):
    (row,) = rows("table5", make_cell("table5", axes={"s": 0.6}, error="DivergenceError: chains diverged"))
    assert (row.value, row.quantity) == (None, "s = 0.6: DivergenceError: chains diverged")


def test_a_frechet_distance_is_the_papers_quantity_in_inceptions_features_alone(make_cell):
    inception = make_cell("table7", axes={"L2": 3}, frechet_distance=15.0, extractor="inception")
    (row,) = rows("table7", inception)
    assert (row.published, row.extractor) == (14.28, "inception")
    (row,) = rows("table7", make_cell("table7", axes={"L2": 3}, frechet_distance=15.0))
    assert row.published is None


def test_seeds_of_one_place_become_mean_and_std(make_cell):
    several = [
        make_cell("solvers", axes={"alpha": 0.5, "solver": "bsp", "seed": seed}, mse_train=value)
        for seed, value in ((1, 0.01), (2, 0.03))
    ]
    mean, std = rows("solvers", *several)
    assert (mean.value, mean.quantity) == (
        pytest.approx(0.02),
        "solver = bsp: MSE of training images, [0, 1], mean over 2 seeds",
    )
    assert std.value == pytest.approx(0.02 / 2**0.5)
    text = render_tables("solvers", several, PAPER)
    assert "| Ours (alpha=0.5) | 0.02 ± 0.014 |" in text


def test_the_two_protocols_are_files_of_their_own():
    files = LAYOUTS["table3"].split("table3")
    assert set(files) == {"table3_tenth", "table3_pooled"}
    for name, quantities in files.items():
        assert len(quantities) == 4
        assert all(quantity.key.startswith(name.removeprefix("table3_")) for quantity in quantities)
    assert list(LAYOUTS["table2"].split("table2")) == ["table2"]


def test_a_pivot_shows_the_papers_number_in_brackets_and_a_failure_where_it_stands(make_cell):
    cells = [
        make_cell("table5", axes={"s": 0.3}, mse_before=0.02, mse_after=0.01),
        make_cell("table5", axes={"s": 0.6}, error="diverged: chains diverged in round 1"),
    ]
    text = render_tables("table5", cells, PAPER)
    assert "| MSE before the correction | s = 0.3 | s = 0.6 |" in text
    assert "| Ours (alpha=0.5) | 0.02 (0.011) | diverged |" in text
    point = make_cell("table5", axes={"s": 0.3}, mse_test_point=0.03)
    assert "| Ours (alpha=0.5) | 0.03 |" in render_tables("table5", [point], PAPER)  # the paper prints none
    assert "- Ours (alpha=0.5), s = 0.6: diverged: chains diverged in round 1" in text


def test_every_study_has_a_layout_and_every_study_of_the_paper_a_place_on_the_page(make_cell):
    with_a_stage_of_their_own, tuning_only = {"leaderboard", "tuning"}, {"rates"}
    assert set(LAYOUTS) | with_a_stage_of_their_own | tuning_only == set(read_grid()["studies"])
    assert sorted(study for _, studies in READING for study in studies) == sorted(
        [*PAPER_STUDIES, *OF_SEVERAL_SEEDS]
    )
    text = render_study("table6", [make_cell("table6", axes={"K": 50}, mse_train=0.012)], PAPER)
    assert "0.012 (0.011)" in text and "![" in text


def test_table_8_has_a_published_number_on_faces_alone(make_cell):
    mask = {"kind": "region", "side": 40}
    for dataset, printed in (("celeba", 0.0204), ("mnist5k", None)):
        cells = make_cell(
            "table8",
            "VAE",
            dataset,
            axes={"mask": mask},
            absolute_error=0.1,
            absolute_error_point=0.1,
            absolute_error_draw=0.15,
            squared_error_point=0.2,
            squared_error_draw=0.3,
        )
        found = rows("table8", cells)
        assert [row.published for row in found] == [printed, None, None, None, None]
        assert [row.value for row in found] == [0.1, 0.1, 0.15, 0.2, 0.3]


def test_table_1_is_as_built_with_the_printed_dimension_beside_it():
    """A generator a row: its weights are those of Table 1's layers, counted by hand for MNIST's."""
    text = render_architectures(tabulate_architectures(PAPER))
    linear = 30 * 1024 + 1024 + 1024 * 6272 + 6272 + 2 * (1024 + 6272)  # BatchNorm has a scale and a shift
    convolutions = 128 * 64 * 4 + 64 + 2 * 64 + 64 * 4 + 1
    row = next(line for line in text.splitlines() if line.startswith("| mnist |"))
    assert f"| 30 (30) | {linear + convolutions:,} |" in row
    assert text.count("\n|") == 5, "a head, a rule and three generators"
