"""A headless Chromium, driven through its DevTools protocol over two pipes; no library needed."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe"),
    "--enable-unsafe-swiftshader",  # parallel coordinates are drawn by shaders, here without a GPU
)

PATIENCE = 300  # seconds


def find_chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


class Browser:
    """One tab. The browser reads commands from its descriptor 3 and writes answers to 4."""

    def __init__(self, program: str, profile: Path) -> None:
        commands, self.to = os.pipe()
        self.answers, events = os.pipe()
        # dup2 onto 3 and 4 in the child: a shell does it, whatever numbers the pipes have here.
        script = f'exec "$0" "$@" 3<&{commands} 4>&{events}'
        self.process = subprocess.Popen(
            ["bash", "-c", script, program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(commands, events),
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(events)
        self.pending = b""
        self.calls = 0
        self.events: list[dict[str, Any]] = []
        self.session: str | None = None
        targets = self.call("Target.getTargets")["targetInfos"]
        tab = next(target["targetId"] for target in targets if target["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=tab, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self.to)  # the browser leaves when its pipe is closed
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.answers)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Sends a command and waits for its answer; events on the way are kept."""
        self.calls += 1
        message: dict[str, Any] = {"id": self.calls, "method": method, "params": params}
        if self.session is not None:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while (answer := self.read()).get("id") != self.calls:
            self.events.append(answer)
        assert "error" not in answer, answer["error"]
        return dict(answer["result"])

    def read(self) -> dict[str, Any]:
        while b"\0" not in self.pending:
            ready, _, _ = select.select([self.answers], [], [], PATIENCE)
            assert ready, f"the browser said nothing for {PATIENCE} seconds"
            received = os.read(self.answers, 1 << 20)
            assert received, "the browser has gone"
            self.pending += received
        message, self.pending = self.pending.split(b"\0", 1)
        return dict(json.loads(message))

    def open(self, url: str, width: int, height: int, *, dark: bool = False) -> None:
        """Opens a page in a window of that size and waits until it is loaded."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        for address in ("about:blank", url):  # a change of the fragment alone loads nothing
            self.events.clear()
            self.call("Page.navigate", url=address)
            while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
                self.events.append(self.read())

    def wait_for(self, expression: str) -> None:
        """Waits until an expression of JavaScript is true."""
        end = time.monotonic() + PATIENCE / 5
        while not self.evaluate(f"!!({expression})"):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.1)

    def requests(self) -> list[str]:
        """The addresses that were asked for since the page was opened."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]

    def refused(self) -> list[str]:
        """Why requests failed, for those that did not leave the browser."""
        return [
            event["params"]["blockedReason"]
            for event in self.events
            if event.get("method") == "Network.loadingFailed" and "blockedReason" in event["params"]
        ]

    def complaints(self) -> list[str]:
        """What the console says: errors of scripts, and what the policy of the page refused."""
        logged = [
            event["params"]["entry"]["text"]
            for event in self.events
            if event.get("method") == "Log.entryAdded"
        ]
        thrown = [
            str(event["params"]["exceptionDetails"])
            for event in self.events
            if event.get("method") == "Runtime.exceptionThrown"
        ]
        return logged + thrown

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self, path: Path, *, whole: bool = False) -> Path:
        """What the window shows, or the whole page, as a PNG."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))
        return path
