"""A real Chromium, driven by its chromedriver: the W3C's WebDriver protocol is JSON over HTTP."""

from __future__ import annotations

import base64
import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.process import answers, free_port
from tests.integration.requirements import require_program

PATIENCE = 20.0
"""Seconds for what must appear; a shared machine may be busy."""
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key of an element's id (WebDriver §12.1)."""


class Browser:
    """One window."""

    def __init__(self, driver: str, session: str) -> None:
        self._session = f"{driver}/session/{session}"

    def open(self, url: str) -> None:
        self._ask("POST", "/url", {"url": url})

    def click(self, text: str) -> None:
        """The link, button or summary that says exactly *text*."""
        self._element(f"//*[self::a or self::button or self::summary][normalize-space()={_quoted(text)}]", "/click")

    def write(self, label: str, text: str) -> None:
        """Into the field with that label, in the place of what it holds."""
        field = f"//*[@id=//label[normalize-space()={_quoted(label)}]/@for]"
        self._element(field, "/clear")
        self._element(field, "/value", {"text": text})

    def press(self, keys: str) -> None:
        """On the keyboard, wherever the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    @property
    def text(self) -> str:
        """What can be read on the page."""
        return str(self.run("return document.body.innerText"))

    @property
    def path(self) -> str:
        return str(self.run("return location.pathname"))

    def wait_for(self, text: str) -> None:
        """Until the page says *text*."""
        self.wait_until(lambda: text in self.text, f"the page does not say {text!r}")

    def wait_until(self, condition: Callable[[], bool], complaint: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"{complaint}:\n{self.path}\n{self.text}"
            time.sleep(0.05)

    def run(self, script: str) -> object:
        return self._ask("POST", "/execute/sync", {"script": script, "args": []})

    def complaints(self) -> list[str]:
        """What the console said since the last call."""
        return [str(entry["message"]) for entry in self._ask("POST", "/se/log", {"type": "browser"})]

    def show_as(self, width: int, *, dark: bool = False) -> None:
        """On a screen of that many pixels, in a colour scheme."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self._devtools("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._devtools("Emulation.setEmulatedMedia", {"features": [scheme]})

    def picture(self) -> bytes:
        """All of the page, as PNG."""
        shot = self._devtools("Page.captureScreenshot", {"captureBeyondViewport": True})
        return base64.b64decode(shot["data"])

    def _devtools(self, command: str, parameters: Mapping[str, object]) -> Any:
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _element(self, path: str, action: str, body: Mapping[str, object] | None = None) -> None:
        found = self._ask("POST", "/element", {"using": "xpath", "value": path})
        self._ask("POST", f"/element/{found[_ELEMENT]}{action}", body or {})

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        return ask(method, self._session + path, body)


def ask(method: str, url: str, body: Mapping[str, object] | None = None) -> Any:
    """The value in the driver's answer."""
    octets = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, octets, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{url}: {json.load(error)['value']['message']}") from None


@contextmanager
def chromium(folder: Path, arguments: Sequence[str] = ()) -> Iterator[Browser]:
    """A window; *folder*: for what the browser keeps."""
    program, driver = require_program("chromium"), require_program("chromedriver", "chromium-driver")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}"]
    wanted = {
        "browserName": "chrome",
        "timeouts": {"implicit": int(PATIENCE * 1000)},
        "goog:loggingPrefs": {"browser": "ALL"},
        "goog:chromeOptions": {"binary": program, "args": [*options, *arguments]},
    }
    process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(port):
            assert time.monotonic() < deadline, "chromedriver does not answer"
            time.sleep(0.05)
        session = ask("POST", f"{address}/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        try:
            yield Browser(address, session)
        finally:
            ask("DELETE", f"{address}/session/{session}")
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _quoted(text: str) -> str:
    """As a string of XPath, which knows no escapes."""
    return f'"{text}"'
