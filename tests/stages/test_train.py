import dataclasses
from types import SimpleNamespace

import pandas as pd
import torch

from models.transport.solve import solve_transport
from stages.train import log_numbers, note_correction


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
    for gap in (None, float("nan"), 0.25):
        log_numbers(tracker, {"round": 2, "ot_cost": 3.0, "ot_gap": gap})
    assert logged == [({"ot_cost": 3.0}, 2), ({"ot_cost": 3.0}, 2), ({"ot_cost": 3.0, "ot_gap": 0.25}, 2)]
