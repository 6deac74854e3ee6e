"""The program that stands between this project and a child it doesn't trust; nothing imports it.

What the child leaves behind becomes a child of this process, whatever session it is in
(`PR_SET_CHILD_SUBREAPER`, Linux alone), and is killed before this process ends.

Its arguments are four numbers and the command: the descriptor whose end says that the
command is to end, the one to report on, the bytes of memory that each process may have (0
for any), the descriptor that only the command keeps (-1 for none). It reports one line:
`exited <status>`, as `os.waitpid` has it, or `failed <errno>` where the command can't be run.
"""

from __future__ import annotations

import os
import select
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_SET_CHILD_SUBREAPER, _SET_DEATH_SIGNAL = 36, 1
_ROUNDS = 2000
_PAUSE = 0.005


def main() -> None:
    """Run the command, then end all that it started."""
    control, report, memory, kept = map(int, sys.argv[1:5])
    os.set_inheritable(control, False)
    os.set_inheritable(report, False)
    control_process = _process_control()
    # What the child leaves behind becomes a child of this process.
    control_process(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    waking, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    child = os.fork()
    if child == 0:
        control_process(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        _run(sys.argv[5:], memory, report)
    _let_go(kept)
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        ready, _, _ = select.select([control, waking], [], [])
        if control in ready:
            break
        os.read(waking, 1 << 10)
    # As the child isn't waited for yet, its number can't belong to others.
    _kill(os.killpg, child)
    _kill(os.kill, child)
    status = os.waitpid(child, 0)[1]
    _sweep()
    os.write(report, b"exited %d\n" % status)


def _process_control() -> Callable[..., object]:
    """Return `prctl`, or what does nothing where the system has none."""
    try:
        import ctypes

        function: Callable[..., object] = ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):
        return lambda *_: None
    return function if sys.platform == "linux" else lambda *_: None


def _run(command: Sequence[str], memory: int, report: int) -> None:
    """Become the command."""
    try:
        for number in (signal.SIGPIPE, getattr(signal, "SIGXFSZ", signal.SIGPIPE)):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        if memory:
            _limit_memory(memory)
        os.execve(command[0], list(command), os.environ)
    except OSError as error:
        os.write(report, b"failed %d\n" % (error.errno or 0))
    finally:
        os._exit(127)


def _limit_memory(memory: int) -> None:
    """Limit the data of a process; its address space may be many times what it uses."""
    import resource

    try:
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        if most == resource.RLIM_INFINITY or memory < most:
            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    except (OSError, ValueError):
        return


def _let_go(kept: int) -> None:
    """Close what is the command's, so that its end shows."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    if kept >= 0:
        os.close(kept)


def _sweep() -> None:
    """End all children; what they leave behind become children in their turn."""
    for _ in range(_ROUNDS):
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        for number in _children():
            _kill(os.kill, number)
        select.select([], [], [], _PAUSE)


def _children() -> Iterator[int]:
    own = str(os.getpid())
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as status:
                    # The name of the program is in parentheses, and may hold some itself.
                    fields = status.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if fields[1:2] == [own.encode()]:
                yield int(name)


def _kill(kill: Callable[[int, int], None], number: int) -> None:
    try:
        kill(number, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


if __name__ == "__main__":
    main()
