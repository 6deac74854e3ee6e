"""The program between this project and a child that it doesn't trust; nothing imports it.

What the child leaves behind becomes a child of this process, whatever session it is in
(`PR_SET_CHILD_SUBREAPER`, Linux alone), and is killed before this process ends.

Its arguments are three numbers and the command: the descriptor whose end of file ends the
command, the descriptor to report on, and the bytes of memory that each process may have (0
for any). It reports one line: `exited <status>`, as `os.waitpid` gives it, or
`failed <errno>` where the command can't be run.
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
    control, report, memory = map(int, sys.argv[1:4])
    os.set_inheritable(control, False)
    os.set_inheritable(report, False)
    _control_process(_SET_CHILD_SUBREAPER, 1)
    child = os.fork()
    if child == 0:
        _run(sys.argv[4:], memory, report)
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if select.select([control], [], [], _PAUSE)[0]:
            break
    # As the child isn't waited for yet, its number can't belong to others.
    _kill(os.killpg, child)
    _kill(os.kill, child)
    status = os.waitpid(child, 0)[1]
    _sweep()
    os.write(report, b"exited %d\n" % status)


def _control_process(option: int, value: int) -> None:
    """Call `prctl` where the system has it."""
    if sys.platform == "linux":
        try:
            import ctypes

            ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
        except (ImportError, OSError, AttributeError):
            return


def _run(command: Sequence[str], memory: int, report: int) -> None:
    """Become the command."""
    try:
        _control_process(_SET_DEATH_SIGNAL, signal.SIGKILL)
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
    own = str(os.getpid()).encode()
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as status:
                    # The name of the program is in parentheses, and may hold some itself.
                    fields = status.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if fields[1:2] == [own]:
                yield int(name)


def _kill(kill: Callable[[int, int], None], number: int) -> None:
    try:
        kill(number, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


if __name__ == "__main__":
    main()
