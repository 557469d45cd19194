"""The served champion under a crowd and under nonsense: answers, one process, bounded memory."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from pipeline.inference.image_tasks import ModelInUse
from pipeline.inference.portable import read_trained
from pipeline.settings.params import load_params
from pipeline.storage import places
from pipeline.storage.files import write_text
from pipeline.tracking.logged_models import log_models
from pipeline.tracking.run_record import read_record
from pipeline.tracking.store import Store

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
CROWD = 100
GROWTH = 256 * 2**20  # bytes that thousands of requests may add to what the first ones took
IMAGE = (np.arange(784) % 7 / 8).reshape(1, 1, 28, 28)
VISIBLE = (np.arange(784) % 3 > 0).astype(float).reshape(28, 28)
JSON = {"Content-Type": "application/json"}


class Server:
    """The process of ``make serve``, asked over HTTP."""

    def __init__(self):
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        command = [sys.executable, "-m", "pipeline.tracking.serve", "--port", str(self.port)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, env=environment)
        deadline = time.monotonic() + 300
        while self.ask("GET", "/ping")[0] != 200:
            assert self.process.poll() is None and time.monotonic() < deadline
            time.sleep(0.2)

    def ask(self, method, path, body=None, headers=None):
        """Status and text of an answer; status 0 where nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except ConnectionRefusedError:
            return 0, ""
        finally:
            connection.close()

    def post(self, content, headers=JSON):
        body = content if isinstance(content, (bytes, str)) else json.dumps(content)
        return self.ask("POST", "/invocations", body, headers)

    @property
    def memory(self):
        return psutil.Process(self.process.pid).memory_info().rss


@pytest.fixture
def served(project, leave_model):
    project.leave_run()
    write_text(places.find_metrics("fid"), json.dumps({"frechet_distance": 30.0}))
    leave_model(project.folder)
    store = Store(load_params())
    records = [read_record(stage) for stage in ("train-complete", "fid")]
    store.publish(records)
    assert log_models(store, records) == 1
    server = Server()
    yield server
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(60) == 0


def ask_for(task, seed):
    """A request for a task."""
    params = {"task": task, "seed": seed, "steps": 3}
    if task == "sample":
        return {"inputs": [], "params": params | {"n": 2}}
    images = IMAGE.tolist()
    return {
        "inputs": {"images": images, "visible": VISIBLE.tolist()} if task == "inpaint" else images,
        "params": params,
    }


MALFORMED = [
    b"",
    b"{",
    b"\xff\xfe\x00",
    b"[]",
    b"null",
    b'{"inputs": ' + b"[" * 100_000,
    {},
    {"inputs": None},
    {"inputs": "digit.png"},
    {"inputs": [[1, 2], [3]]},
    {"inputs": IMAGE[0].tolist()},
    {"inputs": [[[["a"] * 28] * 28]]},
    {"inputs": [[[[float("nan")] * 28] * 28]]},
    {"inputs": [[[[255.0] * 28] * 28]]},
    {"inputs": IMAGE.tolist(), "params": []},
    {"inputs": IMAGE.tolist(), "params": {"task": "dream"}},
    {"inputs": IMAGE.tolist(), "params": {"seed": -1}},
    {"inputs": IMAGE.tolist(), "params": {"seed": 1e30}},
    {"inputs": IMAGE.tolist(), "params": {"steps": 10**9}},
    {"inputs": [], "params": {"task": "sample", "n": 10**9}},
    {"inputs": IMAGE.tolist(), "params": {"task": "inpaint"}},
    {"inputs": {"images": IMAGE.tolist(), "visible": [[1.0]]}, "params": {"task": "inpaint"}},
    {"dataframe_records": 5},
    {"instances": {"a": 1}},
    {"messages": []},
]


def test_a_crowd_and_nonsense_are_answered_by_one_process_of_bounded_memory(served):
    model, pid = ModelInUse(read_trained("complete", load_params())), served.process.pid
    listening = [c for c in psutil.Process(pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}

    before = 0
    with ThreadPoolExecutor(CROWD) as crowd:
        for task in ("sample", "encode", "reconstruct", "inpaint", "score"):
            answers = list(crowd.map(lambda seed, task=task: served.post(ask_for(task, seed)), range(CROWD)))
            assert {status for status, _ in answers} == {200}
            for seed in (0, CROWD - 1):
                made = np.array(json.loads(answers[seed][1])["predictions"], dtype=np.float32)
                if task == "sample":
                    expected = model.sample(2, seed)
                elif task == "inpaint":
                    expected = model.inpaint(IMAGE, VISIBLE, seed, 3)
                else:
                    expected = model.run(task, IMAGE, seed=seed, steps=3)
                np.testing.assert_allclose(made, expected.numpy(), rtol=1e-4, atol=1e-5)
            before = before or served.memory
        refused = list(crowd.map(served.post, MALFORMED))
        refused += [
            served.post(ask_for("score", 0), {"Content-Type": "text/csv"}),
            served.post(ask_for("score", 0), {}),
            served.post(b" " * (17 * 2**20)),
            served.post(ask_for("score", 0), JSON | {"Content-Type": "application/json; charset=latin-1"}),
        ]
    for status, text in refused:
        assert 400 <= status < 500, text
        message = json.loads(text)["message"]
        assert message and "\n" not in message and len(message) <= 500
    assert served.post(ask_for("score", 0))[0] == 200
    assert served.process.poll() is None and served.process.pid == pid
    assert served.memory < before + GROWTH
