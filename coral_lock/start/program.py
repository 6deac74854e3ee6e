"""Running a Python program in this process, as `python PROGRAM` would."""

from __future__ import annotations

import atexit
import io
import os
import sys

from coral_lock.errors import OWN_FILES, ProgramError
from coral_lock.finding import Finding
from coral_lock.import_guard import import_startup_modules
from coral_lock.start.command import (
    ARCHIVE,
    CODE,
    FILE,
    MODULE,
    STDIN,
    Command,
    read_command,
    working_directory,
)
from coral_lock.start.process import leave_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType, ModuleType, TracebackType

    ExitCodeAfter = Callable[[int], "int | None"]

_HOST_PACKAGES = ("coral_inference", "inference")


class Program:
    """A program that is ready to run; `sys.argv` and `sys.path` are already its own.

    `file` is where it is, if it is a file, and `findings` are what a user should know of the way it
    will be run.

    Args:
        command: what it is.
        exit_code_after: takes the program's exit code, negative for a signal, and returns the
            one to end with instead, or None to let the interpreter end as it would.
    """

    def __init__(self, command: Command, exit_code_after: ExitCodeAfter) -> None:
        self.command = command
        self.file = command.target if command.kind in (ARCHIVE, FILE) else None
        self.findings: tuple[Finding, ...] = ()
        if command.kind == MODULE and command.target.partition(".")[0] in _HOST_PACKAGES:
            host_as_main = Finding(
                code="host-as-main",
                subject=command.target,
                summary=f"`{command.target}` runs as `__main__`, so patches of that module don't "
                "reach it",
                hint=f"run a file of your own that imports `{command.target}`",
            )
            self.findings = (host_as_main,)
        self._exit_code_after = exit_code_after
        self._exit_code: int | None = None
        self._process = os.getpid()
        # Registered before any callback of the program, so it is called after all of them and
        # after the program's threads have ended.
        atexit.register(self._end)

    def run(self) -> None:
        """Run it as `__main__`. What it raises, `SystemExit` included, is the program's own.

        The interpreter then ends with the exception as it would under plain Python: with the
        same exit code or signal, and a traceback that starts in the program.
        """
        import_startup_modules()
        command = self.command
        main = _new_main_module(command)
        sys.modules["__main__"] = main
        try:
            if command.kind in (ARCHIVE, MODULE):
                import runpy

                is_module = command.kind == MODULE
                if is_module:
                    _explain_hidden(command.target)
                # It runs the code in the present `__main__`, which children of
                # multiprocessing look for; `run_module` would restore the former one.
                runpy._run_module_as_main(  # type: ignore[attr-defined]
                    command.target if is_module else "__main__", alter_argv=is_module
                )
            else:
                exec(_code_of(command, main), vars(main))
        except SystemExit as leaving:
            code = leaving.code
            self._exit_code = code & 0xFF if isinstance(code, int) else int(code is not None)
            raise
        except BaseException as error:
            self._exit_code = -2 if type(error) is KeyboardInterrupt else 1
            if isinstance(error, ModuleNotFoundError) and error.name:
                _explain_hidden(error.name)
            _show_without_own_frames(Program.run.__code__)
            raise
        self._exit_code = 0

    def _end(self) -> None:
        """Decide on the exit code, unless this is a fork of the program."""
        if self._exit_code is None or os.getpid() != self._process:
            return
        code = self._exit_code_after(self._exit_code)
        if code is not None:
            leave_process(code)


def prepare_program(words: Sequence[str], exit_code_after: ExitCodeAfter) -> Program:
    """Set `sys.argv` and the first entry of `sys.path` for a program, before verification.

    The machine is therefore verified with the path that the program will import from. If the
    words have options for the interpreter, the process first starts again with them.

    Args:
        words: the program and its arguments, see `read_command`.
        exit_code_after: see `Program`.

    Raises:
        UsageError: no program is named, or it can't be run.
    """
    command = read_command(words)
    _require_options(command.options, words)
    first = {MODULE: "-m", CODE: "-c"}.get(command.kind, command.target)
    sys.argv[:] = [first, *command.arguments]
    directory = _first_directory(command)
    if directory is not None:
        sys.path.insert(0, directory)
    return Program(command, exit_code_after)


def _require_options(options: tuple[str, ...], words: Sequence[str]) -> None:
    """Start this process again unless the interpreter already has these options.

    Most of them can't be set in a running interpreter. The process id stays the same.

    Raises:
        ProgramError: it can't be started again.
    """
    started = sys.orig_argv
    if tuple(started[1 : 1 + len(options)]) == options:
        return
    if not sys.executable or started[len(started) - len(words) :] != list(words):
        raise ProgramError(
            f"the interpreter is already running without `{' '.join(options)}`",
            hint="pass its options to the command that starts this process",
        )
    os.execv(sys.executable, [started[0], *options, *started[1:]])


def _first_directory(command: Command) -> str | None:
    """Return what Python would put before the other entries of `sys.path`."""
    options = command.options
    if command.kind == ARCHIVE:
        return os.path.join(working_directory(), command.target)
    # `-P` and `-E` of our own command line aren't the program's.
    is_isolated = "-P" in options or "-I" in options
    ignores_variables = "-E" in options or sys.flags.ignore_environment
    is_safe = not ignores_variables and bool(os.environ.get("PYTHONSAFEPATH"))
    if is_isolated or (is_safe and sys.version_info >= (3, 11)):
        return None
    if command.kind == MODULE:
        return working_directory()
    return os.path.dirname(os.path.realpath(command.target)) if command.kind == FILE else ""


def _new_main_module(command: Command) -> ModuleType:
    """Return a `__main__` as the interpreter makes it, with nothing of our own command in it."""
    builtins = sys.modules["builtins"]
    module = type(builtins)("__main__")
    if "__annotations__" in vars(sys.modules["__main__"]):
        module.__annotations__ = {}
    names = vars(module)
    names.update(__builtins__=builtins, __loader__=builtins.__loader__)
    if command.kind in (FILE, STDIN):
        names["__file__"] = "<stdin>"
        if sys.version_info < (3, 15):
            names["__cached__"] = None
    if command.kind == FILE:
        from importlib.machinery import SourceFileLoader, SourcelessFileLoader

        is_compiled = command.target.endswith(".pyc")
        names["__file__"] = os.path.join(working_directory(), command.target)
        names["__loader__"] = (SourcelessFileLoader if is_compiled else SourceFileLoader)(
            "__main__", names["__file__"]
        )
    return module


def _code_of(command: Command, main: ModuleType) -> CodeType:
    if command.kind == CODE:
        return compile(command.target, "<string>", "exec", dont_inherit=True)
    if command.target.endswith(".pyc"):
        compiled: CodeType = main.__loader__.get_code("__main__")  # type: ignore[union-attr]
        return compiled
    name = str(main.__file__)
    with io.open_code(name) if command.kind == FILE else sys.stdin.buffer as file:
        return compile(file.read(), name, "exec", dont_inherit=True)


def _explain_hidden(module: str) -> None:
    """Say that a module can't be found because `--closed` hides its distribution, if it does."""
    from coral_lock.imports.finder import installed_imports

    top = module.partition(".")[0]
    for imports in installed_imports():
        if top in imports.index.names:
            continue
        for entry in filter(imports.is_closed, sys.path):
            names = os.listdir(entry) if os.path.isdir(entry) else ()
            for name in (name for name in names if name.partition(".")[0] == top):
                from coral_lock.messages import say_error

                error = ProgramError(
                    f"`{top}` can't be imported: the lock doesn't name its distribution, so "
                    "`--closed` hides it",
                    where=os.path.join(entry, name),
                    hint="add the distribution to `program.requires` in the descriptor, and "
                    "re-lock with `coral-runtime lock`",
                )
                say_error(error)
                return


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
        rest = _without_own_imports(rest)
        show(kind, error.with_traceback(rest), rest)

    sys.excepthook = show_shortened


def _without_own_imports(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback without our hooks of imports, and the imports that called them.

    Python leaves out its imports itself, but not where frames of ours are among them.
    """
    entries = []
    while traceback is not None:
        entries.append(traceback)
        traceback = traceback.tb_next
    files = [entry.tb_frame.f_code.co_filename for entry in entries]
    if not any(file.startswith(OWN_FILES) for file in files):
        return entries[0] if entries else None
    rest = None
    for entry, file in reversed(list(zip(entries, files))):
        if not file.startswith((OWN_FILES, "<frozen importlib")):
            rest = type(entry)(rest, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return rest
