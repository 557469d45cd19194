import shutil
from pathlib import Path

import pytest
import torch
import yaml

from models.networks.classifier import build_classifier
from pipeline.evaluation.features import save_classifier
from pipeline.settings.params import parse_params
from pipeline.storage import places
from pipeline.studies import recall
from pipeline.studies.measured import read_folder
from pipeline.studies.result import CellResult
from stages import cells

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with the settings files at profile smoke and an extractor, and no data but mnist5k."""
    for name in ("params.yaml", "tables.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    text = (tmp_path / "params.yaml").read_text().replace("profile: embedded", "profile: smoke")
    (tmp_path / "params.yaml").write_text(text)
    classifier = build_classifier(1, 10, torch.Generator().manual_seed(0))
    monkeypatch.chdir(tmp_path)
    save_classifier(places.find_table_extractor("smoke", "mnist") / places.EXTRACTOR.name, classifier, 1)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


def run(study="table6", method="Ours"):
    params = parse_params(yaml.safe_load(Path("params.yaml").read_text()))
    cells.run_study(params, None, study, [method], workers=0)


def read(study="table6", method="Ours"):
    return read_folder(places.find_cells("smoke", study, method))


def count_measured(monkeypatch, result):
    """Replace the measuring; returns the list of cells that were measured."""
    measured = []

    def measure(cell, images, extract, fit):
        measured.append(cell.place)
        return result(cell)

    monkeypatch.setattr("pipeline.studies.recall.measure_cell", measure)
    return measured


def test_a_finished_cell_is_never_measured_again_and_a_changed_one_is(project, monkeypatch):
    measured = count_measured(monkeypatch, lambda cell: CellResult({"mse_train": cell.params.s, "n": 1}))
    run()
    assert measured == ["K 100", "K 50", "K 30"]  # the longest first
    before = read()
    assert not any(cell.error for cell in before) and len({cell.key for cell in before}) == 3
    assert [(cell.axes, cell.alpha, cell.dataset) for cell in before] == [
        ({"K": steps}, 0.5, "mnist5k") for steps in (30, 50, 100)
    ]
    run()
    assert len(measured) == 3 and read() == before
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("sigma: 0.3", "sigma: 0.2"))
    run()
    assert len(measured) == 6
    tables = Path("tables.yaml")
    tables.write_text(tables.read_text().replace("K: [30, 50, 100]", "K: [30, 60, 100]"))
    run()
    assert measured[6:] == ["K 60"]


def test_a_cell_is_recalled_from_its_own_folder_by_its_key(project, monkeypatch):
    measured = count_measured(monkeypatch, lambda cell: CellResult({"mse_train": cell.params.s, "n": 1}))
    run()
    before = read()
    shutil.rmtree(recall.MEMO)
    run()
    assert len(measured) == 3 and read() == before
    listed = places.find_cells("smoke", "table6", "Ours") / "cells.json"
    listed.write_text(listed.read_text().replace(before[1].key, "another"))
    run()
    assert measured[3:] == ["K 50"] and read() == before
    shutil.rmtree(recall.MEMO)
    listed.write_text("half a file")
    run()
    assert measured[4:] == ["K 100", "K 50", "K 30"] and read() == before


def test_a_failed_cell_is_kept_with_its_reason_and_tried_again(project, monkeypatch):
    measured = count_measured(monkeypatch, lambda cell: CellResult(error="RuntimeError: out of memory"))
    run()
    assert [cell.error for cell in read()] == ["RuntimeError: out of memory"] * 3
    run()
    assert len(measured) == 6


def test_a_diverged_cell_is_a_result(project, monkeypatch):
    measured = count_measured(monkeypatch, lambda cell: CellResult(error="diverged: in round 1"))
    run()
    run()
    assert len(measured) == 3


def test_a_method_that_nobody_wrote_stops_before_any_work(project, monkeypatch):
    tables = Path("tables.yaml")
    tables.write_text(tables.read_text().replace("tables: [VAE,", "tables: [GAN,"))
    with pytest.raises(ValueError, match=r"line_ups\.tables: found 'GAN'"):
        run()
    assert not places.find_cells("smoke", "table6", "Ours").exists()


def test_a_tuned_study_has_the_chosen_rate_and_none_of_the_tunings_images(project, monkeypatch):
    seen = {}

    def measure(cell, images, extract, fit):
        train = {image.tobytes() for image in images.train_images}
        seen.setdefault(cell.study, []).append((cell.rate_factor, train))
        return CellResult({"frechet_distance": abs(cell.rate_factor - 3), "n": 1})

    monkeypatch.setattr("pipeline.studies.recall.measure_cell", measure)
    run("tuning", "ABP")
    run("leaderboard", "ABP")
    assert {factor for factor, _ in seen["leaderboard"]} == {3.0}
    tuned_on = set.union(*(train for _, train in seen["tuning"]))
    assert len(tuned_on) == 100
    for _, train in seen["leaderboard"]:
        assert len(train) == 100 and not train & tuned_on


def test_a_further_method_trains_itself_alone(project, monkeypatch):
    measured = count_measured(monkeypatch, lambda cell: CellResult({"mse_train": 1.0, "n": 1}))
    params = parse_params(yaml.safe_load(Path("params.yaml").read_text()))
    cells.run_study(params, None, "table6", workers=0)
    assert len(measured) == 3
    tables = Path("tables.yaml")
    tables.write_text(tables.read_text().replace("ours: [Ours]", "ours: [Ours, ABP]"))
    shutil.rmtree(recall.MEMO)  # a fresh clone: what is kept is what Git has
    cells.run_study(params, None, "table6", workers=0)
    assert len(measured) == 6
    assert len(read("table6", "ABP")) == len(read("table6", "Ours")) == 3
