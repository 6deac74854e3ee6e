"""Running a Python program in this process, as `python PROGRAM` would."""

from __future__ import annotations

import atexit
import io
import os
import sys

from coral_lock.errors import ProgramError
from coral_lock.finding import WARNING, Finding
from coral_lock.record import Record
from coral_lock.start.program_words import (
    ARCHIVE,
    CODE,
    FILE,
    MODULE,
    STDIN,
    ProgramWords,
    read_program_words,
    working_directory,
)
from coral_lock.start.stdout_guard import leave_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import CodeType, ModuleType, TracebackType

    ExitCodeAfter = Callable[[int], "int | None"]

_HOST_PACKAGES = ("coral_inference", "inference")


class Program(Record):
    """A program that is ready to run; `sys.argv` and `sys.path` are already its own.

    `findings` are what a user should know of the way it will be run.
    """

    words: ProgramWords
    ending: Ending
    findings: tuple[Finding, ...] = ()

    def run(self) -> None:
        """Run it as `__main__`. What it raises, `SystemExit` among it, is its own affair.

        The interpreter ends with the exception afterwards, as it would have without us: with
        the same exit code or signal, and a traceback that starts in the program.
        """
        main = _new_main_module(self.words)
        sys.modules["__main__"] = main
        try:
            if self.words.kind in (ARCHIVE, MODULE):
                import runpy

                is_module = self.words.kind == MODULE
                # It runs the code in the present `__main__`, which children of
                # multiprocessing look for; `run_module` would take it away again.
                runpy._run_module_as_main(  # type: ignore[attr-defined]
                    self.words.target if is_module else "__main__", alter_argv=is_module
                )
            else:
                exec(_code_of(self.words, main), vars(main))
        except SystemExit as leaving:
            self.ending.program_exit = _number_of(leaving.code)
            raise
        except BaseException as error:
            import signal

            self.ending.program_exit = -signal.SIGINT if type(error) is KeyboardInterrupt else 1
            _show_without_own_frames(Program.run.__code__)
            raise
        self.ending.program_exit = 0


class Ending:
    """The last word on the exit code, however the program ends, unless a signal kills it.

    It is spoken after the program's threads and `atexit` callbacks have ended, since this
    callback was registered before all of them. A fork of the program has no part in it.

    Args:
        exit_code_after: takes the program's exit code, negative for a signal, and returns the
            one to end with instead, or None to let the interpreter end as it would.
    """

    def __init__(self, exit_code_after: ExitCodeAfter | None) -> None:
        self.program_exit: int | None = None
        self._exit_code_after = exit_code_after
        self._process = os.getpid()
        atexit.register(self._speak)

    def _speak(self) -> None:
        if self.program_exit is None or self._exit_code_after is None:
            return
        if os.getpid() != self._process:
            return
        code = self._exit_code_after(self.program_exit)
        if code is None:
            return
        leave_process(code)


def prepare_program(words: Sequence[str], exit_code_after: ExitCodeAfter | None = None) -> Program:
    """Set `sys.argv` and the first entry of `sys.path` for a program, before verification.

    So the machine is verified with the very path that the program will import from. Where
    the words have options for the interpreter, the process starts again with them first.

    Args:
        words: the program and its arguments, see `read_program_words`.
        exit_code_after: see `Ending`.

    Raises:
        UsageError: no program is named, or it can't be run.
    """
    program = read_program_words(words)
    _require_options(program.options, words)
    first = {MODULE: "-m", CODE: "-c"}.get(program.kind, program.target)
    sys.argv[:] = [first, *program.arguments]
    directory = _first_directory(program)
    if directory is not None:
        sys.path.insert(0, directory)
    return Program(
        words=program, ending=Ending(exit_code_after), findings=tuple(_host_as_main(program))
    )


def _require_options(options: tuple[str, ...], words: Sequence[str]) -> None:
    """Start this process again unless the interpreter has these options already.

    Most of them can't be set in a running interpreter. The process stays the same one.

    Raises:
        ProgramError: it can't be started again.
    """
    started = sys.orig_argv
    if tuple(started[1 : 1 + len(options)]) == options:
        return
    if not sys.executable or started[len(started) - len(words) :] != list(words):
        raise ProgramError(
            f"the interpreter is already running without `{' '.join(options)}`",
            hint="give its options to the command that starts this process",
        )
    os.execv(sys.executable, [started[0], *options, *started[1:]])


def _first_directory(program: ProgramWords) -> str | None:
    """Return what Python would put before the other entries of `sys.path`."""
    if program.kind == ARCHIVE:
        return os.path.join(working_directory(), program.target)
    if _is_path_safe(program.options):
        return None
    if program.kind == MODULE:
        return working_directory()
    return os.path.dirname(os.path.realpath(program.target)) if program.kind == FILE else ""


def _is_path_safe(options: tuple[str, ...]) -> bool:
    """Whether the program is to run with `-P`; that of our own command line isn't its."""
    if "-P" in options or "-I" in options:
        return True
    return (
        sys.version_info >= (3, 11)
        and not ("-E" in options or sys.flags.ignore_environment)
        and bool(os.environ.get("PYTHONSAFEPATH"))
    )


def _host_as_main(program: ProgramWords) -> Iterator[Finding]:
    if program.kind == MODULE and program.target.partition(".")[0] in _HOST_PACKAGES:
        yield Finding(
            code="host-as-main",
            severity=WARNING,
            subject=program.target,
            summary=f"`{program.target}` runs as `__main__`, so patches of that module don't "
            "reach it",
            hint=f"run a file of your own that imports `{program.target}`",
        )


def _new_main_module(program: ProgramWords) -> ModuleType:
    """Return a `__main__` as the interpreter makes it, with nothing of our own command in it."""
    builtins = sys.modules["builtins"]
    module = type(builtins)("__main__")
    if "__annotations__" in vars(sys.modules["__main__"]):
        module.__annotations__ = {}
    names = vars(module)
    names.update(__builtins__=builtins, __loader__=builtins.__loader__)
    if program.kind in (FILE, STDIN):
        names["__file__"] = "<stdin>"
        if sys.version_info < (3, 15):
            names["__cached__"] = None
    if program.kind == FILE:
        from importlib.machinery import SourceFileLoader, SourcelessFileLoader

        is_compiled = program.target.endswith(".pyc")
        names["__file__"] = os.path.join(working_directory(), program.target)
        names["__loader__"] = (SourcelessFileLoader if is_compiled else SourceFileLoader)(
            "__main__", names["__file__"]
        )
    return module


def _code_of(program: ProgramWords, main: ModuleType) -> CodeType:
    if program.kind == FILE and program.target.endswith(".pyc"):
        compiled: CodeType = main.__loader__.get_code("__main__")  # type: ignore[union-attr]
        return compiled
    if program.kind == CODE:
        source: str | bytes = program.target
        name = "<string>"
    else:
        name = str(main.__file__)
        with io.open_code(name) if program.kind == FILE else sys.stdin.buffer as file:
            source = file.read()
    return compile(source, name, "exec", dont_inherit=True)


def _number_of(code: object) -> int:
    """Return the process's exit code for the `code` of a `SystemExit`."""
    if code is None:
        return 0
    return code & 0xFF if isinstance(code, int) else 1


def _show_without_own_frames(first: CodeType) -> None:
    """Let the traceback of the exception that ends this process begin in the program.

    Args:
        first: the code of the function that ran the program.
    """
    show = sys.excepthook
    if not callable(show):
        return

    def show_shortened(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        rest = traceback
        while rest is not None and rest.tb_frame.f_code is not first:
            rest = rest.tb_next
        while rest is not None and rest.tb_frame.f_code.co_filename == first.co_filename:
            rest = rest.tb_next
        show(kind, error.with_traceback(rest), rest)

    sys.excepthook = show_shortened
