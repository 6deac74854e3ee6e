"""The entry point of the `coral-runtime` command."""

from __future__ import annotations

import os
import sys

from coral_lock.errors import (
    BAD_INPUT,
    DOES_NOT_HOLD,
    HOLDS,
    INTERRUPTED,
    CoralLockError,
    InputError,
    describe_exception,
    exit_code_of_run,
)
from coral_lock.import_guard import heed_interrupts, leave_start_directory, raise_import_guard
from coral_lock.messages import keep_stream, say, say_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coral_lock.start.program import Program

_GARBAGE_THRESHOLD = 50_000
"""How many more objects than were freed a command makes before garbage is looked for."""


def main(words: Sequence[str] | None = None) -> int:
    """Run `coral-runtime` with the words after its name; return the exit code.

    `init` ends the process itself once it has begun to verify the machine. No error of this
    project leaves as a traceback: it becomes a message on standard error and an exit code. What
    a program under `run` raises is the program's own.
    """
    if words is None:
        leave_start_directory(sys.argv[0])
        raise_import_guard()
        words = sys.argv[1:]
    outcome, error = _guarded(lambda: _dispatch(words))
    if not isinstance(outcome, int):
        outcome.run()
        return HOLDS
    return exit_code_of_run(outcome, error) if list(words[:1]) == ["run"] else outcome


def _guarded(
    action: Callable[[], int | Program],
) -> tuple[int | Program, BaseException | None]:
    """Call `action`, and print a message for what it raises.

    Returns:
        The exit code, or the program that `run` is to run; and the error, if one was raised.
    """
    try:
        heed_interrupts()
        return action(), None
    except CoralLockError as error:
        say_error(error)
        return error.exit_code, error
    except KeyboardInterrupt as interrupt:
        say(f"interrupted {interrupt}".rstrip())
        return INTERRUPTED, None
    except BrokenPipeError as error:
        _abandon_stdout()
        return DOES_NOT_HOLD, error
    except OSError as error:
        place = str(error.filename or "standard output")
        _abandon_stdout()
        say_error(InputError(f"the system refused: {error.strerror or error}", where=place))
        return BAD_INPUT, error
    except BaseException as error:
        # `SystemExit` too: nobody but a plugin raises it, and it would end us with its code.
        if os.environ.get("CORAL_LOCK_DEBUG"):
            raise
        say_error(
            CoralLockError(
                f"internal error: {describe_exception(error, besides='<')}",
                hint="please report this; CORAL_LOCK_DEBUG=1 shows the traceback",
            )
        )
        return BAD_INPUT, error


def _abandon_stdout() -> None:
    """Discard what is left in the buffer, or the interpreter complains at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _dispatch(words: Sequence[str]) -> int | Program:
    if words and words[0] in ("init", "run"):
        own = words[1 : words.index("--")] if "--" in words else words[1:]
        if not {"-h", "--help"} & set(own):
            return _dispatch_start(words[0], words[1:])
        words = (words[0], "--help")
    import gc

    # A command makes little garbage, and looking for it at every 700 objects takes a part of the
    # time of a short one. A process in which plugins run keeps Python's own threshold.
    gc.set_threshold(_GARBAGE_THRESHOLD)
    from coral_lock.cli.application import run_application

    return run_application(words)


def _dispatch_start(command: str, words: Sequence[str]) -> int | Program:
    from coral_lock.cli.grammar import parse

    arguments = parse(command, words)
    keep_stream()
    from coral_lock.cli.start import init, run

    if command == "run":
        return run(arguments)
    from coral_lock.start.process import run_in_child

    return run_in_child(lambda: _exit_code(lambda: init(arguments)))


def _exit_code(action: Callable[[], int]) -> int:
    """Call `action` in a child process; return its exit code, or that of its error."""
    outcome, _ = _guarded(action)
    assert isinstance(outcome, int)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
