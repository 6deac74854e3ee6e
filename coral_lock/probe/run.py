"""Learning what an entry point yields by importing it in a fresh interpreter.

The process imports code that nobody has reviewed: it may hang, crash, print, leave
processes behind, or answer in the probe's name. So it has limits (`child_process`), and
its answer is checked like any other hostile input. It is no sandbox: what is imported has
the user's rights.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from coral_lock.child_process import ANSWER, MEMORY_LIMIT, ChildEnd, bare_environment, run_child
from coral_lock.document.schema import load_schema, validator_of
from coral_lock.errors import printable, shortened
from coral_lock.inventory import EntryPoint
from coral_lock.plugin.config import SILENT_HOST
from coral_lock.plugin.facts import FactsError, PluginFacts, facts_from_fields

TIME_LIMIT = 10.0
_MAX_REASON = 600
_CHILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child.py")


class ProbeError(Exception):
    """An entry point couldn't be probed; the message is a phrase without a final period."""


def interpreter_probe(
    path: Sequence[str], python: str = sys.executable
) -> Callable[[EntryPoint], tuple[PluginFacts, ...]]:
    """Return `probe` for an interpreter, this one by default, with that `sys.path`."""
    return lambda entry_point: probe(entry_point, python=python, path=path)


def probe(
    entry_point: EntryPoint,
    *,
    python: str,
    path: Sequence[str],
    time_limit: float = TIME_LIMIT,
) -> tuple[PluginFacts, ...]:
    """Return the facts of the specs that an entry point yields when it is imported.

    Args:
        entry_point: the entry point.
        python: the interpreter to import it with.
        path: see `run_entry_point`.
        time_limit: the seconds that it may take.

    Raises:
        ProbeError: it can't be imported, yields anything but specs, answers
            something that can't be right, takes too long, or ends the process. Or this
            system has no process groups.
    """
    try:
        end = run_entry_point(entry_point, path, python=python, time_limit=time_limit)
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise ProbeError(f"`{python}` can't be started: {what}") from None
    answer = answer_of(end)
    if end.ending or not answer:
        ending = end.ending or "exited with code 0 without an answer"
        raise ProbeError(f"the interpreter {ending} while `{entry_point.value}` was imported")
    if "error" in answer:
        reason = answer["error"]
        note = f": it may use {MEMORY_LIMIT >> 30} GiB" if " raised MemoryError" in reason else ""
        raise ProbeError(printable(shortened(reason, _MAX_REASON)) + note)
    try:
        return tuple(facts for facts, _ in specs_of(answer))
    except FactsError as error:
        raise ProbeError(str(error)) from None


def run_entry_point(
    entry_point: EntryPoint,
    path: Sequence[str],
    *,
    time_limit: float,
    python: str = sys.executable,
    program: str = "coral_lock.probe.child",
    directory: str = os.path.abspath(os.sep),
    request: Mapping[str, object] | None = None,
) -> ChildEnd:
    """Import an entry point in a fresh interpreter, and run a program on it.

    It has the environment variables of this process, without `PYTHON*` and `CORAL_*`.

    Args:
        entry_point: the entry point.
        path: the `sys.path` to import it with. Entries of the interpreter's own standard
            library that it lacks come first.
        time_limit: the seconds that it may take.
        python: the interpreter.
        program: the module whose `run` is called with the `child.Trial` there.
        directory: where it runs.
        request: what the program is to know, as plain data.

    Raises:
        OSError: it can't be started.
        ValueError: a path can't be one.
    """
    module, _, attribute = entry_point.value.partition(":")
    whole = {
        "module": module,
        "attribute": attribute,
        "name": entry_point.name,
        "path": [os.path.abspath(entry) for entry in path],
        "program": program,
        **(request or {}),
    }
    # A spec that is built from a set is to be the same each time.
    variables = {**bare_environment(), **SILENT_HOST, "PYTHONHASHSEED": "0"}
    return run_child(
        (python, "-s", "-S", "-B", _CHILD, ANSWER, json.dumps(whole)),
        time_limit=time_limit,
        environment=variables,
        directory=directory,
    )


def answer_of(end: ChildEnd) -> dict[str, Any]:
    """Return the parts of an answer as one mapping; what has a wrong form is left out.

    The code that was imported may have forged any of it. The form is that of
    `probe-answer.schema.json`.
    """
    joined: dict[str, Any] = {}
    for line in end.answer.splitlines():
        try:
            part = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(part, dict):
            joined.update(part)
    for error in list(validator_of(load_schema("probe-answer")).iter_errors(joined)):
        joined.pop(error.absolute_path[0], None)
    return joined


def specs_of(answer: Mapping[str, Any]) -> tuple[tuple[PluginFacts, bool], ...]:
    """Return the facts of the specs of an answer, each with whether it is a backend.

    Raises:
        FactsError: the answer has none, or they can't be right.
    """
    if "specs" not in answer:
        raise FactsError("the process didn't report its specs")
    return tuple((facts_from_fields(each["facts"]), each["backend"]) for each in answer["specs"])
