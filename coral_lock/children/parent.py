"""The program's own process: it starts the runtime, and keeps its children under the lock."""

from __future__ import annotations

import atexit
import os
import time

from coral_lock.children.child import refuse, tell, verify_again, watch_processes
from coral_lock.children.session import VARIABLE, Session, open_session
from coral_lock.errors import INTEGRITY, InputError
from coral_lock.finding import WARNING, Finding, exit_code
from coral_lock.imports.finder import installed_imports, remove_imports
from coral_lock.messages import say, say_findings
from coral_lock.safe_files import default_state_directory
from coral_lock.start.entry_points import plugin_modules
from coral_lock.start.gate import Gate, is_host_installed
from coral_lock.start.locked import prepare_locked
from coral_lock.start.report import STARTED
from coral_lock.verification.origins import loaded_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from coral_lock.children.session import OpenSession
    from coral_lock.imports.table import ImportTable
    from coral_lock.reporting import ReportWriter
    from coral_lock.start.locked import LockedStart
    from coral_lock.start.report import ActivationReport


_BEGINNING_SECONDS = 60
"""For how long a program counts as one that has just begun."""

_MAX_EARLY = 8
"""Of how many lists a child may import early; a machine with more is verified whole."""


class Cover:
    """Starts the runtime in this process, and keeps what it starts under the lock.

    Args:
        start: the machine, verified and not refused.
        conclude: gets the report of a host that starts later, in this process.
        end: ends this process, since a program that has just begun imports a file that
            differs from the lock; None to let the import fail.
        is_strict: whether a process that can't be covered isn't started.
    """

    def __init__(
        self,
        start: LockedStart,
        conclude: Callable[[ActivationReport], None] = lambda report: None,
        end: Callable[[], None] | None = None,
        is_strict: bool = False,
    ) -> None:
        self._start = start
        self._conclude = conclude
        self._end = end
        self._is_strict = is_strict
        self._process = os.getpid()
        self._findings: list[Finding] = []
        self._begun: float | None = None
        self._session: Session | None = None
        self._open_session: OpenSession | None = None

    def open(self, is_eager: bool) -> ActivationReport:
        """Lock the imports, cover what this process starts, and open the gate.

        Args:
            is_eager: see `Gate.open`, whose report this returns.

        Raises:
            InputError: nothing can be covered, and only what is covered may be started.
        """
        self._start.lock_imports(self._refuse_file)
        self._install()
        gate = Gate(
            self._start.plan,
            done=(lambda report: None) if is_eager else self._host_has_started,
            about_to_start=self._about_to_start_host,
        )
        report = gate.open(is_eager)
        self._begun = time.monotonic()
        return report

    def outcome(self) -> tuple[int, tuple[Finding, ...]]:
        """Return what became of the children, and close the session.

        Returns:
            The exit code of other commands for it (0 to 3), and all findings since the start.
        """
        session, self._open_session = self._open_session, None
        markers = session.markers() if session else ()
        if session:
            session.close()
        findings = (*self._findings, *(each for _, found in markers for each in found))
        codes = [code for code, _ in markers if code is not None]
        return max([*codes, exit_code(findings)]), tuple(dict.fromkeys(findings))

    def slow_files(self) -> tuple[str, ...]:
        """Return a sentence about each file whose hash took this process long."""
        found = [each for imports in installed_imports() for each in imports.slow_files()]
        return tuple(dict.fromkeys(found))

    def close(self) -> None:
        """Close the session, unless this is a fork of the process that opened it."""
        if os.getpid() == self._process:
            self.outcome()

    def _install(self) -> None:
        """Write the session for children, if some directory can hold it."""
        session = self._session = _session(self._start, self._is_strict)
        parents = [self._start.state_directory or default_state_directory()]
        if self._start.state_directory is None:
            temporary = os.environ.get("TMPDIR") or "/tmp"
            parents.append(os.path.join(temporary, f"coral-lock-{os.getuid()}"))
        reasons: list[str] = []
        for parent in parents:
            try:
                self._open_session = open_session(session, parent)
            except OSError as error:
                reasons.append(f"`{error.filename or parent}`: {error.strerror}")
                continue
            os.environ[VARIABLE] = self._open_session.variable
            watch_processes(self._note, self._is_strict)
            return
        found = "; ".join(reasons)
        hint = "name a directory that this user can write to with `--state-dir DIR`"
        if self._is_strict:
            raise InputError(
                "nothing that the program starts could be put under the lock",
                found=found,
                hint=f"{hint}, or remove `--strict-children`",
            )
        self._note(
            Finding(
                code="uncovered-child",
                severity=WARNING,
                subject="run",
                summary="what the program starts runs without the lock: no directory can "
                "hold its session",
                found=found,
                hint=hint,
            )
        )

    def _note(self, finding: Finding) -> None:
        """Show a finding, and remember it for the report."""
        if os.getpid() != self._process:
            tell(self._directory, None, finding)
        else:
            say_findings((finding,))
            self._findings.append(finding)

    def _refuse_file(self, finding: Finding) -> None:
        """Show that a file differs from the lock; its import or opening is about to fail.

        The report of a start that is under way has it. A program that has just begun is ended,
        since it might go on without what it imports; later it may handle the error.
        """
        if os.getpid() != self._process:
            tell(self._directory, INTEGRITY, finding)
        elif self._begun is not None:
            self._note(finding)
            if self._end is None:
                return
            if time.monotonic() - self._begun < _BEGINNING_SECONDS:
                self._end()
            say("the file can't be used, and the program goes on: it has been running for a while")

    def _about_to_start_host(self) -> None:
        """Verify the machine again in a fork, which may run long after this process."""
        if os.getpid() == self._process:
            self._begun = None
        elif self._session is not None:
            verify_again(self._session, self._directory)

    def _host_has_started(self, report: ActivationReport) -> None:
        """Conclude the start of this process; end a fork whose start didn't succeed."""
        if os.getpid() == self._process:
            self._conclude(report)
            self._begun = time.monotonic()
        elif report.outcome != STARTED:
            refuse(self._directory, report.exit_code, report.findings)

    @property
    def _directory(self) -> str | None:
        return self._open_session.directory if self._open_session else None


def _session(start: LockedStart, is_strict: bool) -> Session:
    plan = start.plan
    assert plan.lock is not None
    state_directory = start.state_directory and os.path.abspath(start.state_directory)
    trust_directory = start.trust_directory and os.path.abspath(start.trust_directory)
    index = None
    for imports in installed_imports():
        # A child has imported us before its imports are locked.
        names = imports.index.names - {"coral_lock"}
        index = {**imports.index.to_dict(), "names": names, "early": _early_lists(start.table)}
    return Session(
        start={
            "lock_path": os.path.abspath(plan.lock.path),
            "sha256": plan.lock.sha256,
            "integrity": plan.lock.integrity,
            "state_directory": state_directory,
            "closed": start.closed,
            "accepted_only": start.accepted_only,
            "trust_directory": trust_directory,
        },
        config=vars(plan.config),
        plugin_modules=plugin_modules(plan.plugins),
        has_host=is_host_installed(),
        index=index,
        bytecode_directory=start.bytecode_directory,
        is_strict=is_strict,
        startup=tuple(str(each.where) for each in plan.findings if each.code == "unlocked-startup"),
    )


def _early_lists(table: ImportTable | None) -> tuple[Mapping[str, Any], ...]:
    """Return the fields of the lists of what this process imported before its imports were locked.

    A program that starts from a lock late has imported more than what every process does.
    """
    early = []
    for proved in table.lists if table else ():
        loaded = loaded_files(proved.root).intersection(proved.hashes)
        hashes = {path: proved.hashes[path] for path in sorted(loaded)}
        if hashes and not any(path.startswith("coral_lock/") for path in hashes):
            early.append(proved.replace(hashes=hashes).to_dict())
    return tuple(early) if len(early) <= _MAX_EARLY else ()


def start_program(
    lock_path: str, writer: ReportWriter | None, *, is_strict: bool = False, **options: Any
) -> ActivationReport:
    """Start the runtime in this process, which is the program itself, and cover its children.

    Args:
        lock_path: the lock.
        writer: writes the report of the device, if anything does.
        is_strict: see `Cover`.
        options: see `prepare_locked`.

    Raises:
        CoralLockError: the lock, the descriptor or the state directory can't be used.
    """
    remove_imports()
    if writer is not None:
        options["about_to_hash"] = writer.begin
    start = prepare_locked(lock_path, **options)
    if writer is not None:
        writer.keep_secret(start.plan.config.services)
    if start.refusal is not None:
        return start.refusal
    cover = Cover(start, is_strict=is_strict)
    atexit.register(cover.close)
    return cover.open(is_eager=True)
