"""What a killed process was replacing comes back, and two processes lose nothing of each other's."""

import threading

import pytest

from pipeline.storage import files, places
from pipeline.storage.files import write_folder
from pipeline.studies import making
from pipeline.studies.making import read_making, write_making
from pipeline.studies.study_folders import hold_study, recover_cells


class Killed(BaseException):
    """Stands for a signal: nothing of the killed block runs after it."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of cells that is there."""
    monkeypatch.chdir(tmp_path)
    folder = places.find_cells("smoke", "table2", "Ours")
    with write_folder(folder) as partial:
        (partial / "cells.json").write_text("old")
    return folder


def kill_while_replacing(folder, monkeypatch, renames):
    """Replace a folder, and be killed after so many renames."""
    with monkeypatch.context() as patch:
        done, rename, remove = [], files.os.replace, files.shutil.rmtree

        def replace(source, target):
            if len(done) == renames:
                raise Killed
            rename(source, target)
            done.append(target)

        def rmtree(path, **options):
            if done:  # what would be removed after the kill
                raise Killed
            remove(path, **options)

        patch.setattr(files.os, "replace", replace)
        patch.setattr(files.shutil, "rmtree", rmtree)
        with pytest.raises(Killed), write_folder(folder) as partial:
            (partial / "cells.json").write_text("new")


@pytest.mark.injects("kills at any moment", 2)
@pytest.mark.parametrize(("renames", "expected"), [(1, "old"), (2, "new")])
def test_a_folder_that_a_killed_process_was_replacing_comes_back(folder, monkeypatch, renames, expected):
    kill_while_replacing(folder, monkeypatch, renames)
    assert folder.exists() == (renames == 2) and (folder.parent / ".Ours.replaced").exists()
    recover_cells("smoke")
    assert (folder / "cells.json").read_text() == expected
    assert not (folder.parent / ".Ours.replaced").exists()
    recover_cells("smoke")
    with write_folder(folder) as partial:
        (partial / "cells.json").write_text("newer")
    assert [path.name for path in folder.parent.iterdir()] == ["Ours"]
    assert (folder / "cells.json").read_text() == "newer"


def test_a_folder_that_another_process_is_just_replacing_is_left_alone(folder):
    held, done = threading.Event(), threading.Event()
    replaced = folder.parent / ".Ours.replaced"

    def replace_slowly():
        with hold_study("smoke", "table2"):
            folder.rename(replaced)
            held.set()
            done.wait(60)
            folder.mkdir()  # would fail for what was brought back
            (folder / "cells.json").write_text("new")

    other = threading.Thread(target=replace_slowly, daemon=True)
    other.start()
    assert held.wait(60)
    recovering = threading.Thread(target=recover_cells, args=("smoke",), daemon=True)
    recovering.start()
    recovering.join(0.3)
    assert recovering.is_alive() and replaced.exists() and not folder.exists()
    done.set()
    other.join(60)
    recovering.join(60)
    assert (folder / "cells.json").read_text() == "new" and not replaced.exists()


def test_two_processes_that_note_how_cells_were_made_lose_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    read, threads = making.read_making, []

    def read_and_be_overtaken(profile, study):
        known = read(profile, study)
        if not threads:  # the first one, which has read and not yet written
            threads.append(
                threading.Thread(target=write_making, args=(profile, study, {"b": {"s": 2}}, "ab"))
            )
            threads[0].start()
            threads[0].join(0.5)
        return known

    monkeypatch.setattr(making, "read_making", read_and_be_overtaken)
    write_making("smoke", "table2", {"a": {"s": 1}}, "ab")
    threads[0].join(60)
    assert read_making("smoke", "table2") == {"a": {"s": 1}, "b": {"s": 2}}
