"""How a cell was made stands beside the cells, and never in them."""

import json

import pytest
import torch

from models.langevin.engine import EngineSettings
from pipeline.storage import places
from pipeline.studies.making import Stopwatch, describe_mixture, name_machine, read_making, write_making


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
