"""A training that is killed, at any moment and as often as may be, ends as if nothing had happened."""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import subprocess
import time

import pytest
import torch

pytestmark = pytest.mark.faults

TRAIN = ("-m", "stages.train", "complete")
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
N_RANDOM, N_WRITES = 12, 8


def read_result(project):
    folder = project.folder
    model = torch.load(folder / "artifacts/models/complete/model.pt", weights_only=True)
    tensors = {**model["weights"], "latents": model["latents"]}
    texts = [
        (folder / name).read_text()
        for name in ("metrics/train-complete.json", "metrics/curves/train-complete.csv")
    ]
    return tensors, texts


def test_twenty_kills_leave_the_training_bit_identical(project, toll):
    start = time.monotonic()
    project.run(*TRAIN)
    duration = time.monotonic() - start
    expected, expected_texts = read_result(project)
    for name in ("artifacts/models", "metrics"):
        shutil.rmtree(project.folder / name)
    rng = random.Random(0)
    killed = 0
    for number in range(N_RANDOM + N_WRITES):
        if number % 5 in (1, 3):  # eight of twenty in the middle of a write
            writes, moment = str(rng.randint(1, 3)), rng.choice(["before", "after"])
            process = project.start("-c", RUNNER, writes, moment, "complete")
            process.wait()
        else:
            process = project.start(*TRAIN)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0.2, 1.0) * duration)
            process.kill()
            process.wait()
        toll.injected += 1
        killed += process.returncode == -signal.SIGKILL
        output = process.stdout.read()
        assert process.returncode in (0, -signal.SIGKILL), output
        assert "refused" not in output  # no checkpoint was ever half a file
    assert killed >= 12
    project.run(*TRAIN)
    tensors, texts = read_result(project)
    assert texts == expected_texts
    for name, tensor in expected.items():
        assert torch.equal(tensors[name], tensor), name
    toll.survived += N_RANDOM + N_WRITES


def leave_checkpoint(project):
    """Kill a training as soon as it has left a checkpoint; returns the file."""
    process = project.start(*TRAIN)
    folder = project.folder / ".dvc" / "tmp" / "checkpoints"
    while not (found := find_checkpoints(folder)) and process.poll() is None:
        time.sleep(0.05)
    process.kill()
    process.wait()
    (checkpoint,) = found
    return checkpoint


def find_checkpoints(folder):
    return [path for path in folder.glob("*.pt") if not path.stem.endswith(".previous")]


@pytest.mark.parametrize("damage", ["truncated", "of_other_parameters", "text"])
def test_a_checkpoint_that_does_not_fit_is_refused_and_said(project, toll, damage):
    checkpoint = leave_checkpoint(project)
    content = checkpoint.read_bytes()
    if damage == "of_other_parameters":
        saved = torch.load(checkpoint, weights_only=True)
        torch.save({**saved, "key": "0" * 16}, checkpoint)
    else:
        checkpoint.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"not a checkpoint")
    toll.injected += 1
    output = project.run(*TRAIN)
    (line,) = [line for line in output.splitlines() if "refused" in line]
    assert checkpoint.name in line
    toll.survived += 1


def test_a_checkpoint_that_would_run_code_is_refused(project, toll):
    class Bomb:
        def __reduce__(self):
            return (print, ("the checkpoint ran code",))

    checkpoint = leave_checkpoint(project)
    torch.save({"key": Bomb()}, checkpoint)
    toll.injected += 1
    output = project.run(*TRAIN)
    assert "the checkpoint ran code" not in output and "refused" in output
    toll.survived += 1
