"""The stage train by several ranks: the results of one process, whatever ends on the way."""

from __future__ import annotations

import time

import psutil
import pytest
import yaml

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def in_blocks(prepared, tmp_path_factory):
    """A project whose batches of 100 are four blocks, and what one process leaves of its training."""
    made = prepared.copy(tmp_path_factory.mktemp("ranks") / "project")
    params = yaml.safe_load((made.folder / "params.yaml").read_text())
    params["engine"]["chunk"] = 25
    (made.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    made.train()
    result = made.read_result()
    made.forget_result()
    return made, result


def find_rank(launcher, rank):
    """The process of a rank that ``launcher`` has started."""
    for child in psutil.Process(launcher.pid).children():
        if child.environ().get("RANK") == str(rank):
            return child
    raise LookupError(rank)


def test_two_ranks_leave_what_one_process_does_and_one_of_them_speaks(in_blocks, tmp_path):
    made, expected = in_blocks
    project = made.copy(tmp_path / "project")
    output = project.train(RANKS="2")
    project.assert_result(expected)
    assert not project.list_checkpoint_files()
    assert "rank 1" not in output and "OMP_NUM_THREADS" not in output
    assert "its results are kept" in project.train(RANKS="3")


@pytest.mark.injects("kills at any moment", 1)
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_rank_ends_all_in_a_line_each_and_another_number_of_ranks_goes_on(
    in_blocks, tmp_path, killed
):
    made, expected = in_blocks
    project = made.copy(tmp_path / "project")
    launcher = project.start_training(RANKS="2")
    while not project.find_checkpoints() and launcher.poll() is None:
        time.sleep(0.05)
    find_rank(launcher, killed).kill()
    output, _ = launcher.communicate()
    assert launcher.returncode == 1 and not project.has_result()
    lines = [line for line in output.splitlines() if line.startswith("train-complete")]
    of_launcher = f"train-complete: rank {killed} of 2 was ended by SIGKILL"
    (of_other,) = [line for line in lines if line != of_launcher and "no native bfloat16" not in line]
    assert "is kept, and the same command goes on from there" in of_other
    assert of_launcher in lines and "Traceback" not in output
    assert "goes on with round" in project.train(RANKS="3" if killed else "1")
    project.assert_result(expected)
