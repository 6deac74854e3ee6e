"""Learning what an entry point yields by importing it in a fresh interpreter.

The process imports code that nobody has reviewed: it may hang, die, print, leave
processes behind, or answer in the probe's name. So it is bounded (`child_process`), and
answers by a pipe of its own whose content is checked like any other hostile input. It is no
sandbox: what is imported has the user's rights.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from coral_lock.child_process import ANSWER, MEMORY_LIMIT, TIME, bare_environment, run_child
from coral_lock.plugin.config import SILENT_HOST
from coral_lock.plugin.facts import FactsError, PluginFacts, facts_from_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from coral_lock.child_process import ChildEnd
    from coral_lock.inventory import EntryPoint

TIME_LIMIT = 10.0
MAX_ANSWER = 1 << 20
MAX_OUTPUT = 1 << 16
_MAX_SPECS = 1000
_MAX_REASON = 600
_CHILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child.py")


class ProbeError(Exception):
    """An entry point couldn't be probed.

    Args:
        reason: why, as a phrase without a final period.
        output: the beginning of what the process printed.
    """

    def __init__(self, reason: str, output: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.output = output


def interpreter_probe(
    path: Sequence[str], python: str = sys.executable
) -> Callable[[EntryPoint], tuple[PluginFacts, ...]]:
    """Return `probe` for an interpreter, this one by default, with that `sys.path`."""
    return lambda entry_point: probe(entry_point, python=python, path=list(path))


def probe(
    entry_point: EntryPoint,
    *,
    python: str,
    path: Sequence[str],
    time_limit: float = TIME_LIMIT,
    environment: Mapping[str, str] | None = None,
) -> tuple[PluginFacts, ...]:
    """Return the facts of the specs that an entry point yields when it is imported.

    Args:
        entry_point: the entry point.
        python: the interpreter to import it with.
        path: the `sys.path` to import it with. Entries of the interpreter's own standard
            library that it lacks come first.
        time_limit: the seconds that it may take.
        environment: the environment variables, without `PYTHON*` and `CORAL_*`, which are
            never passed on; by default this process's own.

    Raises:
        ProbeError: it can't be imported, yields something else than specs, answers
            something that can't be right, takes too long, or ends the process. Or this
            system has no process groups.
    """
    if os.name != "posix":
        raise ProbeError("probing needs a POSIX system")
    request = {
        "module": entry_point.value.partition(":")[0],
        "attribute": entry_point.value.partition(":")[2],
        "name": entry_point.name,
        "path": [os.path.abspath(entry) for entry in path],
    }
    # A spec that is built from a set is to be the same at every probe.
    variables = {**bare_environment(environment), **SILENT_HOST, "PYTHONHASHSEED": "0"}
    try:
        end = run_child(
            (python, "-s", "-S", "-B", _CHILD, ANSWER, json.dumps(request)),
            time_limit=time_limit,
            environment=variables,
            most_output=MAX_OUTPUT,
            most_answer=MAX_ANSWER,
        )
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise ProbeError(f"`{python}` can't be started: {what}") from None
    return _judge(end, time_limit)


def _judge(end: ChildEnd, time_limit: float) -> tuple[PluginFacts, ...]:
    output = end.output.decode("utf-8", "replace")
    if end.excess == TIME:
        raise ProbeError(f"took longer than {time_limit:g} s to import", output)
    if end.excess:
        raise ProbeError(f"answered with more than {MAX_ANSWER >> 10} KiB", output)
    if end.exit_code or not end.answer:
        raise ProbeError(_manner_of_ending(end.exit_code), output)
    try:
        return _facts_of_answer(end.answer)
    except FactsError as error:
        raise ProbeError(str(error), output) from None
    except ProbeError as error:
        is_for_memory = " raised MemoryError" in error.reason
        more = f": it may use {MEMORY_LIMIT >> 30} GiB" if is_for_memory else ""
        raise ProbeError(error.reason + more, output) from None


def _manner_of_ending(exit_code: int) -> str:
    if exit_code >= 0:
        return f"ended the interpreter with exit code {exit_code} while it was imported"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    return f"the interpreter was killed by {name} while it was imported"


def _facts_of_answer(answer: bytes) -> tuple[PluginFacts, ...]:
    """Return the facts of an answer: `{"specs": [{…}]}`, or the reason of `{"error": "…"}`."""
    try:
        document = json.loads(answer.decode("utf-8"))
    except (ValueError, RecursionError):
        raise ProbeError("answered something that isn't JSON") from None
    if not isinstance(document, dict) or len(document) != 1:
        raise ProbeError("answered something that isn't an answer")
    error = document.get("error")
    if isinstance(error, str) and error and error.isprintable() and len(error) <= _MAX_REASON:
        raise ProbeError(error)
    specs = document.get("specs")
    if not isinstance(specs, list) or not 0 < len(specs) <= _MAX_SPECS:
        raise ProbeError("answered something that isn't an answer")
    facts: list[PluginFacts] = []
    for fields in specs:
        if not isinstance(fields, dict) or fields.keys() != set(PluginFacts._fields):
            raise ProbeError("answered with something that isn't a spec")
        facts.append(facts_from_fields(fields))
    return tuple(facts)
