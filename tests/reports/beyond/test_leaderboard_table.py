import math

import pandas as pd
import pytest

from models.catalogue import METHODS
from reports.beyond.leaderboard_table import (
    COLUMNS,
    compare_with_ours,
    draw_leaderboard,
    pick_ticks,
    render,
    render_methods,
    tabulate,
)

KEYS = [key for key in COLUMNS if key != "mse_test"]


@pytest.fixture
def make_row(make_cell):
    """A function that makes a cell with all numbers that the leaderboard has for every method."""

    def make(method, seed, **given):
        return make_cell(
            "leaderboard",
            method,
            seed=seed,
            rate_factor=3.0,
            **{"n": 500, **dict.fromkeys(KEYS, 2.0), **given},
        )

    return make


@pytest.fixture
def cells(make_row):
    return [
        make_row("VAE", 1, mse_test=0.02, pooled_mean=0.5),
        make_row("VAE", 2, mse_test=0.04, pooled_mean=0.7),
        make_row("DCGAN", 1, lacks={"mse_test": "infers no latent vectors"}, pooled_mean=0.1),
        make_row("Ours", 1, mse_test=0.01, pooled_mean=0.4),
        make_row("Ours", 2, error="diverged: s = 3"),
    ]


def test_a_method_is_a_line_of_means_and_spreads_over_its_seeds(cells):
    frame = tabulate(cells).set_index("method")
    assert list(frame.index) == ["VAE", "DCGAN", "Ours"]
    assert list(frame["seeds"]) == [2, 1, 1]
    assert frame.loc["VAE", "mse_test"] == pytest.approx(0.03)
    assert frame.loc["VAE", "mse_test_std"] == pytest.approx(0.02 / math.sqrt(2))
    assert math.isnan(frame.loc["DCGAN", "mse_test"]) and math.isnan(frame.loc["Ours", "mse_test_std"])
    assert frame.loc["Ours", "failed"] == "diverged: s = 3"


def test_the_best_of_each_quality_is_bold_and_what_is_missing_is_said(cells):
    text = render(tabulate(cells), cells, "smoke")
    lines = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if line.startswith("| ")}
    assert "**0.01**" in lines["Ours"] and "**0.6 ± 0.1**" in lines["VAE"]
    assert "**" not in lines["DCGAN"].replace("**2**", "")
    assert "- DCGAN infers no latent vectors" in text and "- Ours: diverged: s = 3" in text
    assert "500 training images" in text and "| 1 | x 3 |" in text


def test_what_beats_ours_is_said_for_each_quality():
    def row(method, distance, spread, auprc):
        qualities = {
            "mse_test": math.nan,
            "frechet_distance": distance,
            "pooled_mean": auprc,
            "absolute_error": 1.0,
        }
        spreads = {f"{key}_std": spread for key in qualities}
        return {"method": method, **qualities, **spreads}

    frame = pd.DataFrame(
        [row("RAE", 20, 1, 0.4), row("VAE", 39.5, 1, 0.9), row("DCGAN", 60, 1, 0.5), row("Ours", 40, 1, 0.5)]
    )
    distance, auprc, recovery = compare_with_ours(frame)
    assert "Ours has 40 ± 1; better by more than the spread of both: RAE; by less: VAE." in distance
    assert "spread of both: none" in auprc and "by less: VAE." in auprc
    assert recovery.endswith("none.")
    assert compare_with_ours(frame[:2]) == []


def test_every_method_says_where_its_settings_are_from():
    text = render_methods(METHODS)
    for name, method in METHODS.items():
        assert method.settings and f"| {name} | {method.source} | {method.settings} |" in text


def test_it_is_drawn_and_is_made_even_of_nothing(tmp_path, cells, make_row):
    draw_leaderboard(tmp_path / "a.png", tabulate(cells))
    failed = [make_row("VAE", 1, error="not measured")]
    draw_leaderboard(tmp_path / "b.png", tabulate(failed))
    assert (tmp_path / "a.png").stat().st_size > (tmp_path / "b.png").stat().st_size
    assert "nothing measured" in render(tabulate(failed), failed, "smoke")


@pytest.mark.parametrize(
    "ends", [(0.02, 0.12), (20, 400), (0.26, 0.74), (0.004, 31), (0.2, 0.4), (1, 1.1), (2, 2e9)]
)
def test_the_ticks_of_an_axis_are_few_and_inside(ends):
    ticks = pick_ticks(*ends)
    assert 2 <= len(ticks) <= 6 and ticks == sorted(set(ticks))
    assert all(ends[0] <= tick <= ends[1] for tick in ticks)
