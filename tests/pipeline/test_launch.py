import pytest

from models.langevin.ranks import ALONE
from pipeline.launch import connect_ranks, read_count, read_rank


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_a_number_of_ranks_that_is_none_is_named(text):
    with pytest.raises(ValueError, match=rf"RANKS: found '{text}', expected a whole number of at least 1"):
        read_count({"RANKS": text})


def test_without_ranks_there_is_one_and_a_rank_has_its_number():
    assert read_count({}) == read_count({"RANKS": ""}) == 1
    assert read_rank({"RANKS": "2"}) is None
    assert read_rank({"RANK": "1", "WORLD_SIZE": "2"}) == 1


def test_a_process_without_torchrun_is_alone(monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with connect_ranks("cpu") as ranks:
        assert ranks == ALONE


def test_a_rank_without_a_device_of_its_own_is_refused_before_it_waits_for_others(monkeypatch):
    for name, value in {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "5"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    with pytest.raises(
        ValueError, match="rank 5 would be number 6 on this machine, which has 2 CUDA devices"
    ):
        with connect_ranks("cuda"):
            pass


def test_ranks_that_torchrun_did_not_start_are_refused_in_a_line(monkeypatch):
    for name, value in {"RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(ValueError, match="rank 1 of 2 cannot be connected to the others: .*MASTER_ADDR"):
        with connect_ranks("cpu"):
            pass
