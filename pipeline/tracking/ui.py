"""``make ui``: serve the tracked runs on the loopback interface, by one process, within seconds."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

from pipeline.storage.files import project_root
from pipeline.tracking.store import (
    RUNS_VIEW,
    bury_dead_stages,
    find_or_create_experiment,
    hide_password,
    open_client,
    tracking_uri,
)

HOST = "127.0.0.1"
PATIENCE = 60.0  # seconds
# ``mlflow server`` imports MLflow twice, once to parse its command line, and starts workers for evaluations
# of language models. This is the server that it would start.
APPLICATION = "mlflow.server.fastapi_app:app"


def start_server(uri: str, port: int) -> subprocess.Popen[bytes]:
    """Start the server of a tracking database in a process of its own."""
    environment = os.environ | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "_MLFLOW_SERVER_FILE_STORE": uri,
        "_MLFLOW_SERVER_REGISTRY_STORE": uri,
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    }
    options = ["--host", HOST, "--port", str(port), "--workers", "1", "--log-level", "warning"]
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "uvicorn", *options, APPLICATION], env=environment
    )


def wait_for(address: str, server: subprocess.Popen[bytes]) -> bool:
    """Whether the server answers before it ends or patience does."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    return False


def find_page(address: str, experiment: str) -> str:
    """The address of the runs' table, with the numbers to compare by.

    As of trainings: MLflow opens at what it has for language models.
    """
    options = f"workflowType=machine_learning&viewStateShareKey={RUNS_VIEW}"
    return f"{address}/#/experiments/{experiment}/runs?{options}"


def serve(port: int) -> int:
    """Serve until interrupted; returns the exit code."""
    uri, address = tracking_uri(), f"http://{HOST}:{port}"
    if uri.startswith("http"):
        print(f"the runs are at {hide_password(uri)} (MLFLOW_TRACKING_URI)")
        return 0
    is_new = not (project_root() / "mlflow.db").exists()
    client = open_client() if is_new else None  # two that migrate one database at once break it
    # Before there is a server: SIGTERM would else end this process alone, and leave the server at its port.
    before = signal.signal(signal.SIGTERM, _end)
    server = start_server(uri, port)
    try:
        client = client or open_client()  # while the server starts
        experiment = find_or_create_experiment(client)
        bury_dead_stages(client, experiment)
        if not wait_for(address, server):
            print(
                f"ui: the server did not answer on port {port}; is it in use? make ui PORT=...",
                file=sys.stderr,
            )
            return 1
        print(
            f"the runs in {hide_password(uri)}: {find_page(address, experiment)}  (Ctrl-C ends it)",
            flush=True,
        )
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        server.terminate()
        signal.signal(signal.SIGTERM, before)


def _end(number: int, frame: object) -> None:
    """Leave as at an exception, so that what is ``finally`` to be done is done."""
    sys.exit(128 + number)


def main() -> None:
    """Parse the port and serve."""
    parser = argparse.ArgumentParser(description="Browse the tracked runs.")
    parser.add_argument("--port", type=int, default=5000)
    sys.exit(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
