"""What people read on standard error, and phrases that several messages share."""

from __future__ import annotations

import os
import sys

from coral_lock.errors import CoralLockError, ProblemsError, fitted, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from coral_lock.finding import Finding
    from coral_lock.lockfile.model import Lock

_kept: TextIO | None = None

_COLOURS = {"error": "31;1", "warning": "33;1", "hint": "36"}


def keep_stream() -> None:
    """Write to the present standard error from now on, whatever is put in its place later."""
    global _kept
    _kept = sys.stderr


def say(text: str, label: str = "") -> None:
    """Write a line to standard error; nothing happens where there is none.

    Args:
        text: what it says, which is made printable.
        label: what comes before it, which isn't.
    """
    stream = _kept or sys.stderr
    if stream is None:
        return
    line = f"{label}{printable(fitted(text))}\n"
    try:
        if getattr(stream, "closed", False):
            os.write(2, line.encode("utf-8", "backslashreplace"))
            return
        stream.write(line)
        stream.flush()
    except (OSError, ValueError):
        return


def _label(word: str, suffix: str = "") -> str:
    stream = _kept or sys.stderr
    is_coloured = (
        stream is not None
        and not getattr(stream, "closed", False)
        and stream.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )
    return f"\033[{_COLOURS[word]}m{word}{suffix}:\033[0m " if is_coloured else f"{word}{suffix}: "


def say_error(error: CoralLockError) -> None:
    """Write an error, its parts and its hint; several problems one after the other."""
    if isinstance(error, ProblemsError):
        for problem in error.problems:
            say_error(problem)
    _say_parts("error", "", error.message, error)


def say_findings(findings: Iterable[Finding]) -> None:
    """Write findings, errors first, each with its slug."""
    for finding in findings:
        _say_parts(finding.severity, f"[{finding.code}]", finding.summary, finding)


def _say_parts(word: str, suffix: str, message: str, details: CoralLockError | Finding) -> None:
    say(message, _label(word, suffix))
    for name in ("expected", "found", "where"):
        value = getattr(details, name)
        if value:
            say(f"  {name}: {value}")
    if details.hint:
        say(details.hint, "  " + _label("hint"))


def say_warning(warning: str | CoralLockError) -> None:
    """Write a warning that isn't a finding; one of an error has its parts and its hint."""
    if isinstance(warning, CoralLockError):
        _say_parts("warning", "", warning.message, warning)
    else:
        say(warning, _label("warning"))


def counted(number: int, noun: str) -> str:
    """Return a number with its noun in the right form: `1 plugin`, `2 plugins`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def counted_findings(findings: Iterable[Finding]) -> str:
    """Return how many findings of each severity there are, in words: `1 error, 2 warnings`."""
    severities = [finding.severity for finding in findings]
    return ", ".join(counted(severities.count(each), each) for each in sorted({*severities}))


def size_of(lock: Lock) -> str:
    """Return how much a lock holds: `3 plugins, 1 excluded, 5 distributions, 2 targets`."""
    excluded = f"{len(lock.excluded)} excluded, " if lock.excluded else ""
    targets = f", {counted(len(lock.targets), 'target')}" if lock.targets else ""
    return (
        f"{counted(len(lock.plugins), 'plugin')}, {excluded}"
        f"{counted(len(lock.distributions), 'distribution')}{targets}"
    )


def later_version_warning(lock: Lock, path: str) -> str | None:
    """Return what to warn of where a lock is of a later minor format version, or None."""
    from coral_lock.lockfile.model import LOCK_VERSION

    if lock.lock_version == LOCK_VERSION:
        return None
    return (
        f"`{path}` has the later format version {lock.lock_version}: "
        f"fields that format version {LOCK_VERSION} doesn't have are ignored"
    )


def warned(lock: Lock, path: str) -> Lock:
    """Return the lock of a file, and warn if it has a later minor format version."""
    warning = later_version_warning(lock, path)
    if warning:
        say_warning(warning)
    return lock
