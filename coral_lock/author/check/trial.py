"""Running a plugin in a fresh interpreter within bounds, and judging what it answers."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile

from coral_lock.child_process import ANSWER, TIME, bare_environment, run_child
from coral_lock.record import Record
from coral_lock.start.activation import silence_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from coral_lock.child_process import ChildEnd
    from coral_lock.inventory import EntryPoint

TIME_LIMIT = 10.0
MAX_OUTPUT = 1 << 24
MAX_ANSWER = 1 << 20
MAX_SHOWN = 2000
TOOK_LONGER = "took longer than"
PRINTED = "printed more than"
_CHILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run_child.py")


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
    ):
        end = run_child(
            (sys.executable, "-I", "-B", "-S", _CHILD, ANSWER, json.dumps(request)),
            time_limit=time_limit,
            environment=_variables(),
            directory=directory,
            output=output,
            most_output=MAX_OUTPUT,
            most_answer=MAX_ANSWER,
        )
        output.seek(0)
        return Trial(
            answer=_joined(end.answer),
            ending=_ending(end, time_limit),
            output=output.read(MAX_OUTPUT),
        )


def _ending(end: ChildEnd, time_limit: float) -> str | None:
    """Return how a run ended before it was done, or None if it was."""
    if end.excess == TIME:
        return f"{TOOK_LONGER} {time_limit:g} s"
    if end.excess:
        return f"{PRINTED} {MAX_OUTPUT >> 20} MiB"
    if end.exit_code < 0:
        return f"was killed by {_signal_name(-end.exit_code)}"
    return f"ended the process with exit code {end.exit_code}" if end.exit_code else None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _variables() -> dict[str, str]:
    variables = bare_environment()
    silence_host(variables)
    return variables


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
