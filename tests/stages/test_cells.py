"""A finished cell is never measured again, whoever asks for it, and a changed or failed one is."""

import shutil
from pathlib import Path

import pytest
import yaml

from models.langevin.engine import EngineSettings
from pipeline.settings.params import parse_params
from pipeline.storage import places
from pipeline.studies import making, recall
from pipeline.studies.making import read_making
from pipeline.studies.result import CellResult
from stages import cells
from tests.stages.cell_runs import count_measured, read, run


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


def test_a_cell_that_two_studies_share_is_measured_once_and_its_making_goes_with_it(project, monkeypatch):
    measured = count_measured(monkeypatch, lambda cell: CellResult({"mse_train": cell.params.s, "n": 1}))
    run("table5")
    shutil.rmtree(recall.MEMO)  # a fresh clone: what is kept is what Git has
    run("table7")
    assert measured[-2:] == ["L2 3", "L2 2"] and len(measured) == 4 + 2
    (shared,) = {cell.key for cell in read("table5")} & {cell.key for cell in read("table7")}
    assert [cell.place for cell in read("table7") if cell.key == shared] == ["L2 1"]
    assert read_making("smoke", "table7")[shared] == read_making("smoke", "table5")[shared]


def test_what_is_kept_of_a_study_is_gathered_without_training(project, monkeypatch):
    measured = count_measured(monkeypatch, lambda cell: CellResult({"mse_train": cell.params.s, "n": 1}))
    run()
    whole = read()
    folder = places.find_cells("smoke", "table6", "Ours")
    shutil.rmtree(folder)
    memo = next(recall.MEMO.glob(f"{whole[1].key}*"))
    memo.unlink()
    params = parse_params(yaml.safe_load(Path("params.yaml").read_text()))
    cells.run_study(params, None, "table6", train=False)
    assert len(measured) == 3 and read() == [whole[0], whole[2]]
    assert set(read_making("smoke", "table6")) == {whole[0].key, whole[2].key}
    run()
    assert measured[3:] == ["K 50"] and read() == whole


def test_what_is_known_of_the_making_of_one_methods_cells_stays_when_another_is_measured(
    project, monkeypatch
):
    count_measured(monkeypatch, lambda cell: CellResult({"mse_train": cell.params.s, "n": 1}))
    run("table8", "VAE")
    run("table8", "ABP")
    written = [cell.key for method in ("VAE", "ABP") for cell in read("table8", method)]
    assert set(read_making("smoke", "table8")) == set(written)


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
    tables.write_text(tables.read_text().replace("tables: &tables [VAE,", "tables: &tables [GAN,"))
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
    tables.write_text(tables.read_text().replace("&ours_and_linear [Ours]", "&ours_and_linear [Ours, ABP]"))
    shutil.rmtree(recall.MEMO)  # a fresh clone: what is kept is what Git has
    cells.run_study(params, None, "table6", workers=0)
    assert len(measured) == 4
    assert (len(read("table6", "ABP")), len(read("table6", "Ours"))) == (1, 3)  # K is an axis of Ours


def test_what_another_process_is_filling_stays_and_a_method_that_left_goes(project, monkeypatch):
    count_measured(monkeypatch, lambda cell: CellResult({"mse_train": 1.0, "n": 1}))
    study = places.find_cells("smoke", "table6", "")
    for name in (".VAE.partial", "GAN"):
        (study / name).mkdir(parents=True)
    run()
    assert sorted(path.name for path in study.iterdir()) == [".VAE.partial", "Ours"]


def test_cells_that_a_killed_process_was_replacing_are_not_measured_again(project, monkeypatch):
    measured = count_measured(monkeypatch, lambda cell: CellResult({"mse_train": cell.params.s, "n": 1}))
    run()
    before, folder = read(), places.find_cells("smoke", "table6", "Ours")
    shutil.rmtree(recall.MEMO)
    folder.rename(folder.with_name(".Ours.replaced"))
    folder.with_name(".Ours.partial").mkdir()
    run()
    assert len(measured) == 3 and read() == before
    assert [path.name for path in folder.parent.iterdir()] == ["Ours"]


@pytest.mark.parametrize("asked", ["study", "ahead", "one cell"])
@pytest.mark.parametrize("is_assembled", [True, False])
def test_a_study_that_was_begun_on_a_gpu_is_not_continued_on_a_cpu(project, monkeypatch, asked, is_assembled):
    measured = count_measured(monkeypatch, lambda cell: CellResult({"mse_train": cell.params.s, "n": 1}))
    params = parse_params(yaml.safe_load(Path("params.yaml").read_text()))
    grid = cells.read_checked_grid(["table6"], "smoke")
    keyed = cells.key_method("table6", "Ours", params, grid)
    with monkeypatch.context() as patch:
        patch.setattr(making, "name_machine", lambda on_gpu: "NVIDIA H200")
        patch.setattr(recall, "find_engine", lambda given: EngineSettings("cuda"))
        list(cells.train_cells(keyed[:1], workers=0))
    if is_assembled:
        cells.run_study(params, None, "table6", train=False)
        shutil.rmtree(recall.MEMO)
    assert len(measured) == 1
    do = {
        "study": run,
        "ahead": lambda: cells.train_missing(
            ["table6"], params, grid, lambda todo: cells.train_cells(todo, 0)
        ),
        "one cell": lambda: cells.train_one(keyed[1].key, ["table6"], params, 0),
    }[asked]
    with pytest.raises(ValueError, match=r"table6: 1 kept cells were made on a GPU \(NVIDIA H200\)"):
        do()
    assert len(measured) == 1
