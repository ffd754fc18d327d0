"""A headless Chromium that a test drives through a pipe: what a page does in a real browser, at any width and theme."""

import json
import os
import shutil
import subprocess
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

BINARY = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
]

SECONDS = 180.0
"""Longest wait for an answer: machines that test are busy."""


class Browser:
    """Chromium's protocol for tools: commands and events as JSON, one after the other, NUL between them.

    Attributes:
        events: what the page told since :meth:`open`: messages of its console, exceptions, requests.
    """

    def __init__(self, folder: str) -> None:
        there, self.out = os.pipe()
        self.read, back = os.pipe()
        command = f'exec "$0" "$@" 3<&{there} 4>&{back}'
        self.process = subprocess.Popen(
            ["bash", "-c", command, str(BINARY), *OPTIONS, f"--user-data-dir={folder}", "about:blank"],
            pass_fds=(there, back),
            stderr=subprocess.DEVNULL,
        )
        for end in (there, back):
            os.close(end)
        self.buffer, self.number, self.session = b"", 0, ""
        self.events: list[tuple[str, dict[str, Any]]] = []

    def __enter__(self) -> "Browser":
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self.session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self.out)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.read)

    def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give a command and wait for its answer; events that come before it are kept."""
        self.number += 1
        message: dict[str, Any] = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            found = self._next()
            if found.get("id") == self.number:
                assert "error" not in found, (method, found["error"])
                answer: dict[str, Any] = found["result"]
                return answer
            if "method" in found:
                self.events.append((found["method"], found.get("params", {})))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.buffer:
            part = os.read(self.read, 1 << 16)
            assert part, "chromium has ended"
            self.buffer += part
        whole, self.buffer = self.buffer.split(b"\0", 1)
        found: dict[str, Any] = json.loads(whole)
        return found

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page; promises are waited for."""
        found = self("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def look(self, width: int, *, dark: bool = False, height: int = 900) -> None:
        """Set the window's width in pixels and the theme."""
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self("Emulation.setEmulatedMedia", features=[theme])

    def open(self, path: Path) -> None:
        """Load a file and wait until its charts are drawn."""
        self.events.clear()
        self("Page.navigate", url=path.resolve().as_uri())
        self.wait("document.readyState === 'complete'")
        self.drawn()

    def drawn(self) -> None:
        """Wait until every chart has something in it, and the page has settled."""
        self.wait("[...document.querySelectorAll('[data-chart]')].every((c) => c.querySelector('svg, canvas'))")
        self.evaluate("new Promise((done) => setTimeout(() => requestAnimationFrame(done), 60))")

    def wait(self, condition: str) -> None:
        """Until an expression is true."""
        end = time.monotonic() + SECONDS
        while not self.evaluate(condition):
            assert time.monotonic() < end, f"not within {SECONDS:.0f} s: {condition}"
            time.sleep(0.05)

    def key(self, name: str) -> None:
        """Press a key: "Tab", "Enter", …"""
        code = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}[name]
        text = {"Enter": "\r", " ": " "}.get(name, "")
        for kind in ("keyDown", "keyUp"):
            extra = {"text": text} if text and kind == "keyDown" else {}
            self("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code, **extra)

    def picture(self, path: Path) -> None:
        """The whole page as a PNG."""
        size = self("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 12_000), "scale": 1}
        found = self("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        path.write_bytes(b64decode(found["data"]))


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser of its own, for a ``with`` block."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder, Browser(folder) as started:
        yield started
