"""A headless Chromium, spoken to by its DevTools protocol."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess

import pytest

aiohttp = pytest.importorskip("aiohttp", reason="aiohttp, which comes with DVC, speaks to the browser")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """A Chromium with one page."""

    def __init__(self, profile):
        self.profile, self.number, self.events = profile, 0, []

    async def __aenter__(self):
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
        options += [f"--user-data-dir={self.profile}", "--disable-background-networking", "about:blank"]
        environment = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
        self.process = subprocess.Popen(
            [CHROMIUM, *options],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        address = next(line for line in self.process.stderr if "DevTools listening on" in line).split()[-1]
        port = address.split(":")[2].split("/")[0]
        self.session = aiohttp.ClientSession()
        async with self.session.get(f"http://127.0.0.1:{port}/json") as answer:
            pages = [one for one in await answer.json() if one["type"] == "page"]
        self.socket = await self.session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0)
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self.call(f"{domain}.enable")
        await self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        return self

    async def __aexit__(self, *_):
        await self.session.close()
        self.process.terminate()
        self.process.wait()
        self.process.stderr.close()

    async def call(self, method, **params):
        self.number += 1
        await self.socket.send_json({"id": self.number, "method": method, "params": params})
        while (answer := json.loads((await self.socket.receive()).data)).get("id") != self.number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    async def run(self, script):
        """The value of a script's expression, which may be a promise."""
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, json.dumps(answer)[:1000]
        return answer["result"].get("value")

    async def open(self, path, fragment="", width=1440):
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        await self.call("Page.navigate", url="about:blank")
        await self.call("Page.navigate", url=path.as_uri() + fragment)
        for _ in range(600):
            with contextlib.suppress(AssertionError):  # a page that goes away answers nothing
                if await self.run("document.readyState === 'complete' && !!document.getElementById('facts')"):
                    return
            await asyncio.sleep(0.1)
        raise AssertionError("the page did not load within a minute")

    async def set_theme(self, theme):
        features = [{"name": "prefers-color-scheme", "value": theme}]
        await self.call("Emulation.setEmulatedMedia", media="", features=features)

    async def press(self, key):
        for kind in ("keyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    async def list_column(self, table, key):
        """A column's sort values, as lines and columns are shown."""
        return await self.run(
            f"""(() => {{
              const table = document.getElementById({table!r});
              const at = [...table.tHead.rows[0].cells].findIndex((head) => head.dataset.key === {key!r});
              return [...table.tBodies[0].rows].filter((row) => row.getClientRects().length)
                .map((row) => row.cells[at].dataset.v ?? "");
            }})()"""
        )
