"""A method that lacks something is said to lack it, in its place in the table and below it."""

from pipeline.studies.measured import MeasuredCell
from reports.paper.figures import draw_figures
from reports.paper.layouts import LAYOUTS
from reports.paper.pivot import render_tables
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


def test_figures_are_drawn_of_those_that_have_something_to_show(tmp_path):
    for path in draw_figures("table8", CELLS[:1], tmp_path):
        assert path.read_bytes().startswith(b"\x89PNG")
