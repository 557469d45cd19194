"""Cells by worker processes: the same bits as in this one, and nothing lost when one is killed."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.networks.classifier import build_classifier
from pipeline.evaluation.features import save_classifier
from pipeline.settings.params import load_params
from pipeline.storage import places
from pipeline.studies import crew, recall
from pipeline.studies.crew import choose_next, count_workers, train_cells
from pipeline.studies.grid import read_grid
from pipeline.studies.planning import key_method
from pipeline.studies.recall import KeyedCell
from pipeline.studies.workload import estimate_memory, estimate_seconds
from stages import cells

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path, keep_digits, narrow_settings, monkeypatch):
    """A folder with the settings files at profile smoke and an extractor; its own kept cells.

    The tables are at their profile's learning rate: tests/stages/test_cells.py has tuned studies.
    """
    text = narrow_settings.replace("profile: embedded", "profile: smoke")
    (tmp_path / "params.yaml").write_text(text)
    text = (ROOT / "tables.yaml").read_text()
    assert "    tuned_by: rates\n" in text
    (tmp_path / "tables.yaml").write_text(text.replace("    tuned_by: rates\n", ""))
    monkeypatch.chdir(tmp_path)
    classifier = build_classifier(1, 10, torch.Generator().manual_seed(0))
    save_classifier(places.find_table_extractor("smoke", "mnist") / places.EXTRACTOR.name, classifier, 1)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


def key(study: str, method: str, *numbers: int) -> list[KeyedCell]:
    keyed = key_method(study, method, load_params(), read_grid())
    return [keyed[number] for number in numbers]


def read_memo() -> dict[str, bytes]:
    """What is kept, by the names of its files; they are forgotten."""
    kept = {path.name: path.read_bytes() for path in recall.MEMO.iterdir()}
    for name, content in kept.items():
        if name.endswith(".json"):  # seconds differ, and are no result
            kept[name] = json.dumps(json.loads(content) | {"made": {}}).encode()
    shutil.rmtree(recall.MEMO)
    return kept


def kill_first(monkeypatch, times: int) -> list[str]:
    """Kill the first process that has a cell, so often; returns the cells that it had."""
    hand_out, killed, ended = crew.Crew._hand_out, [], set()

    def hand_out_and_kill(self):
        hand_out(self)
        for worker in self.workers:
            pid, keyed = worker.process.pid, worker.keyed
            if keyed and len(killed) < times and pid not in ended and keyed.key in (killed or [keyed.key]):
                killed.append(keyed.key)
                ended.add(pid)
                os.kill(pid, signal.SIGKILL)

    monkeypatch.setattr(crew.Crew, "_hand_out", hand_out_and_kill)
    return killed


def test_a_cell_has_the_same_bits_in_whatever_process_and_however_many(project):
    chosen = [*key("table7", "Ours", 0), *key("table8", "Ours", 0), *key("table8", "VAE", 7)]
    chosen += chosen[:1]  # two studies may share a cell
    found = {}
    for workers in (0, 1, 2):
        results = list(train_cells(chosen, workers))
        assert {keyed.key for keyed, _ in results} == {keyed.key for keyed in chosen}
        assert len(results) == 3 and not any(result.error for _, result in results)
        for keyed, result in results:
            kept = recall.recall_cell(keyed.key)
            assert kept.numbers == result.numbers
            assert all(np.array_equal(kept.arrays[name], result.arrays[name]) for name in kept.arrays)
        found[workers] = read_memo()
    assert len(found[0]) == 6 and found[0] == found[1] == found[2]


def test_a_killed_process_costs_its_cell_a_second_try_and_nothing_else(project, monkeypatch, caplog):
    chosen = key("table8", "VAE", 0, 1, 2)
    whole = {keyed.key: result.numbers for keyed, result in train_cells(chosen, workers=0)}
    read_memo()
    killed = kill_first(monkeypatch, times=1)
    with caplog.at_level(logging.WARNING, crew.log.name):
        results = {keyed.key: result.numbers for keyed, result in train_cells(chosen, workers=2)}
    assert results == whole and len(read_memo()) == 6
    (lost,) = [str(keyed) for keyed in chosen if keyed.key in killed]
    assert [record.getMessage() for record in caplog.records if "killed" in record.getMessage()] == [
        f"{lost}: its process was lost (killed by SIGKILL); the cell is tried once more"
    ]


def test_a_cell_whose_process_dies_twice_has_failed_and_the_others_go_on(project, monkeypatch):
    chosen = key("table8", "VAE", 0, 1)
    killed = kill_first(monkeypatch, times=2)
    results = {keyed.key: result for keyed, result in train_cells(chosen, workers=1)}
    assert len(killed) == 2 and len(set(killed)) == 1
    failed = results.pop(killed[0])
    assert failed.error == "its process was lost 2 times (killed by SIGKILL)"
    assert not recall.is_final(failed) and recall.recall_cell(killed[0]) is None
    ((other, result),) = results.items()
    assert not result.error and recall.recall_cell(other) is not None


def test_processes_that_never_start_are_an_error_and_no_endless_loop(project, monkeypatch):
    monkeypatch.setattr(crew, "serve", os._exit)  # with arguments that it does not take: status 1
    with pytest.raises(RuntimeError, match="no worker process starts, the last ended with status 1"):
        list(train_cells(key("table8", "VAE", 0, 1, 2), workers=2))


def test_what_is_no_cells_failure_is_raised_with_its_words(project):
    (keyed,) = key("table6", "Ours", 0)
    shutil.rmtree(places.find_table_extractor("smoke", "mnist"))
    with pytest.raises(ValueError, match=r"extractors/mnist/classifier\.pt"):
        list(train_cells([keyed], workers=1))


def test_one_cell_by_its_key_leaves_the_same_files(project, monkeypatch):
    (keyed,) = key("table8", "VAE", 3)
    list(train_cells([keyed], workers=0))
    whole = read_memo()
    monkeypatch.setattr(sys, "argv", ["cells", "--cell", keyed.key, "table8"])
    with pytest.raises(SystemExit) as ended:
        cells.main()
    assert not ended.value.code and read_memo() == whole and len(whole) == 2


def test_the_longest_cells_are_handed_out_first(project, monkeypatch):
    chosen = key("table6", "Ours", 0, 1, 2)
    order = []
    monkeypatch.setattr(crew, "measure_and_keep", lambda keyed: order.append(keyed))
    list(train_cells(chosen, workers=0))
    seconds = [estimate_seconds(keyed.cell) for keyed in order]
    assert seconds == sorted(seconds, reverse=True) and len(set(seconds)) == 3


def test_no_more_cells_run_than_memory_holds_but_always_one(project):
    (small,) = key("table8", "Ours", 0)
    params = replace(small.cell.params, dataset="emoji")
    large = replace(small, cell=replace(small.cell, params=params))
    assert estimate_memory(large.cell) > estimate_memory(small.cell)
    room = estimate_memory(large.cell) + estimate_memory(small.cell)
    assert choose_next([large, small], [large.cell], room) is small
    assert choose_next([large, small], [large.cell], room - 1) is None
    assert choose_next([large, small], [], 1) is large


def test_the_number_of_processes_is_the_one_given_or_the_cores(project, monkeypatch):
    chosen = [keyed.cell for keyed in key("table8", "VAE", 0)]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.delenv("CELL_WORKERS", raising=False)
    monkeypatch.setattr(crew, "count_cores", lambda: 7)
    assert count_workers(chosen) == 7
    monkeypatch.setenv("CELL_WORKERS", "3")
    assert count_workers(chosen) == 3
    monkeypatch.setenv("CELL_WORKERS", "many")
    with pytest.raises(ValueError, match=r"CELL_WORKERS: found 'many', expected a number"):
        count_workers(chosen)
