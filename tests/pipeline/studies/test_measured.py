import dataclasses
import json

import numpy as np
import pytest

from pipeline.storage import places
from pipeline.studies.measured import MeasuredCell, read_cells, read_folder, write_cells
from reports.paper.figures import CLOUDS, FIGURES, GRIDS, draw_figures, list_drawn

NUMBERS = (
    "mse_train mse_before frechet_distance frechet_before matched_share absolute_error_point to_prior floor "
    "mse tenth_mean tenth_std tenth_base_rate pooled_mean pooled_std pooled_base_rate"
)
MASKS = [{"kind": "region", "side": 20}, {"kind": "salt_pepper", "share": 0.5}]
ARRAYS = {
    "samples": np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2),
    "latents": np.array([[0.1, -2.5]], np.float32),
}


@pytest.fixture
def store(tmp_path, monkeypatch, make_cell):
    """A function that stores two cells of a method of table2, one with arrays; works in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def write(method):
        cells = [
            make_cell(
                "table2", method, axes={"dataset": "mnist"}, key="k1", mse_train=0.1 + 0.2, arrays=ARRAYS
            ),
            make_cell("table2", method, axes={"dataset": "svhn"}, error="diverged: s", rate_factor=3.0),
        ]
        write_cells(places.find_cells("smoke", "table2", method), cells)
        return cells

    return write


def test_cells_come_in_the_order_of_the_methods_with_their_arrays(store):
    for method in ("ABP", "VAE"):
        store(method)
    found = read_cells("smoke", "table2", ["VAE", "ABP"])
    assert [cell.method for cell in found] == ["VAE", "VAE", "ABP", "ABP"]
    assert found[0].arrays["samples"].tolist() == ARRAYS["samples"].tolist()


def test_a_cell_is_read_back_as_it_was_written_arrays_included(store):
    written = store("Ours")
    found = read_folder(places.find_cells("smoke", "table2", "Ours"))
    assert [cell.error for cell in found] == ["", "diverged: s"]
    for before, after in zip(written, found, strict=True):
        for item in dataclasses.fields(MeasuredCell):
            if item.name != "arrays":
                assert getattr(after, item.name) == getattr(before, item.name), item.name
        assert after.arrays.keys() == before.arrays.keys()
        for name, array in before.arrays.items():
            assert after.arrays[name].dtype == array.dtype
            np.testing.assert_array_equal(after.arrays[name], array)
    assert set(found[0].arrays) == {"samples", "latents"} and found[1].arrays == {}


def test_cells_take_the_place_of_those_that_were_there(store, make_cell):
    store("Ours")
    folder = places.find_cells("smoke", "table2", "Ours")
    write_cells(folder, [make_cell("table2", mse_train=0.5)])
    assert [path.name for path in folder.iterdir()] == ["cells.json"]  # no array of the earlier cells
    assert [cell.numbers["mse_train"] for cell in read_folder(folder)] == [0.5]


def test_a_writing_that_fails_leaves_the_earlier_cells(store, make_cell, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    written = store("Ours")
    folder = places.find_cells("smoke", "table2", "Ours")
    monkeypatch.setattr("pipeline.studies.measured.write_json", full)
    with pytest.raises(OSError, match="No space left"):
        write_cells(folder, [make_cell("table2", arrays=ARRAYS)])
    assert [cell.numbers for cell in read_folder(folder)] == [cell.numbers for cell in written]
    assert [path.name for path in folder.parent.iterdir()] == ["Ours"]


@pytest.mark.parametrize("damage", ["absent", "half", "array"])
def test_what_is_missing_is_a_cell_that_says_why_and_what_to_do(store, damage):
    store("VAE")
    file = places.find_cells("smoke", "table2", "VAE") / "cells.json"
    if damage == "absent":
        file.unlink()
    elif damage == "half":
        file.write_text(file.read_text()[:20])
    else:
        (file.parent / "0.npz").write_bytes(b"PK half a file")
    (cell,) = read_cells("smoke", "table2", ["VAE"])
    assert cell.error.startswith("not measured (") and "`dvc repro exhibit@table2` measures it" in cell.error
    assert json.loads(json.dumps(dataclasses.asdict(cell)))["numbers"] == {}


@pytest.fixture
def make_drawn(make_cell):
    """A function that makes a cell with all that figures are drawn from."""
    images = np.zeros((16, 1, 28, 28), np.uint8)

    def make(study, method, axes):
        dimension = axes.get("space", {}).get("latent_dim", 2)
        arrays = {
            "images": images,
            "reconstructions": images,
            "samples": np.zeros((64, 1, 28, 28), np.uint8),
            "inpainting_originals": images[:8],
            "inpainting_occlusions": np.ones((6, 8, 1, 28, 28), np.uint8),
            "inpainting_restored": np.zeros((6, 8, 1, 28, 28), np.uint8),
            "inpainting_diverse_occlusions": np.ones((4, 1, 28, 28), np.uint8),
            "inpainting_diverse": np.zeros((4, 8, 1, 28, 28), np.uint8),
            "originals": images,
            "visible": images,
            "recovered": images,
            "latents": np.zeros((20, dimension), np.float32),
            "labels": np.arange(20) % 2,
            "inferred": np.zeros((3, 20, dimension), np.float32),
        }
        curves = {key: [2.0, 1.0] for key in ("ot_cost", "mse_after", "frechet_distance")}
        numbers = dict.fromkeys(NUMBERS.split(), 0.5)
        return make_cell(study, method, axes=axes, arrays=arrays, curves=curves, **numbers)

    return make


AXES = {
    "table2": [{"dataset": "mnist5k"}],
    "table3": [{"held_out": 1}, {"held_out": 4}],
    "table3_all": [{"held_out": 1, "seed": 1}, {"held_out": 4, "seed": 1}],
    "table4": [{"latent_dim": 20}, {"latent_dim": 40}],
    "table5": [{"s": 0.3}, {"s": 0.6}],
    "table6": [{"K": 30}, {"K": 50}],
    "table7": [{"L2": 1}, {"L2": 2}],
    "table8": [{"mask": mask} for mask in MASKS],
    "figure3": [{"space": {"dataset": "mnist", "classes": [0, 1], "latent_dim": d}} for d in (2, 3)],
    "figure8": [{"alpha": 0.5}, {"alpha": 1}],
    "convergence": [{"n_train": 250, "rounds": rounds, "seed": 1} for rounds in (1, 4)],
    "alphas": [{"alpha": alpha, "seed": 1} for alpha in (0, 0.5)],
    "solvers": [{"alpha": 0.5, "solver": solver, "seed": 1} for solver in ("bsp", "dual")],
    "fashion": [{}],
    "figure5": [{"dataset": "mnist5k"}],
    "latents": [{"space": {"dataset": "mnist", "classes": [0, 1], "latent_dim": 2}}],
}


def test_images_and_points_are_of_one_training_and_curves_of_all(make_cell):
    cells = [make_cell("table2", "Ours", seed=seed) for seed in (3, 2, 5)]
    for name in (*GRIDS, *CLOUDS):
        assert [cell.seed for cell in list_drawn(name, cells)] == [2]
    assert [cell.seed for cell in list_drawn("figure8", cells)] == [3, 2, 5]
    assert list_drawn("figure4", [make_cell("table2", "Ours", error="diverged")]) == []


def test_rivals_are_shown_after_their_longest_training(make_cell):
    def make(method, rounds, level):
        arrays = {"images": grey(0), "samples": grey(level)}
        return make_cell("fashion", method, axes={"rounds": rounds}, arrays=arrays)

    def grey(level):
        return np.full((2, 1, 8, 8), level, np.uint8)

    cells = [make(method, rounds, 10 * rounds) for method in ("VAE", "Ours") for rounds in (4, 1)]
    _, *rows = GRIDS["fashion"](cells).rows
    assert [title for title, _ in rows] == ["VAE: samples", "Ours (alpha=0.5): samples"]
    assert all(float(strip.max()) == pytest.approx(40 / 255) for _, strip in rows)


@pytest.mark.parametrize("study", [study for study, figures in FIGURES.items() if figures])
def test_every_figure_is_drawn_whether_its_cells_finished_or_not(tmp_path, make_drawn, study):
    methods = (
        ["Ours"]
        if study in ("table4", "table5", "table6", "table7", "figure8", "solvers", "alphas")
        else ["VAE", "Ours"]
    )
    cells = [make_drawn(study, method, axes) for method in methods for axes in AXES[study]]
    for name, these in (
        ("all", cells),
        ("one_failed", [*cells[1:], dataclasses.replace(cells[0], error="diverged")]),
        ("none", [dataclasses.replace(cell, error="diverged") for cell in cells]),
    ):
        paths = draw_figures(study, these, tmp_path / name)
        assert {path.stem for path in paths} == set(FIGURES[study])
        for path in paths:
            assert path.read_bytes().startswith(b"\x89PNG")
    first = paths[0].name
    assert (tmp_path / "all" / first).read_bytes() != (tmp_path / "none" / first).read_bytes()
