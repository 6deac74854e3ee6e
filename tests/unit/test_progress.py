"""Progress: shown where someone watches, cleared at the end, and never in the way."""

from __future__ import annotations

import io
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from coral_lock.__main__ import main
from coral_lock.cli import progress
from coral_lock.cli.progress import TerminalReporter, shown_progress
from coral_lock.inventory import Reporter
from tests.support.plugin_wheels import make_plugin

CLEAR = "\r\033[2K"


class Terminal(io.StringIO):
    """A standard error that someone watches."""

    def isatty(self) -> bool:
        return True


def watched(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Put a terminal in the place of standard error, which pytest sets anew for each test."""
    made = Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setenv("TERM", "xterm")
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test sets."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_what_is_hashed(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    terminal = watched(monkeypatch)
    reporter = TerminalReporter()
    clock[0] += 0.5
    reporter.hashing("numpy", 0, 3)
    reporter.hashing("torch", 1, 3)
    reporter.hashing("torch", 3, 3)
    reporter.finished()
    reporter.finished()
    assert terminal.getvalue() == (
        f"{CLEAR}hashing numpy (0 of 3){CLEAR}hashing torch (1 of 3){CLEAR}hashing torch (3 of 3)"
        f"{CLEAR}"
    )


def test_short_work_shows_nothing(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    terminal = watched(monkeypatch)
    reporter = TerminalReporter()
    clock[0] += 0.49
    reporter.hashing("numpy", 0, 1)
    reporter.finished()
    assert terminal.getvalue() == ""


def test_a_probe_is_shown_at_once(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    terminal = watched(monkeypatch)
    reporter = TerminalReporter()
    reporter.probing("acme:spec")
    assert terminal.getvalue() == f"{CLEAR}probing acme:spec …"


def test_what_plugins_say_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = watched(monkeypatch)
    TerminalReporter().probing("acme\n\033[2J\u202e:spec")
    assert terminal.getvalue() == f"{CLEAR}probing acme\\n\\x1b[2J\\u202e:spec …"


@pytest.mark.parametrize(("columns", "width"), [(200, 79), (80, 79), (40, 39), (0, 79)])
def test_a_line_does_not_wrap(monkeypatch: pytest.MonkeyPatch, columns: int, width: int) -> None:
    terminal = watched(monkeypatch)
    monkeypatch.setenv("COLUMNS", str(columns))
    TerminalReporter().probing("a" * 300)
    assert terminal.getvalue() == CLEAR + f"probing {'a' * 300}"[:width]


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError("closed"), OSError(5, "gone")])
def test_a_terminal_that_was_closed_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    terminal = watched(monkeypatch)

    written = []

    def write(text: str) -> int:
        written.append(text)
        raise error

    monkeypatch.setattr(terminal, "write", write)
    with shown_progress() as reporter:
        reporter.probing("acme:spec")
    assert written


def test_an_error_clears_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = watched(monkeypatch)
    with suppress(KeyboardInterrupt), shown_progress() as reporter:
        reporter.probing("acme:spec")
        raise KeyboardInterrupt
    assert terminal.getvalue() == f"{CLEAR}probing acme:spec …{CLEAR}"


def test_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    watched(monkeypatch)
    with shown_progress() as reporter:
        assert isinstance(reporter, TerminalReporter)
    monkeypatch.setenv("TERM", "dumb")
    with shown_progress() as reporter:
        assert type(reporter) is Reporter
    monkeypatch.setenv("TERM", "xterm")
    for stderr in (io.StringIO(), None):
        monkeypatch.setattr(sys, "stderr", stderr)
        with shown_progress() as reporter:
            assert type(reporter) is Reporter
            reporter.probing("acme:spec")
            reporter.hashing("acme", 0, 1)


def test_commands_clear_what_they_showed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(progress, "_PATIENCE_SECONDS", -1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    make_plugin(tmp_path, "zoom")
    begun, done = (f"{CLEAR}hashing zoom ({number} of 1)" for number in (0, 1))
    for words, shown, last in (
        (("lock", "--wheels=."), (begun, done), "wrote coral.lock: 1 plugin, 1 distribution\n"),
        (
            ("export", "--format=requirements", "--wheels=.", "-o", "pinned.txt"),
            (done,),
            "wrote pinned.txt: 1 distribution\n",
        ),
    ):
        terminal = watched(monkeypatch)
        assert main(words) == 0
        written, _, rest = terminal.getvalue().rpartition(CLEAR)
        assert written
        assert {f"{CLEAR}{part}" for part in written.split(CLEAR) if part} <= set(shown)
        assert rest == last
