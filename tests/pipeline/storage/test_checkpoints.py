"""Two processes that train the same do it one after the other, and the second has what the first left."""

import signal
import subprocess
import sys
import threading

import pytest

from pipeline.storage import checkpoints
from pipeline.storage.checkpoints import hold_training

HOLDER = """
import sys, time
from pathlib import Path
from pipeline.storage.checkpoints import hold_training
with hold_training(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """A checkpoint, and the one that is being written beside it."""
    monkeypatch.setattr(checkpoints, "LOOK_AGAIN", 0.01)
    path = tmp_path / "checkpoints" / "complete-1a.pt"
    path.parent.mkdir()
    for name in (path.name, f".{path.name}.xyz.partial"):
        (path.parent / name).write_bytes(b"rounds")
    (path.parent / "complete-2b.pt").write_bytes(b"another training's")
    return path


def list_files(checkpoint):
    return sorted(path.name for path in checkpoint.parent.iterdir() if "1a" in path.name)


def test_a_training_that_nobody_waits_for_leaves_nothing_to_go_on_from(checkpoint):
    with hold_training(checkpoint) as end_training:
        end_training()
    assert [path.name for path in checkpoint.parent.iterdir()] == ["complete-2b.pt"]


@pytest.mark.injects("two processes at the same training", 1)
def test_a_second_process_waits_for_the_first_and_takes_what_it_left(checkpoint, monkeypatch):
    waits, order = threading.Event(), []
    monkeypatch.setattr(checkpoints.log, "warning", lambda *words: waits.set())

    def train_as_second():
        with hold_training(checkpoint) as end_training:
            order.append(("second", list_files(checkpoint)))
            end_training()

    second = threading.Thread(target=train_as_second, daemon=True)
    with hold_training(checkpoint) as end_training:
        second.start()
        assert waits.wait(60)
        end_training()
        order.append(("first", list_files(checkpoint)))
    second.join(60)
    files = [".complete-1a.pt.xyz.partial", "complete-1a.pt"]
    assert order == [("first", files), ("second", files)]
    assert list_files(checkpoint) == []


@pytest.mark.injects("kills at any moment", 1)
def test_what_a_killed_process_held_is_free(checkpoint, caplog):
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(checkpoint)], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with hold_training(checkpoint) as end_training:
        end_training()
    assert list_files(checkpoint) == [] and not caplog.records


def test_another_training_is_not_waited_for(checkpoint, caplog):
    other = checkpoint.with_name("complete-2b.pt")
    with hold_training(checkpoint), hold_training(other) as end_other:
        end_other()
    assert not other.exists() and checkpoint.exists() and not caplog.records
