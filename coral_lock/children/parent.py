"""The program's own process: it tells its children of the lock, and hears what became of them."""

from __future__ import annotations

import atexit
import os
import time

from coral_lock.children.child import refuse
from coral_lock.children.session import VARIABLE, Marker, Session, leave_marker, open_session
from coral_lock.children.watch import watch_processes
from coral_lock.errors import INTEGRITY, CoralLockError, InputError
from coral_lock.finding import WARNING, Finding, exit_code, finding_of_error
from coral_lock.host.context import is_host_installed
from coral_lock.host.import_hooks import plugin_modules
from coral_lock.imports.bytecode import default_state_directory
from coral_lock.imports.finder import remove_imports
from coral_lock.messages import say, say_findings
from coral_lock.start.gate import Gate
from coral_lock.start.locked import prepare_locked
from coral_lock.start.report import STARTED
from coral_lock.verification.machine import IMPORTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coral_lock.children.session import OpenSession
    from coral_lock.descriptor.model import Descriptor
    from coral_lock.start.locked import LockedStart
    from coral_lock.start.report import ActivationReport


_BEGINNING_SECONDS = 60
"""For how long a program counts as one that has just begun."""


class Cover:
    """What keeps the children of this process under its lock.

    Args:
        start: the machine, verified.
        conclude: is handed the report of a host that has started later, in this process.
        end: ends this process, since a program that has just begun imports a file that isn't
            what was locked.
        is_strict: whether a process that can't be covered isn't started.
    """

    def __init__(
        self,
        start: LockedStart,
        conclude: Callable[[ActivationReport], None] = lambda report: None,
        end: Callable[[], None] = lambda: None,
        is_strict: bool = False,
    ) -> None:
        self._start = start
        self._conclude = conclude
        self._end = end
        self._is_strict = is_strict
        self._process = os.getpid()
        self._findings: list[Finding] = []
        self._begun: float | None = None
        self._session: OpenSession | None = None

    def install(self) -> None:
        """Cover what this process starts from now on.

        Raises:
            InputError: nothing can be covered, and only what is covered may be started.
        """
        reasons: list[str] = []
        for parent in self._parents():
            try:
                self._session = open_session(self._description(), parent)
                break
            except OSError as error:
                reasons.append(f"`{error.filename or parent}`: {error.strerror}")
                if self._is_strict:
                    raise InputError(
                        "nothing that the program starts could be put under the lock",
                        found=reasons[0],
                        hint="name a directory that this user can write to with "
                        "`--state-dir DIR`, or leave `--strict-children` out",
                    ) from error
        if self._session is None:
            self.note(
                Finding(
                    code="uncovered-child",
                    severity=WARNING,
                    subject="run",
                    summary="what the program starts runs without the lock: there is no "
                    "directory in which it could be told of it",
                    found="; ".join(reasons),
                    hint="name a directory that this user can write to with `--state-dir DIR`",
                )
            )
            return
        os.environ[VARIABLE] = self._session.variable
        watch_processes(self.note, self._is_strict)

    def note(self, finding: Finding) -> None:
        """Tell people of a finding, and remember it for the report."""
        say_findings((finding,))
        if os.getpid() == self._process:
            self._findings.append(finding)
        else:
            self._leave(Marker(exit_code=None, findings=(finding,)))

    def begin(self) -> None:
        """The program begins: what is refused from now on stands in no report of a start."""
        self._begun = time.monotonic()

    def refuse_file(self, finding: Finding) -> None:
        """Tell of a file that isn't what was locked; its import is about to fail.

        While a start is under way its report tells of it. A program that has just begun is
        ended, since it might go on without what it imports. Later on that is its affair.
        """
        if os.getpid() != self._process:
            say_findings((finding,))
            self._leave(Marker(exit_code=INTEGRITY, findings=(finding,)))
        elif self._begun is not None:
            self.note(finding)
            if time.monotonic() - self._begun < _BEGINNING_SECONDS:
                self._end()
            say("the import fails, and the program goes on: it has been running for a while")

    def about_to_start_host(self) -> None:
        """Verify the machine again in a fork, which may be made long after this process."""
        if os.getpid() == self._process:
            self._begun = None
            return
        starting, lock = self._start.starting, self._start.starting.lock
        assert lock is not None
        try:
            again = prepare_locked(
                lock.path,
                config=starting.config,
                integrity=lock.integrity,
                state_directory=self._start.state_directory,
                closed=self._start.closed,
                sha256=lock.sha256,
            )
        except CoralLockError as error:
            refuse(self._directory, error.exit_code, (finding_of_error(error),))
        else:
            if again.refusal is not None:
                refuse(self._directory, again.refusal.exit_code, again.refusal.findings)

    def host_has_started(self, report: ActivationReport) -> None:
        """Conclude the start of this process; end a fork whose start didn't succeed."""
        if os.getpid() == self._process:
            self._conclude(report)
            self.begin()
        elif report.outcome != STARTED:
            refuse(self._directory, report.exit_code, report.findings)

    def close(self) -> None:
        """Forget the session, unless a fork of this process goes on with it."""
        if os.getpid() == self._process:
            self.outcome()

    def outcome(self) -> tuple[int, tuple[Finding, ...]]:
        """Return what became of the children, and forget the session.

        Returns:
            The exit code of other commands for it (0 to 3), and all findings since the start.
        """
        session, self._session = self._session, None
        markers = session.markers() if session else ()
        if session:
            session.close()
        findings = (*self._findings, *(each for marker in markers for each in marker.findings))
        codes = [marker.exit_code for marker in markers if marker.exit_code is not None]
        return max([*codes, exit_code(findings)]), tuple(dict.fromkeys(findings))

    def _parents(self) -> Iterator[str]:
        """Yield the directories in which a session may be."""
        yield self._start.state_directory or default_state_directory()
        if self._start.state_directory is None:
            yield os.path.join(os.environ.get("TMPDIR") or "/tmp", f"coral-lock-{os.getuid()}")

    def _description(self) -> Session:
        start, starting = self._start, self._start.starting
        assert starting.lock is not None
        index = start.index()
        return Session(
            lock_path=os.path.abspath(starting.lock.path),
            lock_sha256=starting.lock.sha256,
            integrity=starting.lock.integrity,
            config=vars(starting.config),
            plugin_modules=plugin_modules(starting.plugins),
            has_host=is_host_installed(),
            roots=index.roots if index else (),
            names=tuple(sorted(index.names - {"coral_lock"})) if index else (),
            unlisted=tuple(sorted(index.unlisted)) if index else (),
            distributions=tuple(sorted(index.distributions)) if index else (),
            state_directory=start.state_directory,
            bytecode_directory=start.bytecode_directory,
            is_closed=start.closed,
            closed_entries=tuple(sorted(index.closed_entries)) if index else (),
            is_strict=self._is_strict,
        )

    def _leave(self, marker: Marker) -> None:
        if self._session is not None:
            leave_marker(self._session.directory, marker)

    @property
    def _directory(self) -> str | None:
        return self._session.directory if self._session else None


def start_program(
    lock_path: str,
    *,
    descriptor: Descriptor | None = None,
    integrity: str = IMPORTS,
    state_directory: str | None = None,
    closed: bool = False,
    is_strict: bool = False,
) -> ActivationReport:
    """Bring the runtime up for the program that this process is, and cover its children.

    Args:
        lock_path, descriptor, integrity, state_directory, closed: see `prepare_locked`.
        is_strict: see `Cover`.

    Raises:
        CoralLockError: the lock, the descriptor or the state directory can't be used.
    """
    remove_imports()
    start = prepare_locked(
        lock_path,
        descriptor=descriptor,
        integrity=integrity,
        state_directory=state_directory,
        closed=closed,
    )
    if start.refusal is not None:
        return start.refusal
    cover = Cover(start, is_strict=is_strict)
    start.lock_imports(cover.note)
    cover.install()
    atexit.register(cover.close)
    return Gate(start.starting).open(is_eager=True)
