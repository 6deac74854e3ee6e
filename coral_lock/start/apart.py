"""Work that runs code of plugins, in a process apart, so that its end can't be mistaken.

Whoever runs in a process can end it, with any exit code and at any moment: `os._exit(0)`, or an
`exit` in native code. So the command stays behind in a process in which nothing of a plugin ever
runs. It hands on what the other has printed once that has said that it finished, and an error
where it ended without that. The fork comes before any thread and before anything is imported
that a fork could upset.
"""

from __future__ import annotations

# `signal` imports `enum` to give these names: more than everything else here takes.
import _signal  # type: ignore[import-not-found]
import atexit
import os
import sys

from coral_lock.errors import DOES_NOT_HOLD, CoralLockError, InputError
from coral_lock.start.stdout_guard import duplicate_out_of_the_way, leave_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

_FORWARDED = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2")


class UnfinishedError(CoralLockError):
    """The process apart ended before its work was done."""

    exit_code = DOES_NOT_HOLD


def run_apart(work: Callable[[], int]) -> NoReturn:
    """Do work in a child process, and end with its exit code once it has said that it is done.

    Its standard output is printed then, and not before. A signal that is sent to this process
    reaches the child, and the child doesn't outlive this process (where there is Linux).
    Neither of the two takes the interpreter apart at its end, which takes longer than the fork.

    Args:
        work: returns an exit code. It is called in the child alone.

    Raises:
        UnfinishedError: the child ended before `work` returned.
        InputError: its output can't be printed.
    """
    if sys.stdout is not None:
        sys.stdout.flush()
    _fill_closed_streams()
    output = _anonymous_file()
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        status = duplicate_out_of_the_way(write_end)
        os.close(write_end)
        _end_with_reader(status)
        os.dup2(output, 1)
        os.close(output)
        _work(work, status)
    os.close(write_end)
    wait_status, received = _wait_for(child)
    # Where the child has children itself, they may hold the other end for long.
    os.set_blocking(read_end, False)
    try:
        told = os.read(read_end, 1)
    except BlockingIOError:
        told = b""
    if told:
        _print_file(output)
        leave_process(told[0])
    if received and wait_status == received:
        _die_by(received)
    raise _unfinished(wait_status)


def _work(work: Callable[[], int], status: int) -> NoReturn:
    """Do the work of the child, say that it is done, and end as an interpreter does."""
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


def _anonymous_file() -> int:
    """Return a descriptor of a file that has no name and is gone when nobody has it open."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("coral-lock")
    from tempfile import TemporaryFile

    with TemporaryFile() as file:
        return os.dup(file.fileno())


def _fill_closed_streams() -> None:
    """Let closed standard streams lead nowhere, so that nothing else takes their places."""
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            return


def _end_with_reader(write_end: int) -> None:
    """Have this process killed when nobody reads from a pipe any more: the parent is gone.

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
    """Wait for a child, and hand on the signals that come meanwhile.

    Returns:
        Its status, as `os.wait` has it, and the last signal that was handed on, or 0.
    """
    signals = {getattr(_signal, name) for name in (*_FORWARDED, "SIGCHLD")}
    received = 0
    former = _signal.pthread_sigmask(_signal.SIG_BLOCK, signals)
    # Whoever started us may have ignored it, and then nobody keeps a child's status.
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
                # What a terminal sends, it sends to the child too.
                if is_sent:
                    os.kill(child, number)
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, former)


def _print_file(output: int) -> None:
    """Copy a file to standard output; where nobody reads that any more, that is no error."""
    size = os.fstat(output).st_size
    position = 0
    try:
        while position < size:
            content = os.pread(output, 1 << 20, position)
            position += len(content)
            while content:
                content = content[os.write(1, content) :]
    except BrokenPipeError:
        return
    except OSError as error:
        raise InputError(f"the report can't be written: {error.strerror}", where="stdout") from None


def _die_by(number: int) -> None:
    _signal.signal(number, _signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _unfinished(wait_status: int) -> UnfinishedError:
    code = os.waitstatus_to_exitcode(wait_status)
    found = f"exit code {code}"
    if code < 0:
        found = f"signal {-code}, {_signal.strsignal(-code)}"
    return UnfinishedError(
        "the process was ended before the start had finished",
        expected="a report",
        found=found,
        hint="a plugin, or what it uses, ended it: see what it printed above",
    )
