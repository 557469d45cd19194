import math

import pytest

from reports.beyond.tuning_table import render_tuning, tabulate_tuning


@pytest.fixture
def cells(make_cell):
    def candidate(method, factor, **given):
        return make_cell("tuning", method, axes={"rate_factor": factor}, sample_gradients=600.0, **given)

    return [
        candidate("VAE", 0.3, frechet_distance=80.0, mse=0.02),
        candidate("VAE", 1, frechet_distance=60.0, mse=0.02),
        candidate("DCGAN", 0.3, frechet_distance=50.0),
        candidate("DCGAN", 1, error="diverged: DCGAN diverged by step 20"),
        make_cell("tuning", "GLO", error="not measured"),
    ]


def test_each_candidate_is_a_row_and_one_of_a_method_is_chosen(cells):
    frame = tabulate_tuning(cells)
    assert list(frame["method"]) == ["VAE", "VAE", "DCGAN", "DCGAN"]
    assert list(frame["chosen"]) == [False, True, True, False]
    assert math.isinf(frame["rating"].iloc[3])


def test_the_chosen_candidate_is_bold_and_a_failed_one_says_so(cells):
    lines = render_tuning(tabulate_tuning(cells), "smoke").splitlines()
    assert "| VAE | 80; 0.02 | **60; 0.02** |" in lines
    assert "| DCGAN | **50** | diverged |" in lines
    assert "| method | x 0.3 | x 1 |" in lines
    assert render_tuning(tabulate_tuning([]), "smoke")


def test_a_method_has_the_name_that_it_has_in_the_other_tables(make_cell):
    cells = [make_cell("tuning", "SRI", axes={"rate_factor": 1}, frechet_distance=8.0, mse=0.02)]
    assert "| SRI, s fixed | **8; 0.02** |" in render_tuning(tabulate_tuning(cells), "smoke")
