"""Browse the runs: `python -m pipeline.tracking.ui`."""

from __future__ import annotations

import argparse
import os

from pipeline.tracking.store import hide_password, tracking_uri


def main() -> None:
    """Serve the runs on the loopback interface."""
    parser = argparse.ArgumentParser(description="Browse the tracked runs.")
    parser.add_argument("--port", type=int, default=5000)
    port = parser.parse_args().port
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    uri = tracking_uri()
    print(f"MLflow UI of {hide_password(uri)} on http://127.0.0.1:{port}", flush=True)
    os.execvp(
        "mlflow", ["mlflow", "ui", "--backend-store-uri", uri, "--host", "127.0.0.1", "--port", str(port)]
    )


if __name__ == "__main__":
    main()
