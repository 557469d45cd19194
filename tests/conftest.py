"""What tests of several folders start from, and the count of the faults that they inject."""

import dataclasses
import time
from collections import Counter
from pathlib import Path

import pytest

from models.catalogue import METHODS
from pipeline.studies.measured import MeasuredCell

FAULTS = {"injected": Counter(), "survived": Counter()}
START = time.monotonic()


def pytest_addoption(parser):
    # With `=`: pytest takes a file that stands alone for one of tests, and looks for no options here.
    parser.addoption("--record-faults", metavar="=FILE", type=Path, help="write how many faults, and seconds")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """A database migrated once; the tests copy it, since one migration takes seconds."""
    from mlflow import MlflowClient  # 3 s: only for the tests that track something

    path = tmp_path_factory.mktemp("migrated") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture(scope="session")
def make_cell():
    """A function that makes a measured cell; a name that is no field of a cell is one of its numbers.

    A cell with an `error` has no numbers.
    """
    names = {item.name for item in dataclasses.fields(MeasuredCell)}

    def make(study="table2", method="Ours", dataset="mnist5k", **given):
        fields = {name: value for name, value in given.items() if name in names}
        numbers = {"n": 100} | {name: value for name, value in given.items() if name not in names}
        content = {
            "alpha": 0.5 if METHODS[method].named_by_alpha else None,
            "seed": 1,
            "extractor": f"{dataset} classifier",
            "numbers": {} if given.get("error") else numbers,
        }
        return MeasuredCell(study, method, dataset, **content | fields)

    return make


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Count what a test marked ``injects(kind, number)`` did, and whether all was well afterwards."""
    report = yield
    marker = item.get_closest_marker("injects")
    if marker and report.when == "call" and not report.skipped:
        kind, number = marker.args
        FAULTS["injected"][kind] += number
        FAULTS["survived"][kind] += number * report.passed
    return report


def pytest_terminal_summary(terminalreporter, config):
    if injected := FAULTS["injected"]:
        survived = FAULTS["survived"]
        terminalreporter.write_line(f"faults injected: {injected.total()}, survived: {survived.total()}")
        for kind, number in injected.items():
            terminalreporter.write_line(f"  {kind}: {number}, survived: {survived[kind]}")
        if path := config.getoption("--record-faults"):
            from benchmarks.timing import render_report
            from pipeline.storage.files import write_text

            write_text(path, render_report({"seconds": time.monotonic() - START, **FAULTS}) + "\n")
