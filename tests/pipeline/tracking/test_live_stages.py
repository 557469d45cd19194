"""A long stage is seen in MLflow while it runs, and waits for nothing there."""

import json
import queue
import threading
import time
from pathlib import Path

import pytest

from pipeline.stage import run_stage
from pipeline.storage import places
from pipeline.storage.files import write_text
from pipeline.tracking import stage_tracker, store
from pipeline.tracking.store import Store

pytestmark = pytest.mark.usefixtures("live_at_once")


def test_a_live_stage_logs_every_round_and_needs_no_publishing(project):
    def train(params, tracker):
        for step in (1, 2, 3):
            tracker.log_metrics({"mse": 1 / step}, step)
        return {"mse": 1 / 3}

    run_stage("train-complete", train, live=True)
    runs = project.read_runs()
    (child,) = runs.children
    history = runs.client.get_metric_history(child.info.run_id, "mse")
    assert [point.step for point in history if point.step] == [1, 2, 3]
    assert child.info.status == "FINISHED"
    assert json.loads(Path("metrics/train/complete.json").read_text()) == {"mse": 1 / 3}
    project.publish("train-complete")
    assert child.info.run_id in {run.info.run_id for run in project.read_runs().every}


def test_a_live_stage_is_seen_though_it_ends_before_its_thread_starts(project, monkeypatch):
    trackers = queue.Queue()
    monkeypatch.setattr(stage_tracker, "is_one_dead", lambda: not trackers.get(timeout=60)._ended.wait(60))

    def train(params, tracker):
        trackers.put(tracker)
        return {"mse": 0.5}

    run_stage("train-complete", train, live=True)
    (child,) = project.read_runs().children
    assert child.info.status == "FINISHED"


def test_a_live_stage_shows_what_the_machine_does_and_leaves_no_monitor(project, monkeypatch):
    monkeypatch.setattr(store, "SYSTEM_SECONDS", 0.1)

    def train(params, tracker):
        tracker.wait()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not read_system(project.read_runs().children[0]):
            time.sleep(0.2)

    run_stage("train-complete", train, live=True)
    found = read_system(project.read_runs().find("train-complete"))
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_percentage"} <= set(found)
    assert not [one for one in threading.enumerate() if one.name == "SystemMetricsMonitor" and one.is_alive()]


def read_system(run):
    """A run's numbers of the machine."""
    return {name: value for name, value in run.data.metrics.items() if name.startswith("system/")}


def test_a_stage_that_ends_soon_does_not_wait_for_mlflow_and_is_published_from_its_files(
    project, monkeypatch
):
    opened = []
    with monkeypatch.context() as patched:
        patched.setattr(stage_tracker, "LIVE_AFTER", 600)
        patched.setattr(stage_tracker, "Store", opened.append)
        run_stage("train-complete", lambda params, tracker: {"mse": 0.25}, live=True)
    assert not opened
    project.publish("train-complete")
    (child,) = project.read_runs().children
    assert child.info.status == "FINISHED" and child.data.metrics["mse"] == 0.25


def test_a_live_curve_ends_once(project):
    def train(params, tracker):
        for step in (1, 2):
            tracker.log_metrics({"mse": 1 / step}, step)
        write_text(places.find_curves("complete"), "round,mse\n1,1\n2,0.5\n")
        return {"mse": 0.5}

    run_stage("train-complete", train, live=True)
    runs = project.read_runs()
    (child,) = runs.children
    assert [point.step for point in runs.client.get_metric_history(child.info.run_id, "mse")] == [1, 2]


def test_a_training_does_not_wait_for_a_slow_store(project, monkeypatch):
    has_trained, open_store = threading.Event(), Store.__init__

    def wait(store, params):
        assert has_trained.wait(60), "the stage waits for its store"
        open_store(store, params)

    def train(params, tracker):
        tracker.log_metrics({"mse": 0.5}, 1)
        has_trained.set()
        return {"mse": 0.5}

    with monkeypatch.context() as patch:
        patch.setattr(Store, "__init__", wait)
        run_stage("train-complete", train, live=True)
    runs = project.read_runs()
    (child,) = runs.children
    assert child.info.status == "FINISHED"
    assert 1 in {point.step for point in runs.client.get_metric_history(child.info.run_id, "mse")}
