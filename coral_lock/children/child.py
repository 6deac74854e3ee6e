"""A child process under a lock: it verifies when it imports the host or a locked package."""

from __future__ import annotations

import os
from _thread import RLock

from coral_lock.children.session import leave_marker, read_session
from coral_lock.children.watch import watch_processes
from coral_lock.errors import INTEGRITY
from coral_lock.imports.finder import install_imports
from coral_lock.imports.table import ImportIndex, ImportTable
from coral_lock.start.entry_points import GateHooks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from coral_lock.children.session import Session
    from coral_lock.finding import Finding
    from coral_lock.start.gate import Gate
    from coral_lock.start.locked import LockedStart
    from coral_lock.start.report import ActivationReport

EXIT_CODE = 3
"""The exit code of a refusal: uvicorn and gunicorn don't respawn a worker for ever after it."""


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
        if session.index is not None and session.index["roots"]:
            install_imports(
                ImportIndex(**session.index),
                self._table,
                on_mismatch=lambda finding: self._note(finding, INTEGRITY),
                bytecode_directory=session.bytecode_directory,
                closed=session.is_closed,
            )
        activate = None
        if not session.has_host:
            from coral_lock.plugin.spec import install_shim

            install_shim()
            activate = self._activate
        GateHooks(self._opened, session.plugin_modules, session.has_host, activate).install()
        watch_processes(lambda finding: self._note(finding, None), session.is_strict)

    def _table(self) -> ImportTable:
        return self._verified().table or ImportTable(())

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

    def _note(self, finding: Finding, exit_code: int | None) -> None:
        from coral_lock.messages import say_findings

        say_findings((finding,))
        leave_marker(self._directory, exit_code, (finding,))


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
        start = prepare_locked(
            session.lock_path,
            config=config,
            integrity=session.integrity,
            state_directory=session.state_directory,
            closed=session.is_closed,
            sha256=session.lock_sha256,
        )
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
    from coral_lock.messages import say, say_findings
    from coral_lock.start.process import leave_process

    say_findings(findings)
    say(f"start refused: the child process {os.getpid()} is ended")
    leave_marker(directory, exit_code, findings)
    leave_process(EXIT_CODE)
