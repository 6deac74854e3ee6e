"""Running a program of which nothing is known, for what it prints: bounded in time and size."""

from __future__ import annotations

import os
import subprocess
import threading

from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_OUTPUT = 1 << 20
_CHUNK = 1 << 16
_GRACE = 1.0
_DROPPED = ("CORAL_", "PYTHON", "__PYVENV_LAUNCHER__")


class Printed(Record):
    """What a program printed, on standard output and error together, up to a bound.

    `timed_out` says that it was ended because it took too long.
    """

    text: str
    timed_out: bool


def run_isolated(command: Sequence[str], time_limit: float) -> Printed:
    """Run a program with nothing to read, and end it with all that it started.

    It doesn't see the variables that change what Python or this project does.

    Args:
        command: the program and its arguments.
        time_limit: the seconds that it may take.

    Raises:
        OSError: it can't be started.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_variables(os.environ),
        cwd=os.path.abspath(os.sep),
        start_new_session=True,
    )
    reader = _Reader(process)
    try:
        reader.join(time_limit)
        timed_out = reader.is_alive()
    finally:
        _end(process)
    # What left the group still holds the pipe; it isn't waited for.
    reader.join(_GRACE)
    return Printed(text=bytes(reader.content).decode("utf-8", "replace"), timed_out=timed_out)


class _Reader(threading.Thread):
    """Reads what a process prints until it ends or has printed too much."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        assert process.stdout is not None
        self._output = process.stdout
        self.content = bytearray()
        self.start()

    def run(self) -> None:
        with self._output:
            while len(self.content) < MAX_OUTPUT:
                chunk = os.read(self._output.fileno(), _CHUNK)
                if not chunk:
                    return
                self.content += chunk


def _end(process: subprocess.Popen[bytes]) -> None:
    if os.name == "posix":
        import signal

        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            process.kill()
    else:
        process.kill()
    process.wait()


def _variables(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(_DROPPED)}
