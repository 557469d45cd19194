"""Two checkouts with results and no code: one laid out as before the rooms, one as now."""

import sys

import numpy as np
import pytest
import torch

from pipeline.settings.yaml_files import read_yaml
from pipeline.storage.checkpoints import save_tensors
from pipeline.storage.files import write_arrays, write_bytes, write_json, write_text
from reports.tools.compare_revisions import is_same, main
from reports.tools.revision_runs import (
    FEWER,
    find_axes,
    make_environment,
    open_checkout,
    restrict_grid,
    run_step,
    serve_stages,
)

NUMBERS = {"tenth_mean": 0.25, "training_seconds": 1.5}
SAMPLES = np.arange(6, dtype=np.uint8).reshape(2, 3)


def write_own_run(folder, metrics, pictures):
    weights = {"weights": {"head.bias": torch.tensor([1.0, -2.0])}, "latents": torch.ones(2, 2)}
    save_tensors(folder / "artifacts/models/complete/model.pt", weights)
    write_json(folder / "metrics" / metrics, {"mse_after": 0.5})
    write_bytes(folder / pictures / "figures/fid_samples.png", b"\x89PNG 1")
    write_text(folder / pictures / "tables/training.csv", "method,seconds\nOurs,1\n")


def write_cells(folder, **others):
    cell = {"dataset": "mnist5k", "paper_dataset": "mnist", "seed": 1, "extractor": "", "rate_factor": 1.0}
    cell |= {"axes": {"held_out": 4}, "numbers": NUMBERS, "curves": {}, "lacks": {}, "error": ""}
    write_json(folder / "cells.json", {"cells": [{**cell, "arrays": "0.npz", **others}]})
    write_arrays(folder / "0.npz", {"samples": SAMPLES})


@pytest.fixture
def checkouts(tmp_path):
    base, present = tmp_path / "base", tmp_path / "present"
    write_own_run(base, "train-complete.json", "reports")
    write_json(base / "metrics/mask.json", {"kind": "region", "size": 13})
    write_cells(base / "artifacts/cells/table3/VAE", alpha=0.0)
    write_own_run(present, "train/complete.json", "artifacts/run")
    write_json(present / "metrics/mask.json", {"kind": "region", "side": 13})
    write_cells(present / "reports/results/smoke/cells/table3/VAE", alpha=None, key="1a")
    write_text(present / "pipeline/storage/places.py", "")
    return tmp_path


def compare(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["compare_revisions", "--again", str(folder)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code), capsys.readouterr().out


def test_equal_results_in_two_layouts_pass_and_a_rename_is_said(checkouts, monkeypatch, capsys):
    status, said = compare(checkouts, monkeypatch, capsys)
    assert status == 0 and "DIFFERS" not in said
    assert "renamed  metrics/mask (2 values)\n" in said and "metrics/mask/size -> metrics/mask/side" in said
    assert "equal    train-complete (2 values)" in said
    assert said.splitlines()[-1] == "4 results equal, 0 differ"


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("artifacts/models/complete/model.pt", "train-complete/weights/head.bias: 1 of 2 elements differ"),
        ("metrics/train/complete.json", "metrics/train-complete/mse_after: 0.5 -> 0.5000000000000001"),
        ("artifacts/run/figures/fid_samples.png", "figures/fid_samples.png: 6 bytes -> 6 bytes"),
        ("metrics/mask.json", "metrics/mask/side: 13 -> 14"),
        ("reports/results/smoke/cells/table3/VAE/0.npz", "VAE/held_out 4/arrays/samples: 1 of 6 elements"),
    ],
)
def test_one_bit_fails_and_its_file_is_named(checkouts, path, named, monkeypatch, capsys):
    flipped = checkouts / "present" / path
    if path.endswith(".pt"):
        content = torch.load(flipped, weights_only=True)
        content["weights"]["head.bias"].view(torch.int32)[0] ^= 1
        save_tensors(flipped, content)
    elif path.endswith(".npz"):
        samples = SAMPLES.copy()
        samples[1, 2] ^= 1
        write_arrays(flipped, {"samples": samples})
    elif path.endswith(".json"):
        text = flipped.read_text().replace("0.5", "0.5000000000000001").replace("13", "14")
        write_text(flipped, text)
    else:
        write_bytes(flipped, b"\x89PNG 0")
    status, said = compare(checkouts, monkeypatch, capsys)
    assert status == 1 and named in said
    assert said.splitlines()[-1].endswith(", 1 differ")


def test_a_result_that_one_revision_lacks_is_a_difference(checkouts, monkeypatch, capsys):
    (checkouts / "present/artifacts/run/figures/fid_samples.png").unlink()
    status, said = compare(checkouts, monkeypatch, capsys)
    assert status == 1 and "figures/fid_samples.png: only in the base" in said


def test_cells_that_failed_alike_are_counted(checkouts, monkeypatch, capsys):
    write_cells(checkouts / "base/artifacts/cells/table3/VAE", alpha=0.0, error="no memory")
    write_cells(checkouts / "present/reports/results/smoke/cells/table3/VAE", alpha=None, error="no memory")
    status, said = compare(checkouts, monkeypatch, capsys)
    assert status == 0 and "cells/table3/VAE (9 values, 1 failed cells)" in said


def test_the_same_layout_knows_no_changes(checkouts, monkeypatch, capsys):
    write_text(checkouts / "base/pipeline/storage/places.py", "")
    status, said = compare(checkouts, monkeypatch, capsys)
    assert status == 1 and "renamed" not in said and "metrics/mask/size: only in the base" in said


def test_what_looks_the_same_may_differ():
    assert not is_same(0.0, -0.0) and not is_same(1, 1.0) and not is_same(SAMPLES, SAMPLES.astype(int))
    assert is_same(float("nan"), float("nan")) and is_same(SAMPLES, SAMPLES.copy())


def test_the_grid_keeps_a_few_cells_of_the_rivals_asked_for():
    grid = restrict_grid(read_yaml("tables.yaml"), ["PPCA"])
    assert grid["studies"]["tuning"]["methods"] == ["PPCA"]
    for study, fewer in FEWER.items():
        for key, kept in fewer.items():
            assert len(find_axes(grid["studies"][study], key)[key]) == len(kept), (study, key)


def test_runs_see_no_experiment_and_no_tracker():
    kept = make_environment({"DVC_ROOT": "a", "MLFLOW_TRACKING_URI": "b", "PYTHONPATH": "c", "HOME": "d"})
    assert kept == {"HOME": "d", "OMP_NUM_THREADS": "1", "CELL_WORKERS": "0"}


def test_stages_run_in_their_own_checkout_and_a_failure_is_shown(tmp_path):
    write_text(tmp_path / "stages/__init__.py", "")
    write_text(tmp_path / "models.py", "SAID = 'of the checkout'")
    write_text(tmp_path / "stages/good.py", "import sys, models; open(sys.argv[1], 'w').write(models.SAID)")
    write_text(tmp_path / "stages/bad.py", "import sys; print('before'); sys.exit('n_train: found -1')")
    checkout = open_checkout("abc", tmp_path)
    with serve_stages(checkout, packages=()) as server:
        run_step(checkout, server, ("good", "left.txt"))
        with pytest.raises(
            ValueError, match=r"abc: stages\.bad ended with status 1\n(.*\n)*n_train: found -1"
        ):
            run_step(checkout, server, ("bad",))
        run_step(checkout, server, ("good", "again.txt"))
    assert (tmp_path / "left.txt").read_text() == (tmp_path / "again.txt").read_text() == "of the checkout"
