"""Learning what an entry point yields by importing it in a fresh interpreter.

The process imports code that nobody has reviewed: it may hang, die, print, leave
processes behind, or answer in the probe's name. So it gets a time limit, a session of
its own that is killed at the end, and a dedicated pipe whose content is checked like any
other hostile input. It is no sandbox: what is imported has the user's rights.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import sys
import time

from coral_lock.plugin.config import SILENT_HOST
from coral_lock.plugin.facts import FactsError, PluginFacts, facts_from_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping, Sequence

    from coral_lock.inventory import EntryPoint

TIME_LIMIT = 10.0
MAX_ANSWER = 1 << 20
MAX_OUTPUT = 1 << 16
_MAX_SPECS = 1000
_MAX_REASON = 600
_CHUNK = 1 << 16
_POLL = 0.05
_CHILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child.py")
_DROPPED = ("CORAL_", "PYTHON")
_MARK = "CORAL_PROBE_SESSION"
_SWEEPS = 5


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
    mark = os.urandom(16).hex()
    answer_end, child_end = os.pipe()
    try:
        try:
            variables = _variables(os.environ if environment is None else environment, mark)
            process = _start(python, request, child_end, time_limit, variables)
        finally:
            os.close(child_end)
        with _Conversation(process, answer_end, time_limit, mark) as conversation:
            conversation.run()
    finally:
        os.close(answer_end)
    return _judge(conversation, process.returncode, time_limit)


def _variables(environment: Mapping[str, str], mark: str) -> dict[str, str]:
    kept = {name: value for name, value in environment.items() if not name.startswith(_DROPPED)}
    # A spec that is built from a set is to be the same at every probe.
    return {**kept, **SILENT_HOST, _MARK: mark, "PYTHONHASHSEED": "0"}


def _start(
    python: str,
    request: Mapping[str, object],
    child_end: int,
    time_limit: float,
    variables: Mapping[str, str],
) -> subprocess.Popen[bytes]:
    import subprocess

    arguments = (str(child_end), str(int(time_limit) + 5), json.dumps(request))
    try:
        return subprocess.Popen(
            (python, "-s", "-S", "-B", _CHILD, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=variables,
            cwd=os.path.abspath(os.sep),
            pass_fds=(child_end,),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise ProbeError(f"`{python}` can't be started: {what}") from None


class _Conversation:
    """Reads what the process answers and prints until it ends, and ends it in any case."""

    def __init__(
        self, process: subprocess.Popen[bytes], answer_end: int, time_limit: float, mark: str
    ) -> None:
        assert process.stdout is not None
        self._process = process
        self._output_end = process.stdout.fileno()
        self._answer_end = answer_end
        self._deadline = time.monotonic() + time_limit
        self._mark = mark
        self.answer = b""
        self.output = b""
        self.timed_out = False

    def __enter__(self) -> _Conversation:
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the process, its group, and what left the group, so that nothing lives on."""
        try:
            # Where the process isn't reaped yet, its number can't belong to others.
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            self._process.kill()
        self._process.wait()
        _sweep(self._mark)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def run(self) -> None:
        """Read until the process ends, the time is over, or the answer is too long."""
        with selectors.DefaultSelector() as selector:
            for end in (self._answer_end, self._output_end):
                os.set_blocking(end, False)
                selector.register(end, selectors.EVENT_READ)
            while not self._has_ended():
                remaining = self._deadline - time.monotonic()
                self.timed_out = remaining <= 0
                if self.timed_out or len(self.answer) > MAX_ANSWER:
                    return
                pause = _POLL if selector.get_map() else _POLL / 20
                for key, _ in selector.select(min(remaining, pause)):
                    if not self._read(key.fd):
                        selector.unregister(key.fd)
        for end in (self._answer_end, self._output_end):
            self._read_rest(end)

    def _has_ended(self) -> bool:
        """Whether the process has ended; where possible it stays unreaped."""
        if not hasattr(os, "waitid"):
            return self._process.poll() is not None
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, options) is not None

    def _read(self, end: int) -> bool:
        """Take in what can be read; return False when there is nothing to come."""
        chunk = os.read(end, _CHUNK)
        if end == self._answer_end:
            self.answer += chunk
        else:
            self.output += chunk[: MAX_OUTPUT - len(self.output)]
        return bool(chunk)

    def _read_rest(self, end: int) -> None:
        """Take in what the ended process left in a pipe that others may still write to."""
        try:
            for _ in range(MAX_ANSWER // _CHUNK + 1):
                if not self._read(end):
                    return
        except BlockingIOError:
            return


def _sweep(mark: str) -> None:
    """Kill the processes that left the group but still have the mark among their variables.

    This needs `/proc`; a process that leaves the group and clears its variables gets away.
    """
    marked = f"{_MARK}={mark}".encode()
    for _ in range(_SWEEPS):
        found = False
        try:
            numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        except OSError:
            return
        for number in numbers:
            try:
                with open(f"/proc/{number}/environ", "rb") as variables:
                    if marked in variables.read().split(b"\0"):
                        found = True
                        os.kill(number, signal.SIGKILL)
            except OSError:
                continue
        if not found:
            return


def _judge(
    conversation: _Conversation, exit_code: int, time_limit: float
) -> tuple[PluginFacts, ...]:
    output = conversation.output.decode("utf-8", "replace")
    if conversation.timed_out:
        raise ProbeError(f"took longer than {time_limit:g} s to import", output)
    if len(conversation.answer) > MAX_ANSWER:
        raise ProbeError(f"answered with more than {MAX_ANSWER >> 10} KiB", output)
    if exit_code or not conversation.answer:
        raise ProbeError(_manner_of_ending(exit_code), output)
    try:
        return _facts_of_answer(conversation.answer)
    except FactsError as error:
        raise ProbeError(str(error), output) from None
    except ProbeError as error:
        raise ProbeError(error.reason, output) from None


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
