"""A process under a lock: it verifies, and watches what it starts itself.

A child verifies when it first imports the host or a locked package. Starting a process raises an
audit event (PEP 578), except by the start methods of `multiprocessing`, whose processes inherit
the environment.
"""

from __future__ import annotations

import os
import sys
from _thread import RLock

from coral_lock.children.session import VARIABLE, leave_marker, read_session
from coral_lock.errors import INTEGRITY
from coral_lock.import_guard import startup_module
from coral_lock.imports.finder import install_imports
from coral_lock.imports.hooks import watch
from coral_lock.imports.table import ImportIndex, ImportTable, ProvedList
from coral_lock.start.entry_points import GateHooks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NoReturn

    from coral_lock.children.session import Session
    from coral_lock.finding import Finding
    from coral_lock.start.gate import Gate
    from coral_lock.start.locked import LockedStart
    from coral_lock.start.report import ActivationReport

EXIT_CODE = 3
"""The exit code of a refusal: uvicorn and gunicorn don't respawn a worker for ever after it."""

_STARTS = ("os.exec", "os.posix_spawn", "os.system", "os.unsetenv", "subprocess.Popen")
_MAX_SHOWN = 80


class Child:
    """This process, started by a program that runs under a lock.

    Args:
        variable: the value of the environment variable that names the session.

    Raises:
        InputError: the session can't be used.
    """

    def __init__(self, variable: str) -> None:
        self._session, self._directory = read_session(variable)
        self._lock = RLock()
        self._start: LockedStart | None = None
        self._gate: Gate | None = None

    def install(self) -> None:
        """Let imports and entry points be those of the lock from now on."""
        session = self._session
        if session.index and session.index["roots"]:
            install_imports(
                ImportIndex(
                    **{**session.index, "early": tuple(map(_proved_list, session.index["early"]))}
                ),
                lambda: self._verified().table or ImportTable(()),
                on_mismatch=lambda finding: tell(self._directory, INTEGRITY, finding),
                bytecode_directory=session.bytecode_directory,
                closed=session.start["closed"],
            )
        activate = None
        if not session.has_host:
            from coral_lock.plugin.spec import install_shim

            install_shim()
            activate = self._activate
        hooks = GateHooks(self._opened, session.plugin_modules, session.has_host, activate)
        hooks.before["sitecustomize"] = lambda: self._report_unlocked("sitecustomize")
        hooks.before["usercustomize"] = lambda: self._report_unlocked("usercustomize")
        hooks.install()
        watch_processes(lambda finding: tell(self._directory, None, finding), session.is_strict)

    def _report_unlocked(self, name: str) -> None:
        """Say what runs at the start of this process that isn't locked, nor known to `run`."""
        known = (None, *self._session.startup)
        if startup_module(name) in known:
            return
        found = [each for each in self._verified().plan.findings if each.where not in known]
        found = [each for each in found if each.code == "unlocked-startup"]
        if found:
            tell(self._directory, None, *found)

    def _verified(self) -> LockedStart:
        with self._lock:
            if self._start is None:
                self._start = verify_again(self._session, self._directory)
            return self._start

    def _opened(self) -> Gate:
        with self._lock:
            if self._gate is None:
                from coral_lock.start.gate import Gate

                self._gate = Gate(self._verified().plan, self._conclude)
            return self._gate

    def _activate(self) -> None:
        with self._lock:
            if self._gate is None:
                self._conclude(self._opened().activate())

    def _conclude(self, report: ActivationReport) -> None:
        """End this process if the start of its runtime didn't succeed."""
        if report.outcome != "started":
            refuse(self._directory, report.exit_code, report.findings)


def _proved_list(fields: Mapping[str, Any]) -> ProvedList:
    return ProvedList(**fields)


def tell(directory: str | None, exit_code: int | None, *findings: Finding) -> None:
    """Show findings, and report them to the program of a session, see `leave_marker`."""
    from coral_lock.messages import say_findings

    say_findings(findings)
    leave_marker(directory, exit_code, findings)


def verify_again(session: Session, directory: str | None) -> LockedStart:
    """Read the lock of a session and verify this machine; end this process if it doesn't match.

    Args:
        session: the session.
        directory: its directory, if it has been written.
    """
    from coral_lock.errors import CoralLockError
    from coral_lock.plugin.config import RuntimeConfig
    from coral_lock.start.locked import prepare_locked

    config = RuntimeConfig()
    vars(config).update(session.config)
    try:
        start = prepare_locked(config=config, **session.start)
    except CoralLockError as error:
        from coral_lock.finding import finding_of_error

        refuse(directory, error.exit_code, (finding_of_error(error),))
    if start.refusal is not None:
        refuse(directory, start.refusal.exit_code, start.refusal.findings)
    return start


def refuse(directory: str | None, exit_code: int, findings: tuple[Finding, ...]) -> NoReturn:
    """End this process since it doesn't match the lock, and report that to `run`.

    Args:
        directory: that of the session, if there is one.
        exit_code: what any other command would end with: 1, 2 or 3.
        findings: why.
    """
    from coral_lock.messages import say
    from coral_lock.start.process import leave_process

    tell(directory, exit_code, *findings)
    say(f"start refused: the child process {os.getpid()} is ended")
    leave_process(EXIT_CODE)


def watch_processes(note: Callable[[Finding], None], is_strict: bool) -> None:
    """Call `note` once for each kind of process that can't be covered.

    Args:
        note: gets a finding.
        is_strict: whether such a process isn't started: what starts it raises
            `UncoveredChildError`.
    """
    known: set[str] = set()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        uncovered = _uncovered(event, arguments)
        if uncovered is None:
            return
        from coral_lock.errors import UncoveredChildError
        from coral_lock.finding import ERROR, WARNING, Finding

        command, reason = uncovered
        what = "wasn't started" if is_strict else "runs without the lock"
        summary = f"`{command}` {what}: {reason}"
        hint = (
            "start it with this environment's Python, without `-S`, and keep "
            f"`{VARIABLE}` in its environment"
        )
        if summary not in known:
            known.add(summary)
            note(
                Finding(
                    code="uncovered-child",
                    severity=ERROR if is_strict else WARNING,
                    subject=os.path.basename(command.partition(" ")[0]) or "python",
                    summary=summary,
                    hint=hint,
                )
            )
        if is_strict:
            raise UncoveredChildError(summary, hint=hint)

    watch(hook, *_STARTS)


def _uncovered(event: str, arguments: tuple[Any, ...]) -> tuple[str, str] | None:
    """Return the command of an audit event and why it can't be covered, None if it can."""
    if event == "os.unsetenv":
        if os.fsdecode(arguments[0]) != VARIABLE:
            return None
        return "python", f"the program has removed `{VARIABLE}` from its environment"
    from coral_lock.errors import ProgramError
    from coral_lock.start.command import (
        is_this_interpreter,
        names_python,
        shebang,
        split_options,
    )

    words: list[Any]
    environment: Mapping[Any, Any] | None = None
    executable = arguments[0]
    if event == "os.system":
        words = os.fsdecode(executable).split()
        executable = words[0] if words else ""
    elif event == "subprocess.Popen":
        _, found, _, environment = arguments
        words = [found] if isinstance(found, (str, bytes, os.PathLike)) else list(found)
        executable = executable or words[0]
    else:
        _, found, environment = arguments
        words = list(found)
    name, words = os.fsdecode(executable), [os.fsdecode(word) for word in words]
    interpreter, options = name, words[1:]
    if not names_python(name):
        try:
            interpreter, *options = shebang(_find(name) or name) or [name]
        except (ProgramError, ValueError):
            return None
        if not names_python(interpreter):
            return None
    path = _find(interpreter) or interpreter
    command = " ".join([os.path.basename(words[0]), *words[1:]])
    command = command if len(command) <= _MAX_SHOWN else command[: _MAX_SHOWN - 1] + "…"
    if "-S" in split_options(options)[0]:
        return command, "`-S` disables what puts a process under it"
    if not sys.executable or not os.path.exists(path) or not is_this_interpreter(path):
        return command, f"`{path}` isn't this environment's interpreter"
    if VARIABLE not in map(os.fsdecode, os.environ if environment is None else environment):
        return command, f"`{VARIABLE}` isn't in its environment"
    return None


def _find(name: str) -> str | None:
    if "/" in name:
        return name if os.path.isfile(name) else None
    for directory in os.get_exec_path():
        path = os.path.join(directory, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None
