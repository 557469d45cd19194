import math

import pytest
from scipy import stats

from models.catalogue import METHODS
from reports.beyond.leaderboard_columns import COLUMNS
from reports.beyond.leaderboard_table import (
    draw_leaderboard,
    pick_ticks,
    render,
    render_methods,
    tabulate,
)
from reports.beyond.rank_table import render_ranks
from reports.paper.all_methods import list_unmeasured
from reports.paper.names import show_method

KEYS = [key for key in COLUMNS if key not in ("mse_test_point", "updates")]


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
        make_row("VAE", 1, mse_test_point=0.02, pooled_mean=0.5),
        make_row("VAE", 2, mse_test_point=0.04, pooled_mean=0.7),
        make_row("DCGAN", 1, lacks={"mse_test_point": "infers no latent vectors"}, pooled_mean=0.1),
        make_row("Ours", 1, mse_test_point=0.01, pooled_mean=0.4),
        make_row("Ours", 2, error="diverged: s = 3"),
    ]


def test_a_method_is_a_line_of_means_and_spreads_over_its_seeds(cells):
    frame = tabulate(cells).set_index("method")
    assert list(frame.index) == ["VAE", "DCGAN", "Ours"]
    assert list(frame["seeds"]) == [2, 1, 1]
    assert frame.loc["VAE", "mse_test_point"] == pytest.approx(0.03)
    assert frame.loc["VAE", "mse_test_point_std"] == pytest.approx(0.02 / math.sqrt(2))
    assert math.isnan(frame.loc["DCGAN", "mse_test_point"]) and math.isnan(
        frame.loc["Ours", "mse_test_point_std"]
    )
    assert frame.loc["Ours", "failed"] == "diverged: s = 3"


def test_a_closed_form_has_neither_a_rate_nor_a_budget_that_it_does_not_use(make_row):
    cells = [make_row("VAE", 1, sample_gradients=136_000), make_row("PPCA", 1, sample_gradients=136_000)]
    vae, ppca = (
        next(line for line in render(cells, "embedded").splitlines() if line.startswith(f"| {method} |"))
        for method in ("VAE", "PPCA")
    )
    assert "| 1 | x 3 |" in vae and "136,000" in vae
    assert "| 1 |  |" in ppca and "136,000" not in ppca


def test_what_is_missing_is_said(cells):
    text = render(cells, "smoke", evaluations={"VAE": 1, "DCGAN": 1, "Ours": 50})
    lines = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if "| x 3 |" in line}
    assert lines["Ours"].endswith("| 50 |  |") and lines["DCGAN"].endswith("|  |  |")
    assert "0.01" in lines["Ours"] and "0.6 ± 0.1" in lines["VAE"]
    assert "- DCGAN infers no latent vectors" in text and "- Ours: diverged: s = 3" in text
    assert "500 training images" in text and "| 1 | x 3 |" in text


def test_one_longer_training_leaves_the_others_in_the_table(make_row):
    cells = [
        make_row(method, 1, axes={"rounds": rounds, "seed": 1}, frechet_distance=9.0 + rounds)
        for method, lengths in {"Ours": (1, 4), "VAE": (1, 4, 16)}.items()
        for rounds in lengths
    ]
    cells.append(make_row("RAE", 1, axes={"rounds": 4, "seed": 1}, error="diverged: s = 3"))
    text = render(cells, "embedded")
    assert "after 4 rounds" in text and text.count("| x 3 |") == 2
    assert "- Of 16 rounds there are VAE alone, which are not shown" in text
    assert "- RAE: diverged" in text and "| RAE | 0 |" in text


def test_ranks_say_over_how_many_seeds_they_are(make_row):
    cells = [make_row(name, seed, mse_test_point=0.1) for name in ("VAE", "Ours") for seed in (1, 2)]
    assert "Rank in each of the 2 seeds in which" in render(cells, "embedded")
    assert "Rank in each of the 1 seeds in which" in render(cells[:-1], "embedded")


def test_a_mean_rank_has_students_interval_which_ends_at_the_last_rank(make_row):
    orders = ("VAE RAE Ours", "RAE VAE Ours", "VAE RAE Ours", "VAE RAE Ours")
    cells = [
        make_row(name, seed, mse_test_point=0.01 * place)
        for seed, order in enumerate(orders)
        for place, name in enumerate(order.split(), 1)
    ]
    lines = "\n".join(render_ranks(cells))
    low, high = stats.ttest_1samp([1, 2, 1, 1], 0).confidence_interval(0.95)
    assert low < 1 and f"| VAE | 1.2 [1.0, {high:.1f}]" in lines and "| Ours | 3.0 [3.0, 3.0]" in lines
    assert "Mean rank of the 4 seeds" in lines
    two = "\n".join(render_ranks([cell for cell in cells if cell.seed < 2]))
    assert "| VAE | 1, 2 |" in two and "too few for an interval" in two


def test_the_longest_trainings_are_the_lines_and_marks_say_what_ended_too_soon(make_row):
    cells = [
        make_row(method, seed, axes={"rounds": rounds, "seed": seed}, frechet_distance=value + seed)
        for method, distances in {"Ours": (60, 40, 39), "VAE": (60, 50, 40)}.items()
        for rounds, value in zip((1, 4, 16), distances, strict=True)
        for seed in (1, 2, 3)
    ]
    text = render(cells, "embedded", factors=(0.3, 1, 3))
    lines = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if "x 3" in line}
    assert "after 16 rounds, mean ± standard deviation over seeds." in text
    assert "41 ± 1" in lines["Ours"] and "42 ± 1" in lines["VAE"]
    assert lines["VAE"].endswith("| not converged |") and lines["Ours"].endswith("|  |")
    assert all("| x 3* |" in line for line in lines.values())


def test_who_was_never_trained_is_named_below_and_one_seed_has_no_verdict(make_row, make_cell):
    absent = make_cell("leaderboard", "RAE", error="not measured", axes={})
    axes = {"rounds": 4, "seed": 1}
    cells = [
        make_row(method, 1, axes=axes, mse_test_point=0.1 + n) for n, method in enumerate(("Ours", "VAE"))
    ]
    failed = make_row("GLO", 1, axes=axes, error="diverged")
    text = render([*cells, absent, failed], "smoke")
    assert list_unmeasured([*cells, absent, failed]) == ["RAE"]
    assert "- Not measured yet: RAE; `dvc --cd beyond repro leaderboard`" in text
    assert "| RAE |" not in text and "| GLO | 0 |" in text and "- GLO: diverged" in text
    assert "one length" in text and "decides nothing" in text and "undecided" not in text
    assert "one seed." in text and "deviation" not in text
    assert "| VAE | 2 |" in text


def test_a_chains_draw_is_never_ranked_beside_an_encoders_mean(make_row):
    ours = make_row("Ours", 1, mse_test=0.03, mse_test_draw=0.03, mse_test_point=0.01)
    cells = [ours, make_row("VAE", 1, mse_test=0.02, mse_test_draw=0.04, mse_test_point=0.02)]
    text = render(cells, "smoke")
    assert "| Ours | 1 |" in text and "| VAE | 2 |" in text and "| 0.01 | 0.03 |" in text


def test_every_method_says_where_its_settings_are_from():
    text = render_methods(METHODS)
    for name, method in METHODS.items():
        shown = f"| {show_method(name)} | {method.source} | {method.settings} |"
        assert method.settings and shown in text
    assert "only RealNVP, GLOW, PPCA and FA have their own" in text


def test_it_is_drawn_and_is_made_even_of_nothing(tmp_path, cells, make_row):
    draw_leaderboard(tmp_path / "a.png", tabulate(cells))
    failed = [make_row("VAE", 1, error="not measured")]
    draw_leaderboard(tmp_path / "b.png", tabulate(failed))
    assert (tmp_path / "a.png").stat().st_size > (tmp_path / "b.png").stat().st_size
    assert "nothing measured" in render(failed, "smoke")


@pytest.mark.parametrize(
    "ends", [(0.02, 0.12), (20, 400), (0.26, 0.74), (0.004, 31), (0.2, 0.4), (1, 1.1), (2, 2e9)]
)
def test_the_ticks_of_an_axis_are_few_and_inside(ends):
    ticks = pick_ticks(*ends)
    assert 2 <= len(ticks) <= 6 and ticks == sorted(set(ticks))
    assert all(ends[0] <= tick <= ends[1] for tick in ticks)


def test_a_row_that_is_not_what_its_key_says_has_another_name_and_a_note(make_row):
    cells = [make_row(name, 1, mse_test_point=0.1) for name in ("Ours", "SRI", "EBM-VAE")]
    text = render(cells, "embedded")
    assert list(tabulate(cells)["method"]) == ["Ours", "SRI, s fixed", "VAE + .1 triangle"]
    assert "| SRI, s fixed | 1 | x 3 |" in text and "| VAE + .1 triangle | 1 | x 3 |" in text
    assert "| SRI |" not in text and "| EBM-VAE |" not in text
    assert "- SRI, s fixed: the step size of its authors' script; the paper learns s" in text
    assert "- VAE + .1 triangle: stands in the place of EBM-VAE" in text
    assert "stands in the place of" not in render(cells[:2], "embedded")


def test_the_last_column_says_who_is_behind_principal_components_and_in_how_many_seeds(make_row):
    distances = {"PPCA": (50, 50, 50), "FA": (60, 60, 60), "PGD": (60, 40, 60), "VAE": (60, 60, 60)}
    errors = {"PPCA": 0.02, "FA": 0.03, "PGD": 0.03, "VAE": 0.01}
    cells = [
        make_row(method, seed, frechet_distance=row[seed - 1], mse_test_point=errors[method])
        for method, row in distances.items()
        for seed in (1, 2, 3)
    ]
    rows = [line for line in render(cells, "embedded").splitlines() if " | 3 | " in line]
    lines = {line.split(" | ")[0].strip("| "): line for line in rows}
    assert lines["FA"].endswith("| behind PPCA (3 of 3 seeds) |")
    assert lines["PGD"].endswith("| behind PPCA (2 of 3 seeds) |") and lines["VAE"].endswith("|  |")


def test_a_small_spread_is_written_without_a_power_of_ten(make_row):
    cells = [make_row("VAE", seed, mse_test_point=0.02 + seed * 7e-5) for seed in (1, 2, 3)]
    assert "| 0.0201 ± 0.00007 |" in render(cells, "embedded")
