"""What the tool keeps of each training, once, and how it is told."""

import json

import pytest

from pipeline.studies.measured import RECORDED
from reports.tools.benchmark_tables import NOT_RUN
from reports.tools.copying import add_row
from reports.tools.copying_table import QUANTITIES, UNLEARNED, render_copying
from reports.tools.trained_again import find_wanted, make_parser


def make_row(method, seed, rounds=4, **numbers):
    """A row as the tool writes it."""
    row = {"method": method, "n_train": 1000, "rounds": rounds, "seed": seed, "key": f"{method}{seed}"}
    machine = {"machine": "A", "precision_of_inference": "float32"}
    return row | dict.fromkeys(QUANTITIES, 0.5) | machine | numbers


@pytest.fixture
def path(tmp_path):
    """Where rows are kept."""
    return tmp_path / "copying.json"


def test_a_training_is_kept_once_in_the_order_of_the_methods(path):
    assert render_copying(path) == NOT_RUN
    rows = [
        make_row(UNLEARNED, 1, rounds=0), make_row("Ours", 2), make_row("VAE", 2), make_row("Ours", 1),
        make_row("Ours", 2, recall=0.25),
    ]  # fmt: skip
    for row in rows:
        add_row(row, path)
    kept = [(row["method"], row["seed"], row["recall"]) for row in json.loads(path.read_text())["rows"]]
    assert sorted(kept) == [("Ours", 1, 0.5), ("Ours", 2, 0.25), ("VAE", 2, 0.5), (UNLEARNED, 1, 0.5)]
    assert kept[0][0] == UNLEARNED, "as many images, no rounds"


def test_the_lead_is_told_to_training_and_to_test_images_over_the_seeds_of_both(path):
    for seed, factor in ((1, 1.5), (2, 1.5), (3, 1.5)):
        add_row(make_row("Ours", seed, frechet_train=20.0, frechet_test=40.0), path)
        add_row(make_row("ABP", seed, frechet_train=20.0 * factor, frechet_test=44.0), path)
    add_row(make_row("ABP", 4, frechet_train=1e6, frechet_test=1e6), path)  # which Ours has not
    text = render_copying(path)
    assert (
        "ABP's distance over that of Ours, with its 95 % interval: after 4 rounds on 1,000 images "
        "1.50 [1.50, 1.50] to training images, 1.10 [1.10, 1.10] to test images." in text
    )
    assert "| 1,000 | 4 | Ours | 20 ± 0 | 40 ± 0 | 0.5 ± 0 | 0.5 ± 0 | 0.5 ± 0 | 3 |" in text
    assert "VAE's distance" not in text and "Trained on: A in float32." in text


def test_the_command_line_names_cells_of_the_study():
    parser = make_parser("")
    given = parser.parse_args(["Ours", "--rounds", "4", "16", "--seed", "1", "2"])
    assert (given.rounds, given.seed, given.n_train, given.profile) == ([4, 16], [1, 2], 1000, RECORDED)
    wanted = find_wanted(given)
    axes = [[dict(one.cell.axes)["rounds"] for one in cells] for cells in wanted.values()]
    assert list(wanted) == [(1, "Ours"), (2, "Ours")] and axes == [[4, 16], [4, 16]]
    with pytest.raises(SystemExit, match="found 1000, .5., 1, expected of the study convergence"):
        find_wanted(parser.parse_args(["Ours", "--rounds", "5"]))
    with pytest.raises(SystemExit):
        parser.parse_args(["Theirs", "--rounds", "4"])
