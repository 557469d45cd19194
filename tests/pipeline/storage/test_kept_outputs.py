"""Outputs are kept where their key and every byte of them are what was noted, and made again else."""

from pathlib import Path

import pytest

from pipeline.storage.kept_outputs import FOLDER, keep_outputs, read_kept

METRICS = {"mse": 0.25, "round": 3}
OUTPUTS = (Path("models/model.pt"), Path("metrics/curves.csv"))


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A folder with two outputs, noted under the key k1."""
    monkeypatch.chdir(tmp_path)
    for path in OUTPUTS:
        path.parent.mkdir()
        path.write_bytes(b"what was made")
    keep_outputs("train", "k1", METRICS, OUTPUTS)


def test_whole_outputs_of_the_same_key_give_their_numbers(kept):
    assert read_kept("train", "k1") == METRICS


def test_another_key_another_stage_and_a_changed_output_give_nothing(kept):
    assert read_kept("train", "k2") is None
    assert read_kept("fid", "k1") is None
    for path in OUTPUTS:
        whole = path.read_bytes()
        path.write_bytes(b"what was madf")
        assert read_kept("train", "k1") is None
        path.unlink()
        assert read_kept("train", "k1") is None
        path.write_bytes(whole)
        assert read_kept("train", "k1") == METRICS


@pytest.mark.injects("damaged data", 4)
def test_a_damaged_note_gives_nothing(kept):
    note = FOLDER / "train.json"
    for text in ("", note.read_text()[:30], "[]", '{"key": "k1"}'):
        note.write_text(text)
        assert read_kept("train", "k1") is None


def test_a_later_note_takes_the_place_of_the_earlier_one(kept):
    keep_outputs("train", "k2", {"mse": 0.5}, OUTPUTS)
    assert read_kept("train", "k1") is None and read_kept("train", "k2") == {"mse": 0.5}
