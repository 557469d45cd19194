"""What tests of several folders start from, and the count of the faults that they inject."""

import time
from collections import Counter
from pathlib import Path

import pytest

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
