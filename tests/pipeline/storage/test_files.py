"""A folder is replaced as a whole or not at all; what is not a finite number is never written."""

import pytest

from pipeline.storage.files import write_folder, write_json


def list_files(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path):
    """A folder with two files, one in a folder of its own."""
    made = tmp_path / "results"
    (made / "deep").mkdir(parents=True)
    (made / "a.txt").write_text("old a")
    (made / "deep" / "b.txt").write_text("old b")
    return made


def test_a_new_folder_takes_the_place_of_the_old_one_with_nothing_of_it_left(folder):
    with write_folder(folder) as partial:
        (partial / "a.txt").write_text("new a")
        assert list_files(folder) == {"a.txt": "old a", "deep/b.txt": "old b"}  # until the block ends
    assert list_files(folder.parent) == {"results/a.txt": "new a"}


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_the_old_folder(folder, error):
    with pytest.raises(error), write_folder(folder) as partial:
        (partial / "a.txt").write_text("half of new a")
        raise error("no")
    assert list_files(folder.parent) == {"results/a.txt": "old a", "results/deep/b.txt": "old b"}


def test_a_block_that_fails_leaves_no_folder_where_there_was_none(tmp_path):
    with pytest.raises(ValueError), write_folder(tmp_path / "parent" / "results"):
        raise ValueError("no")
    assert not (tmp_path / "parent" / "results").exists() and list_files(tmp_path) == {}


@pytest.mark.injects("killed writes", 1)
def test_what_a_killed_writing_left_is_not_mixed_into_the_next(folder):
    leftover = folder.with_name(".results.partial")
    leftover.mkdir()
    (leftover / "half.txt").write_text("half")
    with write_folder(folder) as partial:
        (partial / "a.txt").write_text("new a")
    assert list_files(folder.parent) == {"results/a.txt": "new a"}


@pytest.mark.parametrize("values", [{"a": {"b": float("nan")}}, {"a": {"b": [1.0, [float("nan")]]}}])
def test_a_number_that_is_not_finite_is_named_at_any_depth(tmp_path, values):
    with pytest.raises(ValueError, match=r"a\.b is nan, expected a finite number"):
        write_json(tmp_path / "x.json", values)
    assert not (tmp_path / "x.json").exists()
