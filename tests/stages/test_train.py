"""What the stage train notes of its corrections, and which ranks it lets train together."""

import dataclasses
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from models.transport.solve import solve_transport
from stages.train import check_alike, log_numbers, note_correction


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
