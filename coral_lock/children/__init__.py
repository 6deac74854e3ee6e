"""Keeping every process of a program that runs under a lock under that lock.

`coral_lock.pth`, which is in the wheel, calls `enter` at every start of Python whose environment
has the variable; `coral_lock.start` does so from Python 3.15 on (PEP 829). Python would print an
exception in either and run the program, so whatever goes wrong here ends the process.
"""

from __future__ import annotations

import os
import sys

_TRACKER = "from multiprocessing.resource_tracker import main;main("


def enter() -> None:
    """Put this process under the lock that the environment names, if it names one.

    It costs about a millisecond: the lock is read, and the machine verified, when the first
    locked package or the host is imported.
    """
    variable = os.environ.get("CORAL_LOCK_RUN")
    if not variable or _is_resource_tracker():
        return
    own = os.path.join(os.path.dirname(sys.executable), "coral-runtime")
    if "".join(sys.argv[:1]) == own:
        # Our own command guards its imports itself, and may outlive the session.
        return
    try:
        from coral_lock.children.child import Child

        Child(variable).install()
    except BaseException as error:
        hint = getattr(error, "hint", None)
        sys.stderr.write(
            f"error: this process can't be put under its lock: {error}\n"
            + (f"  hint: {hint}\n" if hint else "")
        )
        sys.stderr.flush()
        os._exit(3)


def _is_resource_tracker() -> bool:
    """Whether this process is the one of `multiprocessing` that may outlive the program.

    It imports nothing but the standard library. CPython 3.10 to 3.14 start it as `-c CODE`, with
    nothing behind it, and only the number of a descriptor differs.
    """
    code = "".join(sys.orig_argv[-1:])
    number = code[len(_TRACKER) : -1]
    return sys.argv == ["-c"] and number.isdecimal() and code == f"{_TRACKER}{number})"
