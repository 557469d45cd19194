"""A training that is killed, at any moment and as often as may be, ends as if nothing had happened."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import time

import pytest
import torch

pytestmark = pytest.mark.faults

# Dies at the n-th rename of a finished file to its name: just before it, or just after.
RUNNER = """
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
N_KILLS = 20


@pytest.mark.injects("kills at any moment", N_KILLS)
def test_twenty_kills_leave_the_training_bit_identical(project, expected):
    start = time.monotonic()
    project.train()
    duration = time.monotonic() - start
    project.assert_result(expected)
    project.forget_result()
    rng = random.Random(0)
    killed = 0
    while killed < N_KILLS:  # a training that ends before its kill begins anew
        if killed % 5 in (1, 3):  # eight of twenty at a write
            writes, moment = str(rng.randint(1, 3)), rng.choice(["before", "after"])
            process = project.start("-c", RUNNER, writes, moment, "complete")
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
    project.train()
    project.assert_result(expected)


@pytest.mark.injects("damaged checkpoints", 1)
@pytest.mark.parametrize("damage", ["truncated", "of_other_parameters", "text"])
def test_a_checkpoint_that_does_not_fit_is_refused_and_said(project, damage):
    checkpoint = project.leave_checkpoint()
    content = checkpoint.read_bytes()
    if damage == "of_other_parameters":
        saved = torch.load(checkpoint, weights_only=True)
        torch.save({**saved, "key": "0" * 16}, checkpoint)
    else:
        checkpoint.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"not a checkpoint")
    output = project.train()
    (line,) = [line for line in output.splitlines() if "refused" in line]
    assert checkpoint.name in line


@pytest.mark.injects("files that would run code", 1)
def test_a_checkpoint_that_would_run_code_is_refused(project):
    class Bomb:
        def __reduce__(self):
            return (print, ("the checkpoint ran code",))

    checkpoint = project.leave_checkpoint()
    torch.save({"key": Bomb()}, checkpoint)
    output = project.train()
    assert "the checkpoint ran code" not in output and "refused" in output
