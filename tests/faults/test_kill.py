"""A training that is killed, at any moment and as often as may be, ends as if nothing had happened."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

pytestmark = pytest.mark.faults

# Dies at the n-th rename of a finished file to its name: just before it, or just after.
KILLER = """
import os, runpy, signal, sys
countdown, moment = int(sys.argv.pop(1)), sys.argv.pop(1)
rename = os.replace
def replace(*names, **options):
    global countdown
    countdown -= 1
    if countdown == 0 and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    rename(*names, **options)
    if countdown == 0:
        os.kill(os.getpid(), signal.SIGKILL)
os.replace = replace
sys.argv[0] = "train"
runpy.run_module("stages.train", run_name="__main__", alter_sys=True)
"""
# Says how many rounds it trained itself.
COUNTER = """
import runpy
from models.short_run import algorithm
rounds, run_round = 0, algorithm.run_round
def count(*parts):
    global rounds
    rounds += 1
    run_round(*parts)
algorithm.run_round = count
runpy.run_module("stages.train", run_name="__main__", alter_sys=True)
print("rounds:", rounds)
"""
N_KILLS, N_ROUNDS = 20, 4
N_WRITES = 17  # renames in a training, of checkpoints and then of its results


@pytest.mark.injects("kills at any moment", N_KILLS)
def test_twenty_kills_leave_the_training_bit_identical(prepared, tmp_path, expected):
    def kill_half(n):
        kill_again_and_again(prepared.copy(tmp_path / f"project-{n}"), N_KILLS // 2, n, expected)

    with ThreadPoolExecutor() as pool:
        list(pool.map(kill_half, range(2)))  # one half for each core


def kill_again_and_again(project, kills, seed, expected):
    """Kill a training and start it again, as often as ``kills`` says."""
    start = time.monotonic()
    project.train()
    duration = time.monotonic() - start
    project.assert_result(expected)
    project.forget_result()
    rng = random.Random(seed)
    killed, rounds = 0, 0
    while killed < kills:  # a training that ends before its kill begins anew
        if killed % 5 in (1, 3):  # four of ten at a write
            writes, moment = str(rng.randint(1, N_WRITES)), rng.choice(["before", "after"])
            process = project.start("-c", KILLER, writes, moment, "complete")
            process.wait()
        else:
            process = project.start_training()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0.2, 1.0) * duration)
            process.kill()
            process.wait()
        killed += process.returncode == -signal.SIGKILL
        output = process.stdout.read()
        assert process.returncode in (0, -signal.SIGKILL), output
        assert "refused" not in output  # no checkpoint was ever half a file
        before, rounds = rounds, project.count_rounds()
        if project.has_result():
            project.assert_result(expected)
            project.forget_result()
            rounds = 0
        else:
            assert rounds >= before  # no round that was kept is lost
    project.train()
    project.assert_result(expected)


@pytest.mark.injects("kills at any moment", 1)
def test_a_training_that_goes_on_trains_the_missing_rounds_alone(half_trained, expected):
    done = half_trained.count_rounds()
    assert 0 < done < N_ROUNDS
    output = half_trained.run("-c", COUNTER, "complete")
    assert f"rounds: {N_ROUNDS - done}" in output
    half_trained.assert_result(expected)
    assert not half_trained.list_checkpoint_files()  # nothing is left to resume, and nothing beside it


@pytest.mark.injects("damaged checkpoints", 1)
@pytest.mark.parametrize("damage", ["truncated", "of_other_parameters", "text"])
def test_a_checkpoint_that_does_not_fit_is_refused_and_said(half_trained, damage):
    (checkpoint,) = half_trained.find_checkpoints()
    content = checkpoint.read_bytes()
    if damage == "of_other_parameters":
        saved = torch.load(checkpoint, weights_only=True)
        torch.save({**saved, "key": "0" * 16}, checkpoint)
    else:
        checkpoint.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"not a checkpoint")
    output = half_trained.train()
    (line,) = [line for line in output.splitlines() if "refused" in line]
    assert checkpoint.name in line


@pytest.mark.injects("files that would run code", 1)
def test_a_checkpoint_that_would_run_code_is_refused(half_trained):
    class Bomb:
        def __reduce__(self):
            return (print, ("the checkpoint ran code",))

    (checkpoint,) = half_trained.find_checkpoints()
    torch.save({"key": Bomb()}, checkpoint)
    output = half_trained.train()
    assert "the checkpoint ran code" not in output and "refused" in output
