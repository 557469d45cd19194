"""A method that lacks something is said to lack it, in its place in the table and below it."""

from pipeline.studies.measured import MeasuredCell
from reports.paper.figures import draw_figures
from reports.paper.layouts import LAYOUTS
from reports.paper.pivot import order_columns, render_tables
from reports.paper.published import read_published
from reports.paper.rows import build_rows

QUANTITIES = LAYOUTS["table8"].quantities
LACKS = {quantity.key: "learns from complete images only" for quantity in QUANTITIES}
AXES = {"mask": {"kind": "region", "side": 20}}
CELLS = [
    MeasuredCell("table8", "DCGAN", "mnist5k", axes=AXES, lacks=LACKS),
    MeasuredCell(
        "table8",
        "VAE",
        "mnist5k",
        axes=AXES,
        numbers={"n": 9} | {quantity.key: 0.2 for quantity in QUANTITIES},
    ),
]


def test_a_lack_stands_in_its_place_and_its_reason_below():
    lines = render_tables("table8", CELLS, read_published()).splitlines()
    assert lines.count("| DCGAN | lacking |") == 4  # all errors, but a draw's squared one
    assert lines.count("- DCGAN learns from complete images only") == 1
    lacking = [row.quantity for row in build_rows("table8", CELLS, read_published()) if row.value is None]
    assert len(lacking) == len(QUANTITIES) == 5
    assert all(text.endswith("DCGAN learns from complete images only") for text in lacking)


def test_a_row_with_gaps_leaves_the_columns_in_order(make_cell):
    cells = [make_cell("table6", "VAE", axes={"K": K}, mse_train=0.1) for K in (30, 100)]
    cells += [make_cell("table6", "Ours", axes={"K": K}, mse_train=0.1) for K in (30, 50, 100)]
    assert order_columns(cells) == ["K = 30", "K = 50", "K = 100"]


def test_several_data_sets_have_columns_of_their_own(make_cell):
    cells = [
        make_cell("table4", "Ours", dataset, axes={"dataset": dataset, "latent_dim": 20}, mse_train=value)
        for dataset, value in (("mnist5k", 0.1), ("colour_digits", 0.3))
    ]
    text = render_tables("table4", cells, read_published())
    assert "mnist5k, latent_dim = 20 | colour_digits (stand-in for SVHN), latent_dim = 20 |" in text
    assert "| 0.1 | 0.3 |" in text


def test_the_linear_model_stands_in_all_columns_and_only_where_it_has_numbers(make_cell):
    cells = [
        make_cell("table5", axes={"s": s}, mse_before=0.1, frechet_distance=distance)
        for s, distance in ((0.03, 60.0), (0.6, 90.0))
    ]
    linear = make_cell("table5", "PPCA", axes={}, frechet_distance=80.0)
    text = render_tables("table5", [*cells, linear], read_published())
    assert text.count("PPCA") == 1 and "| PPCA | 80 | 80 |" in text
    (row,) = build_rows("table5", [linear], read_published())
    assert (row.value, row.published) == (80.0, None)


def test_the_papers_sweeps_are_of_ours_alone(make_cell):
    pair = [make_cell("table6", method, axes={"K": 30}, mse_train=0.1) for method in ("Ours", "PPCA")]
    assert [row.published is None for row in build_rows("table6", pair, read_published())] == [False, True]


def test_a_spread_of_rounding_alone_is_none(make_cell):
    cells = [make_cell("table6", seed=seed, axes={"K": 5}, mse_train=0.3 + seed * 1e-16) for seed in (1, 2)]
    assert "| 0.3 ± 0 |" in render_tables("table6", cells, read_published())
    chains = make_cell("table3", axes={"held_out": 4}, pooled_mean=0.4846, pooled_std=5.6e-17)
    assert "| 0.4846 ± 0 |" in render_tables("table3", [chains], read_published())


def test_a_number_of_one_seed_of_two_has_that_seed(make_cell):
    cells = [make_cell("fashion", seed=1, error="it"), make_cell("fashion", seed=2, mse_train=0.5)]
    (row,) = [row for row in build_rows("fashion", cells, read_published()) if row.value is not None]
    assert row.seed == 2


def test_a_method_without_any_cell_is_said_by_its_name(make_cell):
    absent = MeasuredCell("table6", "PPCA", error="not measured")
    assert render_tables("table6", [absent], {}) == "- PPCA: not measured\n"


def test_figures_are_drawn_of_those_that_have_something_to_show(tmp_path):
    for path in draw_figures("table8", CELLS[:1], tmp_path):
        assert path.read_bytes().startswith(b"\x89PNG")
