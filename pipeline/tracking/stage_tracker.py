"""What a stage logs to while it runs. Nothing here raises into a training.

A server that cannot be reached costs one warning line; ``make publish`` brings the runs up to date later.
"""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

from pipeline.settings.params import Params
from pipeline.storage import places
from pipeline.tracking.run_record import RUN_STAGES, StageRecord, read_record
from pipeline.tracking.running_stages import is_one_dead
from pipeline.tracking.store import Store, hide_password, tracking_uri

log = logging.getLogger(__name__)

FLUSH_SECONDS = 5.0
LIVE_AFTER = 20.0  # seconds: importing MLflow takes ten, and what ends sooner nobody watches


class StageTracker:
    """A stage's run in MLflow; without ``open``, and after a tracking fault, it does nothing.

    The run begins once the stage has worked for LIVE_AFTER seconds, or at once after a kill. A stage that
    ends sooner reaches MLflow as those do that never log live: from its files, when the stage ``report``
    ends. What reaches MLflow is done in order by one thread of its own: the stage neither waits for MLflow's
    import, which takes seconds, nor for a slow server, but at its end.
    """

    def __init__(self, stage: str):
        self.stage = stage
        self.store: Store | None = None
        self.run_id: str | None = None
        self._monitor: Any = None  # of processor and memory, while the run is live
        self._points: list[tuple[str, float, int]] = []  # not given to the thread yet
        self._unsent: list[tuple[str, float, int]] = []  # with the thread, and not in MLflow yet
        self._flushed = 0.0
        self._is_open = False
        self._opened = 0.0
        self._ended = Event()
        self._thread = ThreadPoolExecutor(1, "mlflow")  # starts with the first thing to do

    def open(self, params: Params) -> None:
        """Begin this stage's run in MLflow, after LIVE_AFTER seconds of work; returns at once."""
        self._is_open, self._opened = True, time.monotonic()
        self._thread.submit(self._begin_late, params)

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Log numbers of one step; buffered, sent every few seconds."""
        if not self._is_open:
            return
        self._points += [(name, float(value), step) for name, value in metrics.items()]
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Send what is buffered; returns at once."""
        points, self._points, self._flushed = self._points, [], time.monotonic()
        self._thread.submit(self._send, points)

    def wait(self) -> None:
        """Wait until MLflow has all that was sent so far."""
        self._thread.submit(lambda: None).result()

    def close(self) -> None:
        """Send what is left, the final numbers and the pictures, and end the run FINISHED."""
        self._ended.set()
        self.flush()
        self._thread.submit(self._finish)
        self._thread.shutdown()

    def fail(self, params: Params, line: str) -> None:
        """Tell MLflow that the stage FAILED, opening it now if the stage did not log live."""
        self._ended.set()
        self._thread.submit(self._begin_again, params)
        self.flush()  # the curve up to the failure is what explains it
        self._thread.submit(self._end_failed, line)
        self._thread.shutdown()

    def _begin_late(self, params: Params) -> None:
        # After a kill at once: the run that was cut off says RUNNING until somebody opens the store.
        if not is_one_dead():
            self._ended.wait(LIVE_AFTER)
            # By the clock, not by which thread came first: without a delay a short stage is live as well.
            if time.monotonic() - self._opened < LIVE_AFTER:
                return
        self._begin(params)
        if self.store is not None and self.run_id is not None:
            with self._guard():
                self._monitor = self.store.watch_system(self.run_id)

    def _begin(self, params: Params) -> None:
        with self._guard():
            self.store = Store(params)
            self.run_id = self.store.start_child(self.stage)

    def _begin_again(self, params: Params) -> None:
        """Begin the run if there is none, or go on with the one that a tracking fault cut off."""
        if self.run_id is None:
            self._begin(params)
        elif self.store is None:
            with self._guard():
                self.store = Store(params)

    def _send(self, points: list[tuple[str, float, int]]) -> None:
        # A stage may fail before its run has begun, or while the store is away: sent as soon as it is there.
        self._unsent += points
        if self.store is not None and self.run_id is not None:
            with self._guard():
                self.store.log_points(self.run_id, self._unsent)
                self._unsent = []

    def _stop_watching(self) -> None:
        if self._monitor is not None:
            with self._guard():
                self._monitor.finish()

    def _finish(self) -> None:
        self._stop_watching()
        if self.store is not None and self.run_id is not None:
            with self._guard():
                self.store.fill_child(self.run_id, read_record(self.stage), curves_logged=True)

    def _end_failed(self, line: str) -> None:
        self._stop_watching()
        if self.store is not None and self.run_id is not None:
            with self._guard():
                self.store.fail(self.run_id, line)

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever a tracking server does, the training goes on
            self.store = None
            warn_unreachable(error)


def publish_run(params: Params, of_tables: Sequence[StageRecord] = (), with_own_run: bool = True) -> int:
    """Bring the experiment at hand up to date in MLflow from the files of its stages.

    ``with_own_run``: all of the own run's stages have run with ``params``. Returns how many runs changed; a
    store that cannot be reached is a warning, for the files stay the record.
    """
    records = [read_record(stage) for stage in RUN_STAGES] if with_own_run else []
    if not records and not of_tables:
        return 0
    try:
        store = Store(params)
        changed = store.publish(records, of_tables)
        if records and any(places.MODELS.glob("*/model.pt")):
            # By name, and where there is a model: it loads torch, and decides no stage's numbers.
            importlib.import_module("pipeline.tracking.logged_models").log_models(store, records)
        return changed
    except ValueError:
        raise
    except Exception as error:
        warn_unreachable(error)
        return 0


def warn_unreachable(error: BaseException) -> None:
    """One line that names the store and the cause, without the password that an address may hold."""
    cause = " ".join(str(error).split())
    if len(cause) > 400:  # a client's cause stands first, the network's last
        cause = f"{cause[:120]} ... {cause[-270:]}"
    log.warning(
        "MLflow at %s: %s: %s; going on without it, `make publish` brings it up to date",
        hide_password(tracking_uri()),
        type(error).__name__,
        hide_password(cause),
    )
