import copy
import functools
import shutil
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import torch
import yaml

from models.networks.classifier import build_classifier
from pipeline.evaluation.features import save_classifier
from pipeline.settings.params import parse_params
from pipeline.storage import places
from pipeline.storage.code_digest import digest_code
from pipeline.studies import recall
from pipeline.studies.ahead import train_missing
from pipeline.studies.crew import train_cells
from pipeline.studies.grid import list_cells, list_methods, read_grid
from pipeline.studies.making import read_making
from pipeline.studies.measured import read_folder
from pipeline.studies.result import CellResult
from stages import cells

ROOT = Path(__file__).parents[2]
TABLES = (ROOT / "tables.yaml").read_text()
PARSED = {}

parse_yaml = yaml.safe_load


def parse_once(source):
    """``yaml.safe_load``, which takes a tenth of a second for params.yaml, once for each text."""
    text = source if isinstance(source, str) else source.read()
    if text not in PARSED:
        PARSED[text] = parse_yaml(text)
    return copy.deepcopy(PARSED[text])


@functools.cache
def digest_once(entries, root):
    """``digest_code``: the code stays what it is while it is tested."""
    return digest_code(entries, root)


@pytest.fixture
def project(tmp_path, keep_digits, monkeypatch):
    """A folder with the settings files at profile smoke and an extractor, and no data but mnist5k.

    The tables are at their profile's learning rate: a test that wants them tuned writes TABLES back.
    """
    text = (ROOT / "params.yaml").read_text().replace("profile: embedded", "profile: smoke")
    (tmp_path / "params.yaml").write_text(text)
    assert "    tuned_by: rates\n" in TABLES
    (tmp_path / "tables.yaml").write_text(TABLES.replace("    tuned_by: rates\n", ""))
    classifier = build_classifier(1, 10, torch.Generator().manual_seed(0))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(yaml, "safe_load", parse_once)
    monkeypatch.setattr(recall, "digest_code", lambda entries, root: digest_once(tuple(entries), root))
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
    tables.write_text(tables.read_text().replace("ours: &ours [Ours]", "ours: &ours [Ours, ABP]"))
    shutil.rmtree(recall.MEMO)  # a fresh clone: what is kept is what Git has
    cells.run_study(params, None, "table6", workers=0)
    assert len(measured) == 6
    assert len(read("table6", "ABP")) == len(read("table6", "Ours")) == 3


def say(monkeypatch, capsys, *words):
    """What the command prints; it must end well."""
    monkeypatch.setattr(sys, "argv", ["cells", *words])
    with pytest.raises(SystemExit) as ended:
        cells.main()
    assert not ended.value.code
    return capsys.readouterr().out.splitlines()


def test_the_plan_has_all_cells_of_all_studies_with_key_and_seconds_or_the_reason(
    project, monkeypatch, capsys
):
    measured = count_measured(monkeypatch, lambda cell: CellResult({"mse_train": 1.0, "n": 1}))
    run()
    grid, content = read_grid(), yaml.safe_load(Path("params.yaml").read_text())
    expected = [
        f"{cell.study} {cell.method} {cell.place}".rstrip()
        for study in grid["studies"]
        for method in list_methods(study, grid)
        for cell in list_cells(study, method, content, grid)
    ]
    *lines, total = say(monkeypatch, capsys, "--plan")
    assert [line.rpartition("  ")[2] for line in lines] == expected
    of_study = {study: [line for line in lines if f"  {study} " in line] for study in grid["studies"]}
    assert [line[:32] for line in of_study["table6"]] == [cell.key for cell in read()]
    assert all("  kept  " in line for line in of_study["table6"])
    assert all("  missing  " in line and line[0] != "-" for line in of_study["table8"])
    assert all("no key (waits for the study tuning)" in line for line in of_study["leaderboard"])
    assert all("no key (reports/results/smoke/extractors/svhn" in line for line in of_study["table4"])
    seconds = [float(line[32:].split()[0]) for line in of_study["table6"]]
    assert seconds == sorted(seconds) and seconds[0] > 0  # K 30, 50, 100
    # A cell of Ours on MNIST stands in several studies, under one key.
    kept = sum("  kept  " in line for line in lines)
    assert total.startswith(f"{len(expected)} cells, {kept} kept, {len(expected) - kept} missing: about ")
    assert len(measured) == 3


def test_what_is_missing_is_nothing_once_it_is_trained(project, monkeypatch, capsys):
    measured = count_measured(monkeypatch, lambda cell: CellResult({"mse_train": 1.0, "n": 1}))
    missing = say(monkeypatch, capsys, "--missing", "table6", "table7")
    assert len(missing) == len(set(missing)) == 6
    say(monkeypatch, capsys, "--cell", missing[1], "--workers", "0")
    assert measured == ["K 50"]
    assert say(monkeypatch, capsys, "--missing", "table6", "table7") == [missing[0], *missing[2:]]
    say(monkeypatch, capsys, "--ahead", "table6", "table7", "--workers", "0")
    assert len(measured) == 6 and not places.find_cells("smoke", "table6", "Ours").exists()
    assert say(monkeypatch, capsys, "--missing", "table6", "table7") == [""]
    run()
    assert len(measured) == 6 and [cell.key for cell in read()] == missing[:3]


def test_the_tables_wait_for_their_rates_and_train_at_what_those_chose(project, monkeypatch, capsys):
    Path("tables.yaml").write_text(TABLES)
    factors = defaultdict(set)

    def measure(cell, images, extract, fit):
        factors[cell.study].add(cell.rate_factor)
        best = {"VAE": 10, "ABP": 3, "Ours": 0.3, "PPCA": 1}[cell.method]
        return CellResult({"frechet_distance": abs(cell.rate_factor - best), "n": 1})

    monkeypatch.setattr("pipeline.studies.recall.measure_cell", measure)
    waiting = say(monkeypatch, capsys, "--plan", "table6", "table8")[:-1]
    assert len(waiting) == 3 + 4 * 14 and all(
        "no key (waits for the study rates)" in line for line in waiting
    )
    with pytest.raises(ValueError, match="`python -m stages.cells rates` makes it"):
        run()
    say(monkeypatch, capsys, "--ahead", "rates", "table6", "--workers", "0")
    assert factors["rates"] == {0.3, 1, 3, 10, 30} and factors["table6"] == {0.3}
    planned = say(monkeypatch, capsys, "--plan", "table6", "table8")[:-1]
    assert all("  kept  " in line for line in planned[:3])
    assert all("  missing  " in line and line[0] != "-" for line in planned[3:])
    for method in ("VAE", "Ours"):
        run("rates", method)
    run()
    run("table8", "VAE")
    assert {cell.rate_factor for cell in read()} == factors["table6"] == {0.3}
    assert {cell.rate_factor for cell in read("table8", "VAE")} == factors["table8"] == {10}


def test_a_key_that_no_cell_has_is_refused(project, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["cells", "--cell", "0" * 32, "table6"])
    with pytest.raises(SystemExit, match=r"cells: --cell: found '0+', expected one of the keys that --plan"):
        cells.main()


def test_tuned_studies_are_trained_after_their_tuning_in_one_call(project, monkeypatch):
    measured = count_measured(
        monkeypatch,
        lambda cell: CellResult({"frechet_distance": abs(cell.rate_factor - 3), "mse_train": 1.0, "n": 1}),
    )
    grid = read_grid()
    for study in ("tuning", "leaderboard"):
        grid["studies"][study]["methods"] = ["ABP"]
    params = parse_params(yaml.safe_load(Path("params.yaml").read_text()))
    train = functools.partial(train_cells, workers=0)
    assert train_missing(["leaderboard", "tuning"], params, grid, train) == 0
    assert measured[:6] == [f"rate_factor {factor:g}" for factor in (0.3, 1, 3, 10, 30, 100)]
    assert measured[6:] == ["rounds 4", "rounds 1"]  # the longest first
    monkeypatch.setattr("stages.cells.read_grid", lambda: grid)
    run("tuning", "ABP")
    run("leaderboard", "ABP")
    assert len(measured) == 8 and {cell.rate_factor for cell in read("leaderboard", "ABP")} == {3.0}


def test_a_cell_that_fails_is_missing_all_the_same_and_said(project, monkeypatch, caplog):
    count_measured(monkeypatch, lambda cell: CellResult(error="RuntimeError: out of memory"))
    params = parse_params(yaml.safe_load(Path("params.yaml").read_text()))
    train = functools.partial(train_cells, workers=0)
    assert train_missing(["table6"], params, read_grid(), train) == 3
    assert [record.getMessage() for record in caplog.records if "memory" in record.getMessage()] == [
        f"table6 Ours K {steps}: RuntimeError: out of memory" for steps in (100, 50, 30)
    ]
