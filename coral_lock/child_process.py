"""Running an unreviewed program, with limits on time, memory and output.

It may hang, crash, print without end, and leave processes behind. When it has ended, or is
ended, everything that it started is killed: its session, and on Linux what left the session
as well. Elsewhere such a process gets away, and so does one that kills the keeper. It is no
sandbox: what runs has the user's rights. It needs a POSIX system.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

MEMORY_LIMIT = 4 << 30
"""The bytes of data that a process may have, on Linux; a real host's import needs a tenth."""

ANSWER = "{answer}"
"""In a command, the placeholder for the number of the descriptor to answer on."""

TOOK_LONGER, PRINTED, ANSWERED = "took longer than", "printed more than", "answered with more than"
"""What `ChildEnd.ending` begins with where a limit ended the program."""

_KEEPER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child_keeper.py")
_OF_A_RUN = "CORAL_LOCK_RUN"
_DROPPED = ("CORAL_", "PYTHON", "__PYVENV_LAUNCHER__")
_POLL = 0.05
_GRACE = 15.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ChildEnd:
    """How a child ended, and what it wrote.

    Args:
        ending: why it didn't end by itself with exit code 0, as a phrase whose subject is the
            program: `took longer than 10 s`, `was killed by SIGSEGV`, `exited with code 3`.
        exit_code: its exit code, or the negative number of the signal that ended it.
        output: what it printed; with standard error, unless that is apart.
        errors: what it printed to standard error, where that is apart.
        answer: what it wrote to the descriptor to answer on.
    """

    ending: str | None
    exit_code: int
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
    most_output: int = 1 << 24,
    most_answer: int = 1 << 20,
    errors_apart: bool = False,
) -> ChildEnd:
    """Run a program in a session of its own, and end it with all that it started.

    What it prints goes to temporary files, so that a program finds out by the size of its
    standard output how much it has printed.

    Args:
        command: the program, with its directory, and its arguments.
        time_limit: the seconds that it may take.
        environment: its variables; the one that would put it under a running lock is left out.
        directory: where it runs.
        memory_limit: the bytes of data that each of its processes may have, None for any.
        content: what it reads from standard input.
        most_output: the bytes that it may print; more ends it.
        most_answer: the bytes that it may answer; more ends it.
        errors_apart: whether standard error is kept apart.

    Raises:
        OSError: it can't be started.
        ValueError: an argument can't be one.
    """
    if os.name != "posix":
        raise OSError(errno.ENOSYS, "running untrusted code needs a POSIX system")
    variables = {name: value for name, value in environment.items() if name != _OF_A_RUN}
    with contextlib.ExitStack() as stack:
        given, output, errors, answer = (
            stack.enter_context(tempfile.TemporaryFile()) for _ in range(4)
        )
        given.write(content)
        given.seek(0)

        def excess() -> str | None:
            if time.monotonic() > deadline:
                return f"{TOOK_LONGER} {time_limit:g} s"
            if max(_size(output), _size(errors)) > most_output:
                return f"{PRINTED} {most_output >> 10:,} KiB"
            if _size(answer) > most_answer:
                return f"{ANSWERED} {most_answer >> 10:,} KiB"
            return None

        stop, control = _pipe(stack)
        reports, report = _pipe(stack)
        words = [str(answer.fileno()) if word == ANSWER else word for word in command]
        numbers = (stop.fileno(), report.fileno(), memory_limit or 0)
        process = subprocess.Popen(
            (sys.executable, "-I", "-S", "-B", _KEEPER, *map(str, numbers), *words),
            stdin=given,
            stdout=output,
            stderr=errors if errors_apart else output,
            env=variables,
            cwd=directory,
            pass_fds=(stop.fileno(), report.fileno(), answer.fileno()),
            start_new_session=True,
        )
        try:
            stop.close()
            report.close()
            deadline = time.monotonic() + time_limit
            poller = select.poll()
            poller.register(reports, select.POLLIN)
            while (ending := excess()) is None:
                remaining = max(0.0, min(deadline - time.monotonic(), _POLL))
                if poller.poll(1 + int(1000 * remaining)):
                    deadline = float("inf")
                    ending = excess()
                    break
        finally:
            # The keeper ends everything when the other end of this pipe is closed.
            control.close()
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        word, _, number = reports.read(100).partition(b"\n")[0].partition(b" ")
        if word == b"failed":
            raise OSError(int(number), os.strerror(int(number)))
        # Without a report it was the keeper that was killed.
        is_reported = word == b"exited"
        code = os.waitstatus_to_exitcode(int(number)) if is_reported else process.returncode
        return ChildEnd(
            ending=ending or _ending_of(code),
            exit_code=code,
            output=os.pread(output.fileno(), most_output, 0),
            errors=os.pread(errors.fileno(), most_output, 0),
            answer=os.pread(answer.fileno(), most_answer, 0),
        )


def _pipe(stack: contextlib.ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    source, sink = os.pipe()
    return (
        stack.enter_context(open(source, "rb", buffering=0)),
        stack.enter_context(open(sink, "wb", buffering=0)),
    )


def _size(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size


def _ending_of(exit_code: int) -> str | None:
    if exit_code >= 0:
        return f"exited with code {exit_code}" if exit_code else None
    try:
        return f"was killed by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"was killed by signal {-exit_code}"
