"""The process of a start: its standard output, its end, and the child that runs plugin code.

Code in a process can end it, with any exit code and at any moment: `os._exit(0)`, or an `exit` in
native code. `init` therefore forks, and no plugin code runs in the parent. The parent prints the
child's output after the child has reported that it finished, and an error if the child ended
without that report. It forks before any thread starts and before anything is imported that a fork
could break.
"""

from __future__ import annotations

# `signal` imports `enum` to give these names: more than everything else here takes.
import _signal  # type: ignore[import-not-found]
import atexit
import errno
import os
import sys
from os import _exit

from coral_lock.errors import DOES_NOT_HOLD, CoralLockError, InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

_FORWARDED = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2")


class UnfinishedError(CoralLockError):
    """The child process ended before its work was done."""

    exit_code = DOES_NOT_HOLD


class StdoutGuard:
    """Redirects standard output to standard error, except for one document.

    The redirection is one of file descriptors, so it holds for C code and child processes too.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self._streams = {name: getattr(sys, name) for name in ("stdout", "stderr")}
        _flush()
        _fill_closed_streams()
        self._saved = duplicate_high(1)
        os.dup2(2, 1)

    def write_document(self, text: str) -> None:
        """Write to the real standard output, unless this is a fork.

        Raises:
            OSError: it can't be written, e.g. since its reader is gone.
        """
        if os.getpid() == self._process:
            _write(self._saved, text.encode("utf-8", "backslashreplace"))

    def release(self) -> None:
        """Restore standard output, and the Python streams where a plugin broke them."""
        for name, stream in self._streams.items():
            if not _is_stream(getattr(sys, name, None)):
                setattr(sys, name, stream)
        _flush()
        os.dup2(self._saved, 1)
        os.close(self._saved)


def leave_process(exit_code: int) -> NoReturn:
    """Flush the standard streams and end this process; a program can't catch it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            continue
    _exit(exit_code)


def run_in_child(work: Callable[[], int]) -> NoReturn:
    """Run `work` in a child process, and end with its exit code once the child has finished.

    The child's standard output is printed then. Signals sent to this process are forwarded to
    the child. On Linux the child is killed when this process ends. Neither process runs the
    interpreter's finalization, which takes longer than the fork.

    Args:
        work: returns an exit code. It is called in the child alone.

    Raises:
        UnfinishedError: the child ended before `work` returned.
        InputError: its output can't be printed.
    """
    _flush()
    _fill_closed_streams()
    if hasattr(os, "memfd_create"):
        output = os.memfd_create("coral-lock")
    else:
        from tempfile import TemporaryFile

        with TemporaryFile() as file:
            output = os.dup(file.fileno())
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        status = duplicate_high(write_end)
        os.close(write_end)
        _end_with_reader(status)
        os.dup2(output, 1)
        os.close(output)
        _work(work, status)
    os.close(write_end)
    wait_status, received = _wait_for(child)
    # Children of the child may keep the other end open for long.
    os.set_blocking(read_end, False)
    try:
        exit_code = os.read(read_end, 1)
    except BlockingIOError:
        exit_code = b""
    if exit_code:
        _print_file(output)
        leave_process(exit_code[0])
    if received and wait_status == received:
        _signal.signal(received, _signal.SIG_DFL)
        os.kill(os.getpid(), received)
    code = os.waitstatus_to_exitcode(wait_status)
    raise UnfinishedError(
        "the process was ended before the start had finished",
        expected="a report",
        found=f"exit code {code}" if code >= 0 else f"signal {-code}, {_signal.strsignal(-code)}",
        hint="a plugin, or native code that it uses, ended it: see its output above",
    )


def _work(work: Callable[[], int], status: int) -> NoReturn:
    """Do the child's work, report its exit code to the parent, and end as an interpreter does."""
    worker = os.getpid()
    code = work()
    try:
        # A plugin that forks may leave us with two of these.
        if os.getpid() == worker:
            os.write(status, bytes((code,)))
        if "threading" in sys.modules:
            sys.modules["threading"]._shutdown()
        atexit._run_exitfuncs()
    finally:
        leave_process(code)


def _fill_closed_streams() -> None:
    """Open the null device in place of closed standard streams, so that nothing else gets there."""
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            return


def _end_with_reader(write_end: int) -> None:
    """Have this process killed when the reader of a pipe, its parent, is gone.

    Linux signals the owner of a descriptor with `O_ASYNC` (fcntl(2)) when the other end closes.
    """
    import fcntl

    try:
        fcntl.fcntl(write_end, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(write_end, fcntl.F_SETSIG, 9)  # type: ignore[attr-defined,unused-ignore]
        flags = fcntl.fcntl(write_end, fcntl.F_GETFL)
        fcntl.fcntl(write_end, fcntl.F_SETFL, flags | os.O_ASYNC)  # type: ignore[attr-defined,unused-ignore]
    except (AttributeError, OSError):
        return


def _wait_for(child: int) -> tuple[int, int]:
    """Wait for a child, and forward the signals that arrive meanwhile.

    Returns:
        Its status, as `os.wait` has it, and the last signal that was forwarded, or 0.
    """
    signals = {getattr(_signal, name) for name in (*_FORWARDED, "SIGCHLD")}
    received = 0
    former = _signal.pthread_sigmask(_signal.SIG_BLOCK, signals)
    # If our parent ignored it, the status of a child would be lost.
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    try:
        while True:
            try:
                done, status = os.waitpid(child, os.WNOHANG)
            except ChildProcessError:
                return 0, 0
            if done:
                return status, received
            if hasattr(_signal, "sigwaitinfo"):
                information = _signal.sigwaitinfo(signals)
                number, is_sent = information.si_signo, information.si_code <= 0
            else:
                number, is_sent = _signal.sigwait(signals), True
            if number != _signal.SIGCHLD:
                received = number
                # A terminal sends its signals to the child too.
                if is_sent:
                    os.kill(child, number)
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, former)


def _print_file(output: int) -> None:
    """Copy a file to standard output; a reader that is gone is no error."""
    position = 0
    try:
        while content := os.pread(output, 1 << 20, position):
            _write(1, content)
            position += len(content)
    except BrokenPipeError:
        return
    except OSError as error:
        raise InputError(
            f"the report can't be written: {error.strerror}", where="standard output"
        ) from None


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def duplicate_high(descriptor: int) -> int:
    """Duplicate a descriptor to a high number that isn't inherited.

    Programs write to low numbers, and the lowest may be a standard stream that is closed.
    """
    import fcntl

    for lowest in (1000, 200):
        try:
            return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, lowest)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EMFILE):
                raise
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)


def _is_stream(stream: object) -> bool:
    try:
        return callable(stream.flush) and callable(stream.write)  # type: ignore[attr-defined]
    except BaseException:
        return False


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()
