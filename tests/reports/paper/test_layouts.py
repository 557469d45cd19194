import pytest

from pipeline.studies.grid import PAPER_STUDIES, read_grid
from reports.paper.claims import judge_claims, render_claims
from reports.paper.layouts import LAYOUTS
from reports.paper.page import READING, render_study
from reports.paper.pivot import render_tables
from reports.paper.published import read_published
from reports.paper.rows import build_rows

PAPER = read_published()


def rows(table, *cells):
    return build_rows(table, list(cells), PAPER)


def test_the_papers_number_stands_beside_the_same_quantity_on_the_same_data_alone(make_cell):
    mnist = make_cell("table2", "VAE", mse_train=0.02, mse_test=0.03, frechet_distance=40.0)
    found = {row.quantity: row for row in rows("table2", mnist)}
    assert found["MSE of training images, [0, 1]"].published == 0.023
    assert found["MSE of test images, [0, 1]"].published is None
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


@pytest.fixture
def everything(make_cell):
    mask = {"kind": "region", "side": 15}
    return {
        "table2": [
            make_cell("table2", "ABP", axes={"dataset": "mnist5k"}, frechet_distance=50.0),
            make_cell("table2", axes={"dataset": "mnist5k"}, frechet_distance=30.0),
        ],
        "table3": [
            make_cell("table3", "ABP", axes={"held_out": 4}, tenth_mean=0.3, pooled_mean=0.6),
            make_cell("table3", axes={"held_out": 4, "alpha": 0.1}, tenth_mean=0.2, pooled_mean=0.7),
            make_cell("table3", axes={"held_out": 4, "alpha": 0.3}, tenth_mean=0.25, pooled_mean=0.5),
        ],
        "table6": [
            make_cell("table6", axes={"K": K}, mse_train=1 / K, frechet_distance=40.0 + K)
            for K in (100, 30, 50)
        ],
        "table8": [
            make_cell("table8", method, axes={"mask": mask}, absolute_error=error)
            for method, error in (("VAE", 0.3), ("ABP", 0.1), ("Ours", 0.2))
        ],
    }


def judge(cells):
    return {verdict.claim: verdict for verdict in judge_claims(cells)}


def find(verdicts, words):
    return next(verdict for claim, verdict in verdicts.items() if words in claim)


def test_claims_are_judged_from_the_numbers(everything):
    verdicts = judge(everything)
    assert find(verdicts, "lowers the Frechet distance of prior samples").holds is True
    assert find(verdicts, "lowers the Frechet distance of prior samples").numbers == "mnist5k: 30 against 50"
    assert find(verdicts, "(tenth)").holds is False
    assert find(verdicts, "(pooled)").holds is True
    assert find(verdicts, "More Langevin steps lower the error").holds is True
    assert find(verdicts, "More Langevin steps lower the Frechet").holds is False
    assert find(verdicts, "better than the VAE").holds is True
    assert find(verdicts, "better than ABP").holds is False
    assert find(verdicts, "More learning steps lower the error").holds is None  # no such cells


def test_a_failed_cell_leaves_a_claim_open_unless_another_refutes_it(everything, make_cell):
    failed = make_cell("table2", "ABP", axes={"dataset": "photo_patches"}, error="out of memory")
    abp, ours = everything["table2"]
    claim = "lowers the Frechet distance of prior samples"
    assert find(judge({"table2": [abp, ours, failed]}), claim).holds is None
    worse = make_cell("table2", axes={"dataset": "mnist5k"}, frechet_distance=60.0)
    assert find(judge({"table2": [abp, worse, failed]}), claim).holds is False


def test_the_section_has_a_line_for_every_claim(everything):
    verdicts = judge_claims(everything)
    text = render_claims(verdicts)
    assert text.count("\n| ") == len(verdicts) + 1
    assert "| does not hold |" in text and "| cannot be told |" in text


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
    assert "- Ours (alpha=0.5), s = 0.6: diverged: chains diverged in round 1" in text


def test_every_study_has_a_layout_and_every_study_of_the_paper_a_place_on_the_page(make_cell):
    assert set(LAYOUTS) | {"leaderboard", "tuning"} == set(
        read_grid()["studies"]
    )  # with a stage of their own
    assert sorted(study for _, studies in READING for study in studies) == sorted(PAPER_STUDIES)
    text = render_study("table6", [make_cell("table6", axes={"K": 50}, mse_train=0.012)], PAPER)
    assert "0.012 (0.011)" in text and "![" in text


def test_claims_about_alpha_read_its_direction(make_cell):
    def sweep(*distances):
        return [
            make_cell(
                "figure8", axes={"alpha": alpha}, ot_cost=30 - alpha, mse_train=alpha, frechet_distance=fd
            )
            for alpha, fd in zip((0, 0.5, 1), distances, strict=True)
        ]

    verdicts = judge({"figure8": sweep(40.0, 20.0, 30.0)})
    assert find(verdicts, "lowers the transport cost").holds is True
    assert find(verdicts, "raises the error").holds is True
    assert find(verdicts, "medium alpha").holds is True
    assert find(judge({"figure8": sweep(40.0, 20.0, 10.0)}), "medium alpha").holds is False


def test_table_8_has_a_published_number_on_faces_alone(make_cell):
    mask = {"kind": "region", "side": 40}
    for dataset, printed in (("celeba", 0.0204), ("mnist5k", None)):
        cells = make_cell(
            "table8", "VAE", dataset, axes={"mask": mask}, absolute_error=0.1, squared_error=0.2
        )
        assert [row.published for row in rows("table8", cells)] == [printed, None]
