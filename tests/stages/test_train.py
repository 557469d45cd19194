"""What the stage train notes and keeps, and which ranks it lets train together."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from models.short_run import algorithm
from models.transport.solve import solve_transport
from pipeline.data.image_folder import write_images
from pipeline.settings.params import parse_params
from pipeline.storage import places
from pipeline.storage.code_digest import list_modules
from pipeline.storage.files import write_text
from stages import train as stage
from stages.train import check_alike, log_numbers, note_correction, train_task


def make_state(number, solver):
    source, target = torch.randn(2, 40, 3, generator=torch.Generator().manual_seed(number))
    transport = solve_transport(source, target, solver, generator=torch.Generator().manual_seed(0))
    return SimpleNamespace(round=number, transport=dataclasses.replace(transport, seconds=number / 4))


def test_each_correction_is_noted_with_its_gap_rounds_and_seconds_and_a_resumed_training_goes_on(tmp_path):
    path = tmp_path / "seconds" / "corrections-complete.csv"
    for number in (1, 2, 3, 3):  # killed in round 3 after the correction, which is then done again
        note_correction(path, make_state(number, "sparse"))
    rows = pd.read_csv(path)
    assert rows["round"].tolist() == [1, 2, 3] and rows["seconds"].tolist() == [0.25, 0.5, 0.75]
    assert (rows["gap"] <= 1e-5).all() and (rows["rounds"] >= 1).all()
    note_correction(path, make_state(1, "bsp"))  # another training
    (row,) = pd.read_csv(path).to_dict("records")
    assert row["solver"] == "bsp" and pd.isna(row["gap"])


def test_what_a_solver_does_not_prove_is_not_logged():
    logged = []
    tracker = SimpleNamespace(log_metrics=lambda values, step: logged.append((values, step)))
    for gap in (None, "", 0.25):
        log_numbers(tracker, {"round": 2, "ot_cost": 3.0, "ot_gap": gap})
    assert logged == [({"ot_cost": 3.0}, 2), ({"ot_cost": 3.0}, 2), ({"ot_cost": 3.0, "ot_gap": 0.25}, 2)]


def test_a_rank_of_another_training_is_refused():
    threads = torch.get_num_threads()
    first = {"training": "abc", "threads": threads}
    ranks = SimpleNamespace(rank=1, broadcast=lambda compute: first)
    check_alike(ranks, "abc")
    with pytest.raises(
        ValueError, match="rank 1 has .*'def'.*, rank 0 has .*'abc'.*start all ranks with the same"
    ):
        check_alike(ranks, "def")
    first["threads"] += 1
    with pytest.raises(ValueError, match="rank 1 has .*OMP_NUM_THREADS"):
        check_alike(ranks, "abc")


@pytest.fixture
def tiny(tmp_path, monkeypatch, narrow_settings):
    """Settings of a training of two rounds on 60 images, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    content = yaml.safe_load(narrow_settings) | {"profile": "smoke"}
    content["profiles"]["smoke"]["train"] |= {"K": 2, "L": 1}
    content["profiles"]["smoke"]["train"]["rounds"]["complete"] = 2
    content["engine"] |= {"device": "cpu", "compile": "never"}
    pixels = np.random.default_rng(0).integers(0, 256, (60, 1, 28, 28), dtype=np.uint8)
    meta = {"dataset": "mnist5k"}
    write_images(places.DATA / "complete", {"train_images": pixels}, meta)
    return parse_params(content)


def read_outputs():
    """The bytes of all that a training leaves."""
    return {
        path: path.read_bytes()
        for folder in (places.MODELS, places.FIGURES, places.METRICS)
        for path in folder.rglob("*.*")
    }


def test_changed_code_that_draws_draws_anew_and_trains_nothing(tiny, monkeypatch):
    tracker, rounds, changed = SimpleNamespace(log_metrics=lambda *row: None), [], []
    run_round, digest = algorithm.run_round, stage.digest_code
    monkeypatch.setattr(algorithm, "run_round", lambda *parts: (rounds.append(1), run_round(*parts)))
    monkeypatch.setattr(
        stage,
        "digest_code",
        lambda entries, root: digest(entries, root) + "".join(changed) * (len(entries) > 1),
    )
    ink = []
    for name in ("save_training_curves", "save_latent_marginal", "save_grid"):  # whose seconds prove nothing
        monkeypatch.setattr(stage, name, lambda path, *shown: write_text(path, f"{ink}{shown}"))
    metrics = train_task(tiny, tracker, "complete")
    before = read_outputs()
    assert len(rounds) == 2 and len(before) == 1 + 3 + 2  # a model; pictures; metrics and curves
    assert train_task(tiny, tracker, "complete") == metrics
    changed.append("how pictures are drawn")
    for path in places.FIGURES.iterdir():
        path.unlink()
    assert train_task(tiny, tracker, "complete") == metrics
    assert len(rounds) == 2 and read_outputs() == before
    changed.append("and once more")
    ink.append("green")
    train_task(tiny, tracker, "complete")
    remade = {path for path, made in read_outputs().items() if made != before[path]}
    assert len(rounds) == 2 and remade == set(places.FIGURES.iterdir())
    (places.MODELS / "complete" / "model.pt").unlink()
    train_task(tiny, tracker, "complete")
    assert len(rounds) == 4


@pytest.mark.parametrize("file", ["reports/drawing.py", "pipeline/storage/checkpoints.py", "stages/train.py"])
def test_the_digest_of_the_outputs_has_the_code_that_writes_them_and_that_of_the_training_has_not(file):
    root = Path(stage.__file__).parents[1]
    assert root / file in list_modules([Path(stage.__file__)], root)
    assert root / file not in list_modules([Path(algorithm.__file__)], root)
