from types import SimpleNamespace

import pytest
import torch

from stages.train import check_alike


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
