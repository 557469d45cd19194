"""``make serve``: answer requests to a model in MLflow over HTTP, on the loopback interface, by one process.

The server is the one of ``mlflow models serve`` (POST /invocations, GET /ping), started here, with limits in
front of it: on the size of a request and on how many are worked on at once, the others wait. It asks nobody
who they are; docs/using_models.md says who can reach it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from pipeline.settings.params import TASKS, load_params
from pipeline.tracking.logged_model_files import fetch_folder, is_address
from pipeline.tracking.logged_models import CHAMPION, name_registered

HOST, PORT = "127.0.0.1", 5001
MAX_BODY, MOST_DISCARDED = 16 * 2**20, 2**28  # bytes
AT_ONCE = 4  # requests whose bodies are in memory
TIMEOUT_SECONDS = 600
Handler = Callable[[Any], Awaitable[Any]]


def build_application(source: str) -> Any:
    """MLflow's server of the model at ``source``, a path or an address, within limits."""
    folder = fetch_folder(source) if is_address(source) else source
    os.environ.setdefault("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", str(TIMEOUT_SECONDS))
    from mlflow.pyfunc import load_model, scoring_server

    application = scoring_server.init(load_model(str(folder)))
    free = asyncio.Semaphore(AT_ONCE)

    @application.middleware("http")
    async def limit(request: Any, work: Handler) -> Any:
        if request.method != "POST":
            return await work(request)
        if refused := _refuse(request.headers):
            await _discard(request)
            return refused
        async with free:
            try:
                answer = await work(request)
            except Exception as error:  # MLflow has no answer to some requests: no content in its frame
                return _answer(400, f"request: not understood ({_join(error)})")
        return answer if answer.status_code < 400 else await _shorten(answer)

    return application


def _refuse(headers: Any) -> Any | None:
    """The answer to a request that is not read; None to one that is."""
    kind = headers.get("content-type", "none")
    if kind.partition(";")[0].strip() != "application/json":
        return _answer(415, f"content-type: {kind} found; should be application/json")
    length = headers.get("content-length", "")
    if not length.isdigit():
        return _answer(411, "content-length: none found; should be the size of the body in bytes")
    if int(length) > MAX_BODY:
        return _answer(413, f"body: {length} bytes found; should be at most {MAX_BODY}; send fewer images")
    return None


async def _discard(request: Any) -> None:
    """Read a request that is refused, so that its sender comes to read the answer; nothing is kept."""
    read = 0
    async for part in request.stream():
        read += len(part)
        if read > MOST_DISCARDED:
            return


async def _shorten(answer: Any) -> Any:
    """An error in one line: MLflow's repeats the request before the cause."""
    body = b"".join([part async for part in answer.body_iterator]).decode(errors="replace")
    try:
        message = str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        message = body
    message = message.rpartition("\nError: ")[2].partition("\nInput: ")[0].partition(" IMPORTANT: ")[0]
    return _answer(answer.status_code, " ".join(message.split())[:500])


def _join(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _answer(status: int, line: str) -> Any:
    from fastapi.responses import JSONResponse

    return JSONResponse({"message": line}, status)


def main() -> None:
    """Serve the champion, or the model named, until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--model", help="a folder or address; by default the champion of params.yaml's data set"
    )
    parser.add_argument("--task", choices=TASKS, default="complete", help="which training's champion")
    parser.add_argument("--host", default=HOST, help=f"whom to listen for ({HOST}: this machine alone)")
    parser.add_argument("--port", type=int, default=PORT)
    given = parser.parse_args()
    try:
        source = given.model or f"models:/{name_registered(load_params(), given.task)}@{CHAMPION}"
        application = build_application(source)
    except (ValueError, OSError) as error:
        sys.exit(f"serve: {_join(error)}")
    import uvicorn

    print(f"{source} on http://{given.host}:{given.port}/invocations  (Ctrl-C ends it)", flush=True)
    uvicorn.run(application, host=given.host, port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
