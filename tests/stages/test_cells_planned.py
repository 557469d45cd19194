"""What is missing is planned, said and trained once, after the rates that it waits for."""

import functools
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
from pipeline.studies.ahead import train_missing
from pipeline.studies.crew import train_cells
from pipeline.studies.grid import list_cells, list_methods, read_grid
from pipeline.studies.result import CellResult
from stages import cells
from tests.stages.cell_runs import TABLES, count_measured, read, run


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


def test_each_data_set_has_the_rate_that_was_tuned_on_it_and_another_the_first_ones(
    project, monkeypatch, capsys
):
    tables = TABLES.replace("      smoke: {dataset: mnist}\n", "      smoke: {dataset: [mnist, svhn]}\n")
    assert tables != TABLES
    Path("tables.yaml").write_text(tables)
    for dataset in ("svhn", "celeba"):
        classifier = build_classifier(3, 10, torch.Generator().manual_seed(0))
        save_classifier(places.find_table_extractor("smoke", dataset) / places.EXTRACTOR.name, classifier, 3)

    def measure(cell, images, extract, fit):
        best = {"mnist5k": 10, "colour_digits": 0.3}.get(cell.params.dataset, 1)
        return CellResult({"frechet_distance": abs(cell.rate_factor - best), "n": 1})

    monkeypatch.setattr("pipeline.studies.recall.measure_cell", measure)
    rates = say(monkeypatch, capsys, "--missing", "rates")
    ours = [line[:32] for line in say(monkeypatch, capsys, "--plan", "rates") if "rates Ours " in line]
    of_digits, of_colours = ours[:5], ours[5:]
    assert len(of_colours) == 5 and {*ours} < {*rates}
    for key in of_digits:
        say(monkeypatch, capsys, "--cell", key, "--workers", "0")
    lines = [line for line in say(monkeypatch, capsys, "--plan", "table2") if "table2 Ours " in line]
    waiting = ["no key (waits for the study rates)" in line for line in lines]
    assert waiting == [False, True, False]  # mnist5k, colour_digits, emoji
    say(monkeypatch, capsys, "rates", "--gather")
    with pytest.raises(ValueError, match=r"colour_digits rate_factor 0\.3, .*, expected all"):
        run("table2")
    say(monkeypatch, capsys, "--ahead", "rates", "--workers", "0")
    run("rates")
    run("table2")
    factors = {cell.dataset: cell.rate_factor for cell in read("table2")}
    assert factors == {"mnist5k": 10, "colour_digits": 0.3, "emoji": 10}


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
