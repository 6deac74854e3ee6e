"""Running a program that nobody has reviewed, bounded in time, memory and output.

It may hang, die, print for ever, and leave processes behind. When it has ended, or has to,
everything that it started is killed: its session, and on Linux what left the session as well.
Elsewhere such a process gets away, and so does one that kills the keeper. It is no sandbox:
what runs has the user's rights.
"""

from __future__ import annotations

import os
import sys
import time

from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence
    from typing import IO

MEMORY_LIMIT = 4 << 30
"""The bytes of data that a process may have, on Linux; a real host's import needs a tenth."""

ANSWER = "{answer}"
"""Stands for the number of the descriptor to answer on, in a command."""

TIME, OUTPUT, ANSWERS = "time", "output", "answers"

_KEEPER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child_keeper.py")
_OF_A_RUN = "CORAL_LOCK_RUN"
_DROPPED = ("CORAL_", "PYTHON", "__PYVENV_LAUNCHER__")
_CHUNK = 1 << 16
_POLL = 0.05
_GRACE = 15.0


class ChildEnd(Record):
    """How a child ended, and what it gave.

    Args:
        exit_code: its exit code, or the negative number of the signal that ended it.
        excess: of what there was too much, so that it had to be ended: `TIME`, `OUTPUT` or
            `ANSWERS`; None where it ended by itself.
        output: the beginning of what it printed; with standard error, unless that is apart.
        errors: the beginning of what it printed to standard error, where that is apart.
        answer: what it wrote to the descriptor to answer on.
    """

    exit_code: int
    excess: str | None
    output: bytes
    errors: bytes
    answer: bytes


def bare_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return variables without those that change what Python, a host or this project does."""
    known = os.environ if environment is None else environment
    return {name: value for name, value in known.items() if not name.startswith(_DROPPED)}


def run_child(
    command: Sequence[str],
    *,
    time_limit: float,
    environment: Mapping[str, str],
    directory: str = os.path.abspath(os.sep),
    memory_limit: int | None = MEMORY_LIMIT,
    content: bytes = b"",
    output: IO[bytes] | None = None,
    most_output: int = 1 << 20,
    most_answer: int = 0,
    errors_apart: bool = False,
) -> ChildEnd:
    """Run a program in a session of its own, and end it with all that it started.

    Args:
        command: the program and its arguments, the program with its directory.
        time_limit: the seconds that it may take.
        environment: its variables; that which would put it under a running lock is left out.
        directory: where it runs.
        memory_limit: the bytes of data that each of its processes may have, None for any.
        content: what it reads from standard input.
        output: the file that it prints to; more than `most_output` bytes end it then. By
            default the beginning of what it prints is kept.
        most_output: how many bytes of it are kept.
        most_answer: how many bytes it may answer with, on the descriptor whose number stands
            in the command in place of `ANSWER`; one more ends it.
        errors_apart: whether standard error is kept apart.

    Raises:
        OSError: it can't be started.
        ValueError: an argument can't be one.
    """
    variables = {name: value for name, value in environment.items() if name != _OF_A_RUN}
    if os.name != "posix":
        return _run_plainly(command, time_limit, variables, directory, content)
    child = _Child(most_output, most_answer, output)
    try:
        child.start(command, variables, directory, memory_limit, errors_apart)
        child.converse(content, time.monotonic() + time_limit)
    finally:
        child.end()
    return child.outcome()


class _Child:
    """A child and its keeper, and the pipes to both."""

    def __init__(self, most_output: int, most_answer: int, output: IO[bytes] | None) -> None:
        self._most = {"output": most_output, "errors": most_output, "answer": most_answer}
        self._output = output
        self._kept = {name: bytearray() for name in ("output", "errors", "answer", "report")}
        self._sources: dict[int, str] = {}
        self._open: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._control = self._input = -1
        self._excess: str | None = None

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        directory: str,
        memory_limit: int | None,
        errors_apart: bool,
    ) -> None:
        import subprocess

        stop, self._control = self._pipe()
        stdin, self._input = self._pipe()
        report = self._source("report")
        stdout = self._source("output") if self._output is None else self._output.fileno()
        stderr = self._source("errors") if errors_apart else stdout
        answer = self._source("answer") if self._most["answer"] else -1
        words = [str(answer) if word == ANSWER else word for word in command]
        numbers = (stop, report, memory_limit or 0, answer)
        self._process = subprocess.Popen(
            (sys.executable, "-I", "-S", "-B", _KEEPER, *map(str, numbers), *words),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=environment,
            cwd=directory,
            pass_fds=[number for number in (stop, report, answer) if number >= 0],
            start_new_session=True,
        )
        for descriptor in self._open - {self._control, self._input, *self._sources}:
            self._close(descriptor)

    def converse(self, content: bytes, deadline: float) -> None:
        """Feed and read the child until it has ended, or has to be."""
        import selectors

        with selectors.DefaultSelector() as selector:
            for source in self._sources:
                os.set_blocking(source, False)
                selector.register(source, selectors.EVENT_READ)
            if content:
                os.set_blocking(self._input, False)
                selector.register(self._input, selectors.EVENT_WRITE)
            else:
                self._close(self._input)
            while self._sources:
                remaining = deadline - time.monotonic()
                if remaining <= 0 and self._excess is None:
                    self._excess = TIME
                if self._excess and self._control in self._open:
                    self._close(self._control)
                    deadline = time.monotonic() + _GRACE
                elif remaining <= 0:
                    return
                for key, _ in selector.select(max(0.0, min(remaining, _POLL))):
                    if key.fd == self._input:
                        content = content[self._write(content) :]
                        if not content:
                            selector.unregister(key.fd)
                            self._close(key.fd)
                    elif not self._read(key.fd):
                        selector.unregister(key.fd)
                        self._close(key.fd)
                        if self._sources.pop(key.fd) == "report":
                            self._read_rest()
                            return
                self._excess = self._excess or self._too_much()

    def end(self) -> None:
        """Let the keeper end everything, and close what is open."""
        for descriptor in tuple(self._open):
            self._close(descriptor)
        if self._process is not None:
            import subprocess

            try:
                self._process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def outcome(self) -> ChildEnd:
        """Return how it ended.

        Raises:
            OSError: it never began.
        """
        assert self._process is not None
        word, _, number = bytes(self._kept["report"].partition(b"\n")[0]).partition(b" ")
        if word == b"failed":
            raise OSError(int(number), os.strerror(int(number)))
        # Without a report it was the keeper that was killed.
        is_told = word == b"exited"
        status = os.waitstatus_to_exitcode(int(number)) if is_told else self._process.returncode
        return ChildEnd(
            exit_code=status,
            excess=self._excess or self._too_much(),
            output=bytes(self._kept["output"]),
            errors=bytes(self._kept["errors"]),
            answer=bytes(self._kept["answer"]),
        )

    def _pipe(self) -> tuple[int, int]:
        ends = os.pipe()
        self._open.update(ends)
        return ends

    def _source(self, name: str) -> int:
        """Return the end of a new pipe to write to; what comes out is kept under a name."""
        source, sink = self._pipe()
        self._sources[source] = name
        return sink

    def _close(self, descriptor: int) -> None:
        self._open.discard(descriptor)
        os.close(descriptor)

    def _write(self, content: bytes) -> int:
        try:
            return os.write(self._input, content[:_CHUNK])
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            return len(content)

    def _read(self, source: int) -> bool:
        """Take in what can be read; return False when there is nothing to come."""
        chunk = os.read(source, _CHUNK)
        name = self._sources[source]
        kept = self._kept[name]
        # One more than there may be shows that there is too much.
        most = self._most.get(name, _CHUNK) + (name == "answer")
        kept += chunk[: max(0, most - len(kept))]
        return bool(chunk)

    def _read_rest(self) -> None:
        """Take in what the child left in pipes that others may still write to."""
        for source in self._sources:
            try:
                for _ in range(self._most[self._sources[source]] // _CHUNK + 2):
                    if not self._read(source):
                        break
            except BlockingIOError:
                continue

    def _too_much(self) -> str | None:
        if len(self._kept["answer"]) > self._most["answer"]:
            return ANSWERS
        if self._output is not None:
            is_over = os.fstat(self._output.fileno()).st_size > self._most["output"]
            return OUTPUT if is_over else None
        return None


def _run_plainly(
    command: Sequence[str],
    time_limit: float,
    environment: Mapping[str, str],
    directory: str,
    content: bytes,
) -> ChildEnd:
    """Run a program where there are neither sessions nor limits."""
    import subprocess

    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=directory,
    )
    excess = None
    try:
        output, errors = process.communicate(content, timeout=time_limit)
    except subprocess.TimeoutExpired:
        excess = TIME
        process.kill()
        output, errors = process.communicate()
    except BaseException:
        process.kill()
        raise
    return ChildEnd(
        exit_code=process.returncode, excess=excess, output=output, errors=errors, answer=b""
    )
