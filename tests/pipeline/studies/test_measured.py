import json

import numpy as np
import pytest

from pipeline.storage.files import write_arrays, write_json
from pipeline.studies.measured import read_cells
from reports.paper.figures import FIGURES, draw_figures

NUMBERS = (
    "mse_train mse_before frechet_distance frechet_before matched_share absolute_error to_prior floor "
    "tenth_mean tenth_std tenth_base_rate pooled_mean pooled_std pooled_base_rate"
)
MASKS = [{"kind": "region", "size": 20}, {"kind": "salt_pepper", "share": 0.5}]


def store(root, study, method, cells):
    folder = root / study / method
    for number, cell in enumerate(cells):
        cell["arrays"] = f"{number}.npz"
        write_arrays(folder / f"{number}.npz", {"samples": np.arange(4, dtype=np.uint8)})
    write_json(folder / "cells.json", {"cells": cells})


def test_cells_come_in_the_order_of_the_methods_with_their_arrays(tmp_path):
    for method in ("ABP", "VAE"):
        store(tmp_path, "table2", method, [{"method": method, "error": ""}])
    found = read_cells("table2", ["VAE", "ABP"], tmp_path)
    assert [cell["method"] for cell in found] == ["VAE", "ABP"]
    assert found[0]["arrays"]["samples"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("damage", ["absent", "half", "array"])
def test_what_is_missing_is_a_cell_that_says_why_and_what_to_do(tmp_path, damage):
    store(tmp_path, "table2", "VAE", [{"method": "VAE", "error": ""}])
    file = tmp_path / "table2" / "VAE" / "cells.json"
    if damage == "absent":
        file.unlink()
    elif damage == "half":
        file.write_text(file.read_text()[:20])
    else:
        (file.parent / "0.npz").write_bytes(b"PK half a file")
    (cell,) = read_cells("table2", ["VAE"], tmp_path)
    assert cell["error"].startswith("not measured (") and "`dvc repro table2` measures it" in cell["error"]
    assert json.loads(json.dumps({**cell, "arrays": {}}))["numbers"] == {}


def make_cell(study, method, axes, **changes):
    images = np.zeros((16, 1, 28, 28), np.uint8)
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
        "latents": np.zeros((20, axes.get("space", {}).get("latent_dim", 2)), np.float32),
        "labels": np.arange(20) % 2,
        "inferred": np.zeros((3, 20, axes.get("space", {}).get("latent_dim", 2)), np.float32),
    }
    numbers = dict.fromkeys(NUMBERS.split(), 0.5)
    curves = {key: [2.0, 1.0] for key in ("ot_cost", "mse_after", "frechet_distance")}
    found = {"study": study, "method": method, "axes": axes, "arrays": arrays, "numbers": numbers}
    return found | {
        "curves": curves,
        "dataset": "mnist5k",
        "alpha": 0.5,
        "seed": 1,
        "error": "",
        "lacks": {},
        **changes,
    }


AXES = {
    "table2": [{"dataset": "mnist5k"}],
    "table3": [{"held_out": 1}, {"held_out": 4}],
    "table4": [{"latent_dim": 20}, {"latent_dim": 40}],
    "table5": [{"s": 0.3}, {"s": 0.6}],
    "table6": [{"K": 30}, {"K": 50}],
    "table7": [{"L2": 1}, {"L2": 2}],
    "table8": [{"mask": mask} for mask in MASKS],
    "figure3": [{"space": {"dataset": "mnist", "classes": [0, 1], "latent_dim": d}} for d in (2, 3)],
    "figure8": [{"alpha": 0.5}, {"alpha": 1}],
    "solvers": [{"alpha": 0.5, "solver": solver, "seed": 1} for solver in ("bsp", "dual")],
    "fashion": [{}],
    "figure5": [{"dataset": "mnist5k"}],
    "latents": [{"space": {"dataset": "mnist", "classes": [0, 1], "latent_dim": 2}}],
}


@pytest.mark.parametrize("study", FIGURES)
def test_every_figure_is_drawn_whether_its_cells_finished_or_not(tmp_path, study):
    methods = (
        ["Ours"]
        if study in ("table4", "table5", "table6", "table7", "figure8", "solvers")
        else ["VAE", "Ours"]
    )
    cells = [make_cell(study, method, axes) for method in methods for axes in AXES[study]]
    for name, these in (
        ("all", cells),
        ("one_failed", [*cells[1:], {**cells[0], "error": "diverged"}]),
        ("none", [{**cell, "error": "diverged"} for cell in cells]),
    ):
        paths = draw_figures(study, these, tmp_path / name)
        assert {path.stem for path in paths} == set(FIGURES[study])
        for path in paths:
            assert path.read_bytes().startswith(b"\x89PNG")
    first = paths[0].name
    assert (tmp_path / "all" / first).read_bytes() != (tmp_path / "none" / first).read_bytes()
