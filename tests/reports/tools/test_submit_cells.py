"""What becomes of cells whose jobs are lost, fail, or are known from an earlier call; without Slurm."""

from __future__ import annotations

import json
import pickle
from types import SimpleNamespace

import pytest

from pipeline.studies import recall
from pipeline.studies.memo import save_result
from pipeline.studies.recall import KeyedCell
from pipeline.studies.result import CellResult
from reports.tools import submit_cells
from reports.tools.submit_cells import Cluster


class FakeSlurm:
    """Takes arrays like submitit's executor; what becomes of each job is decided by ``outcomes``, in turn."""

    def __init__(self, folder, outcomes):
        self.folder, self.outcomes, self.submitted = folder, list(outcomes), []
        self.alive: set[str] = set()
        self.n_arrays = 0

    def map_array(self, function, cells):
        self.n_arrays += 1
        self.submitted.append([keyed.key for keyed in cells])
        jobs = [SimpleNamespace(job_id=f"{self.n_arrays}_{number}") for number in range(len(cells))]
        for keyed, job in zip(cells, jobs, strict=True):
            self.end(self.outcomes.pop(0), keyed.key, job.job_id)
        return jobs

    def end(self, outcome, key, job):
        if outcome == "kept":
            save_result(recall.MEMO, key, CellResult({"n": 1.0}))
        elif outcome != "lost":
            folder = self.folder / job.partition("_")[0]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{job}_0_result.pkl").write_bytes(pickle.dumps(outcome))


@pytest.fixture
def train(tmp_path, monkeypatch):
    """A function that trains cells by jobs with the outcomes given: what came out, and what was submitted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setattr(submit_cells, "estimate_seconds", lambda cell: cell)

    def run(keys, outcomes, alive=frozenset()):
        slurm = FakeSlurm(tmp_path, outcomes)
        monkeypatch.setattr(submit_cells, "list_alive", lambda: set(alive))
        # In the place of a cell its seconds: later ones are longer.
        cells = [KeyedCell(seconds, (), key) for seconds, key in enumerate(keys)]
        monkeypatch.setattr(KeyedCell, "__str__", lambda keyed: keyed.key)
        cluster = Cluster(slurm, tmp_path, grace=0, poll=0)
        return {keyed.key: result for keyed, result in cluster.train(cells)}, slurm.submitted

    return run


def test_what_is_kept_is_the_result_and_the_longest_is_submitted_first(train):
    results, submitted = train(["a", "b"], ["kept", "kept"])
    assert submitted == [["b", "a"]]
    assert {key: result.numbers for key, result in results.items()} == {"a": {"n": 1.0}, "b": {"n": 1.0}}


def test_a_lost_job_is_submitted_once_more(train, capsys):
    results, submitted = train(["a", "b"], ["kept", "lost", "kept"])
    assert submitted == [["b", "a"], ["a"]] and not results["a"].error
    assert capsys.readouterr().err == "a: job 1_1 was lost; submitted once more\n"


def test_a_job_that_is_lost_twice_is_a_failed_cell(train):
    results, submitted = train(["a", "b"], ["lost", "kept", "lost"])
    assert submitted == [["b", "a"], ["b"]]
    assert results["b"].error == "its job was lost 2 times" and not results["a"].error


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (("success", "RuntimeError: out of memory"), "RuntimeError: out of memory"),
        (("error", "Traceback\n  ...\nTypeError: no such thing\n"), "job 1_0: TypeError: no such thing"),
    ],
)
def test_a_job_that_says_why_it_kept_nothing_is_not_tried_again(train, outcome, error):
    results, submitted = train(["a"], [outcome])
    assert results["a"].error == error and submitted == [["a"]]


def test_a_job_that_is_alive_from_an_earlier_call_is_waited_for(train, tmp_path):
    (tmp_path / "jobs.json").write_text(json.dumps({"a": "7_3", "b": "7_4"}))
    save_result(recall.MEMO, "a", CellResult({"n": 2.0}))  # it ends while it is waited for
    results, submitted = train(["a", "b"], ["kept"], alive={"7_3"})
    assert submitted == [["b"]] and results["a"].numbers == {"n": 2.0}
    assert json.loads((tmp_path / "jobs.json").read_text()) == {"a": "7_3", "b": "1_0"}
