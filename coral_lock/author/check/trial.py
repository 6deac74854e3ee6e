"""Running a plugin in a fresh interpreter with a time limit, and judging what it answers.

It runs the author's own code: it is no sandbox. But the code may hang, die, print, or
leave processes behind, so it gets a session of its own that is killed at the end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress

from coral_lock.record import Record
from coral_lock.start.activation import silence_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO, Any

    from coral_lock.inventory import EntryPoint

TIME_LIMIT = 10.0
MAX_OUTPUT = 1 << 24
MAX_ANSWER = 1 << 20
MAX_SHOWN = 2000
TOOK_LONGER = "took longer than"
PRINTED = "printed more than"
_POLL = 0.01
_CHILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run_child.py")
_DROPPED = ("CORAL_", "PYTHON")


class Trial(Record):
    """The outcome of one run.

    Args:
        answer: the parts of the answer, joined; what a plugin's code could have forged.
        ending: how the process ended before it was done, as a phrase; None if it did.
        output: everything that it printed, up to a limit.
    """

    answer: Mapping[str, Any]
    ending: str | None
    output: bytes

    def text(self, key: str) -> str | None:
        """Return a text of the answer, or None."""
        value = self.answer.get(key)
        return value if isinstance(value, str) else None

    def number(self, key: str) -> float | None:
        """Return a number of the answer, or None."""
        value = self.answer.get(key)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return value if is_number else None

    def count(self, key: str) -> int | None:
        """Return a whole number of the answer, or None."""
        value = self.number(key)
        return None if value is None else int(value)

    def printed(self) -> str:
        """Return the beginning of what was printed during the import."""
        bounds = self.answer.get("printed")
        if not (isinstance(bounds, list) and all(isinstance(bound, int) for bound in bounds)):
            return ""
        start, end = bounds
        return self.output[start : min(end, start + MAX_SHOWN)].decode("utf-8", "replace")


def run_trial(
    entry_point: EntryPoint,
    path: Sequence[str],
    *,
    plugin: str | None = None,
    config: Mapping[str, Any] | None = None,
    time_limit: float = TIME_LIMIT,
) -> Trial:
    """Import an entry point in a fresh interpreter, and activate one of its plugins if asked.

    Args:
        entry_point: the entry point.
        path: the `sys.path` to import it with.
        plugin: the name of the plugin to activate, or None.
        config: the arguments of the `RuntimeConfig` that it is handed.
        time_limit: the seconds that all of it may take.
    """
    module, _, attribute = entry_point.value.partition(":")
    request = {
        "path": list(path),
        "module": module,
        "attribute": attribute,
        "name": entry_point.name,
        "plugin": plugin,
        "config": config,
    }
    with (
        tempfile.TemporaryDirectory(prefix="coral-check-") as directory,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as answer,
    ):
        ending = _run(request, directory, output, answer, time_limit)
        return Trial(
            answer=_joined(_content(answer, MAX_ANSWER)),
            ending=ending,
            output=_content(output, MAX_OUTPUT),
        )


def _run(
    request: Mapping[str, Any],
    directory: str,
    output: IO[bytes],
    answer: IO[bytes],
    time_limit: float,
) -> str | None:
    """Run the child until it ends or has to be ended; return how, or None if it was done."""
    descriptor = answer.fileno()
    arguments = (str(descriptor), str(int(time_limit) + 5), json.dumps(request))
    process = subprocess.Popen(
        (sys.executable, "-I", "-B", "-S", _CHILD, *arguments),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=_variables(),
        cwd=directory,
        pass_fds=(descriptor,),
        start_new_session=True,
    )
    deadline = time.monotonic() + time_limit
    try:
        while not _has_ended(process):
            if time.monotonic() > deadline:
                return f"{TOOK_LONGER} {time_limit:g} s"
            if os.fstat(output.fileno()).st_size > MAX_OUTPUT:
                return f"{PRINTED} {MAX_OUTPUT >> 20} MiB"
            time.sleep(_POLL)
    finally:
        _kill(process)
    if process.returncode < 0:
        return f"was killed by {_signal_name(-process.returncode)}"
    return f"ended the process with exit code {process.returncode}" if process.returncode else None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the process's session."""
    # As the process isn't reaped yet, its number can't belong to others.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process has ended; where possible it stays unreaped."""
    if not hasattr(os, "waitid"):
        return process.poll() is not None
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, options) is not None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _variables() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
    silence_host(kept)
    return kept


def _content(file: IO[bytes], limit: int) -> bytes:
    file.seek(0)
    return file.read(limit)


def _joined(content: bytes) -> dict[str, Any]:
    """Return the parts of an answer as one mapping; what isn't an answer is left out."""
    joined: dict[str, Any] = {}
    for line in content.splitlines():
        try:
            part = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(part, dict):
            joined.update(part)
    return joined
