"""Noticing processes that can't be put under the lock: Python that won't read its `.pth`.

Starting a process raises an audit event (PEP 578), except by the start methods of
`multiprocessing`, whose processes inherit the environment.
"""

from __future__ import annotations

import os
import sys

from coral_lock.children.session import VARIABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from coral_lock.finding import Finding

_STARTS = frozenset({"os.exec", "os.posix_spawn", "os.system", "os.unsetenv", "subprocess.Popen"})
_HEAD_BYTES = 256
_WITH_VALUE = frozenset("cmWX")
_MAX_SHOWN = 80


def watch_processes(note: Callable[[Finding], None], is_strict: bool) -> None:
    """Call `note` once for each kind of process that can't be covered.

    Args:
        note: gets a finding.
        is_strict: whether such a process isn't started: what starts it raises
            `UncoveredChildError`.
    """
    known: set[str] = set()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        uncovered = _uncovered(event, arguments) if event in _STARTS else None
        if uncovered is None:
            return
        from coral_lock.errors import UncoveredChildError
        from coral_lock.finding import ERROR, WARNING, Finding

        command, reason = uncovered
        what = "wasn't started" if is_strict else "runs without the lock"
        summary = f"`{command}` {what}: {reason}"
        hint = (
            "start it with this environment's Python, without `-S`, and keep "
            f"`{VARIABLE}` in its environment"
        )
        if summary not in known:
            known.add(summary)
            note(
                Finding(
                    code="uncovered-child",
                    severity=ERROR if is_strict else WARNING,
                    subject=os.path.basename(command.partition(" ")[0]) or "python",
                    summary=summary,
                    hint=hint,
                )
            )
        if is_strict:
            raise UncoveredChildError(summary, hint=hint)

    sys.addaudithook(hook)


def _uncovered(event: str, arguments: tuple[Any, ...]) -> tuple[str, str] | None:
    """Return the command of an audit event and why it can't be covered, None if it can."""
    if event == "os.unsetenv":
        if os.fsdecode(arguments[0]) != VARIABLE:
            return None
        return "python", f"the program has removed `{VARIABLE}` from its environment"
    words: list[Any]
    environment: Mapping[Any, Any] | None = None
    executable = arguments[0]
    if event == "os.system":
        words = os.fsdecode(executable).split()
        executable = words[0] if words else ""
    elif event == "subprocess.Popen":
        _, found, _, environment = arguments
        words = [found] if isinstance(found, (str, bytes, os.PathLike)) else list(found)
        executable = executable or words[0]
    else:
        _, found, environment = arguments
        words = list(found)
    name, words = os.fsdecode(executable), [os.fsdecode(word) for word in words]
    interpreter = _interpreter_of(name)
    if interpreter is None:
        return None
    path, options = interpreter
    command = " ".join([os.path.basename(words[0]), *words[1:]])
    command = command if len(command) <= _MAX_SHOWN else command[: _MAX_SHOWN - 1] + "…"
    if _has_s(words[1:] if _is_python(name) else options):
        return command, "`-S` disables what puts a process under it"
    if not _is_ours(path):
        return command, f"`{path}` isn't this environment's interpreter"
    if not _is_covered(environment):
        return command, f"`{VARIABLE}` isn't in its environment"
    return None


def _is_covered(environment: Mapping[Any, Any] | None) -> bool:
    if environment is None:
        return VARIABLE in os.environ
    return VARIABLE in environment or os.fsencode(VARIABLE) in environment


def _is_python(name: str) -> bool:
    base = os.path.basename(name)
    return base.rstrip("0123456789.").removesuffix("w") in ("python", "pypy", "pythond")


def _interpreter_of(name: str) -> tuple[str, list[str]] | None:
    """Return the interpreter that a program runs in, with its options; None for no Python."""
    path = _find(name)
    if _is_python(name):
        return path or name, []
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return None
    if not head.startswith(b"#!"):
        return None
    words = os.fsdecode(head[2:].split(b"\n", 1)[0]).split()
    if words and os.path.basename(words[0]) == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    if not words or not _is_python(words[0]):
        return None
    return _find(words[0]) or words[0], words[1:]


def _find(name: str) -> str | None:
    if os.sep in name:
        return name if os.path.isfile(name) else None
    for directory in os.get_exec_path():
        path = os.path.join(directory, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def _is_ours(path: str) -> bool:
    """Whether an interpreter is that of this environment, under whichever of its names."""
    if not sys.executable:
        return False
    return os.path.dirname(os.path.abspath(path)) == os.path.dirname(
        os.path.abspath(sys.executable)
    )


def _has_s(words: Sequence[str]) -> bool:
    """Whether `-S` is among an interpreter's options."""
    skipped = False
    for word in words:
        if skipped:
            skipped = False
            continue
        if len(word) < 2 or not word.startswith("-") or word.startswith("--"):
            return False
        for index, letter in enumerate(word[1:], 1):
            if letter == "S":
                return True
            if letter in _WITH_VALUE:
                if letter in "cm":
                    return False
                skipped = index == len(word) - 1
                break
    return False
