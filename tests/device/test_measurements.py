"""What `make test-gpu` measures, small: that it runs on this machine, and that its arithmetic is right."""

import dataclasses
import json

import pytest
import torch

from benchmarks import accelerator
from models.langevin.engine import EngineSettings


@pytest.mark.slow
def test_everything_is_measured(monkeypatch, tmp_path, device):
    path = tmp_path / "found.json"
    monkeypatch.setattr("sys.argv", ["accelerator", "--small", "--json", "--output", str(path)])
    accelerator.main()
    found = json.loads(path.read_text())
    assert found["device"] == device
    for part, key in (("langevin", "us_per_sample_step"), ("learning", "ours_us_per_sample")):
        assert all(row[key] > 0 and row["fraction_of_matmul_peak"] > 0 for row in found[part])
    assert found["transport"][0]["matched"] == 1
    assert found["schedule"]["rounds_done"] == found["schedule"]["rounds"]


def test_rounds_that_do_not_fit_are_counted_as_long_as_the_last(device):
    size = dataclasses.replace(accelerator.SMALL, images=100)
    settings = EngineSettings(device, torch.float32, "never")
    found = accelerator.measure_schedule(size, settings, seconds=0)
    assert found["rounds_done"] == 1 and found["is_extrapolated"]
    assert found["seconds"] == pytest.approx(found["rounds"] * found["seconds_of_rounds"][0])
