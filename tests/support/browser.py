"""A real browser, headless, asked through its own protocol.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_LONGEST_SECONDS = 120
_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    "--remote-debugging-pipe",
)


def find_browser() -> str | None:
    """Return the path of a browser on PATH, None where there is none."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


def is_usable(path: str) -> bool:
    """Return whether a browser is one: on some systems a script says what to install instead."""
    return subprocess.run((path, "--version"), capture_output=True, check=False).returncode == 0


@dataclass(kw_only=True)
class Browser:
    """One tab of a browser.

    Attributes:
        requests: the addresses that pages asked for.
        complaints: what the console says: errors, warnings, refusals of the page's policy.
    """

    commands: BinaryIO
    answers: BinaryIO
    session: str = ""
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and return what it answers."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.commands.write(json.dumps(message).encode() + b"\0")
        self.commands.flush()
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, address: str, *, width: int = 1200, is_dark: bool = False) -> None:
        """Open a page and wait until it is loaded."""
        self.requests.clear()
        self.complaints.clear()
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        # Only another document is loaded anew if the addresses differ in nothing but a fragment.
        self.call("Page.navigate", url="about:blank")
        self._wait_for("Page.loadEventFired")
        self.call("Page.navigate", url=address)
        self._wait_for("Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press and release a key; of a character key also its character arrives."""
        codes = {"Tab": 9, " ": 32}
        text = {} if len(key) > 1 else {"text": key}
        code = codes.get(key, ord(key[0].upper()))
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                windowsVirtualKeyCode=code,
                **(text if kind == "keyDown" else {}),
            )

    def _wait_for(self, event: str) -> None:
        while self._next().get("method") != event:
            pass

    def _next(self) -> dict[str, Any]:
        """Return the next message, and note what is told by the way."""
        text = bytearray()
        while (character := self.answers.read(1)) != b"\0":
            assert character, "the browser has ended"
            text += character
        message: dict[str, Any] = json.loads(text)
        told = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(told["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(told["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(told))
        return message


@contextlib.contextmanager
def opened_browser(path: str, directory: Path) -> Iterator[Browser]:
    """Yield a browser that keeps what it writes in a directory, and end it.

    It takes its commands from the file descriptor 3 and answers to 4, which only a shell can
    give it without a race.
    """
    pipes = directory / "commands", directory / "answers"
    for pipe in pipes:
        os.mkfifo(pipe)
    words = (path, *_OPTIONS, f"--user-data-dir={directory / 'profile'}")
    process = subprocess.Popen(
        ("sh", "-c", 'exec "$@" 3<"$COMMANDS" 4>"$ANSWERS"', "sh", *words),
        env={
            **os.environ,
            "HOME": str(directory),
            "COMMANDS": str(pipes[0]),
            "ANSWERS": str(pipes[1]),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    # A browser that hangs ends, and what is read from it, too.
    limit = threading.Timer(_LONGEST_SECONDS, process.kill)
    limit.start()
    try:
        with open(pipes[0], "wb") as commands, open(pipes[1], "rb") as answers:
            browser = Browser(commands=commands, answers=answers)
            target = browser.call("Target.createTarget", url="about:blank")["targetId"]
            attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
            browser.session = attached["sessionId"]
            for domain in ("Page", "Network", "Log", "Runtime"):
                browser.call(f"{domain}.enable")
            yield browser
            browser.session = ""
            browser.call("Browser.close")
        process.wait(timeout=20)
    finally:
        limit.cancel()
        if process.poll() is None:
            process.kill()
            process.wait()
