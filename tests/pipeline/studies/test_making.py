"""How a cell was made stands beside the cells, and never in them."""

import json

import pytest
import torch

from models.langevin.engine import EngineSettings
from pipeline.storage import places
from pipeline.studies import making
from pipeline.studies.making import (
    Stopwatch,
    check_devices,
    describe_mixture,
    find_device,
    name_machine,
    read_making,
    write_making,
)


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_the_seconds_are_those_of_the_clock_and_of_the_processors(precision):
    watch = Stopwatch()
    sum(range(3_000_000))
    made = watch.describe(EngineSettings("cpu", getattr(torch, precision)), data="d", code="c")
    assert made["seconds"] >= 0 and made["cpu_seconds"] >= 0 and made["machine"] == name_machine(False) != ""
    assert made["precision"] == precision
    assert (made["data"], made["code"]) == ("d", "c") and json.loads(json.dumps(made)) == made


def test_cells_of_another_precision_are_told_before_others_join_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = {"a": {"precision": "float32"}, "b": {"seconds": 1.0}, "c": {"precision": "bfloat16"}}
    write_making("recorded", "table3", made, made)
    here = EngineSettings("cpu", torch.float32)
    assert describe_mixture("recorded", "table3", ["a", "b", "d"], here) == ""
    said = describe_mixture("recorded", "table3", "abcd", here)
    assert said.startswith(
        "table3: 1 kept cells were inferred in bfloat16, what is missing would be in float32"
    )


def test_what_was_known_of_a_cell_stays_until_it_is_made_anew_or_gone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_making("recorded", "figure8", {"a": {"seconds": 1.0}, "b": {"seconds": 2.0}}, ["a", "b"])
    # Recalled from its committed folder, where nobody says how it was made; one is new, one is gone.
    write_making("recorded", "figure8", {"a": {}, "c": {"seconds": 3.0}}, ["a", "c"])
    assert read_making("recorded", "figure8") == {"a": {"seconds": 1.0}, "c": {"seconds": 3.0}}
    assert read_making("recorded", "table2") == {}


def test_nothing_is_written_where_nothing_is_known(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_making("smoke", "table2", {"a": {}}, ["a"])
    assert not places.find_provenance("smoke", "table2").exists()


@pytest.mark.parametrize(
    ("machine", "device", "expected"),
    [
        ("AMD EPYC (family 25, model 17)", None, "cpu"),
        ("Intel(R) Xeon(R) Platinum 8480+", None, "cpu"),
        ("NVIDIA H200", None, "cuda"),
        ("Tesla V100-SXM2-16GB", None, "cuda"),
        ("AMD Instinct MI250X", None, "cuda"),
        ("a GPU of no known name", "cuda", "cuda"),
        ("", None, ""),
    ],
)
def test_what_made_a_cell_is_noted_or_told_by_its_machines_name(machine, device, expected):
    assert find_device({"machine": machine} | ({"device": device} if device else {})) == expected
    assert Stopwatch().describe(EngineSettings("cpu"))["device"] == "cpu"


@pytest.mark.parametrize(
    ("machine", "device", "said"),
    [
        (
            "AMD EPYC",
            "cuda",
            r"on a CPU \(AMD EPYC\).*on a GPU \(this one\).*CUDA_VISIBLE_DEVICES to nothing",
        ),
        ("NVIDIA H200", "cpu", r"on a GPU \(NVIDIA H200\).*on a CPU \(this one\).*take a machine with a GPU"),
    ],
)
def test_cells_of_a_cpu_and_of_a_gpu_do_not_join(tmp_path, monkeypatch, machine, device, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(making, "name_machine", lambda on_gpu: "this one")
    noted, own = {"machine": machine}, {"machine": machine, "device": {"cuda": "cpu", "cpu": "cuda"}[device]}
    write_making("recorded", "table3", {"a": noted}, ["a"])
    for kept in ({"a": {}}, {"b": own}):  # noted with the study, or with the cell
        with pytest.raises(ValueError, match=f"table3: 1 kept cells were made {said}"):
            check_devices("recorded", "table3", kept, EngineSettings(device))
        check_devices("recorded", "table3", kept, EngineSettings(own["device"]))
    check_devices("recorded", "table3", {"c": {}}, EngineSettings(device))  # nobody knows how it was made
