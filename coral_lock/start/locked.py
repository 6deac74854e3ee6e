"""A locked start: verify everything, then activate what the lock names and nothing else."""

from __future__ import annotations

import hashlib
import os

from coral_lock.errors import InputError, LockError, UsageError
from coral_lock.finding import has_errors, sorted_findings
from coral_lock.imports.bytecode import default_state_directory, prepare_cache
from coral_lock.imports.finder import closed_entries, install_imports
from coral_lock.lockfile.file import decode_lock, read_lock_bytes
from coral_lock.lockfile.text import read_lock
from coral_lock.record import Record
from coral_lock.start.locked_config import locked_config, missing_variables
from coral_lock.start.report import VerifiedLock
from coral_lock.start.starting import Starting, refuse
from coral_lock.verification.findings import findings_of
from coral_lock.verification.machine import IMPORTS, METADATA, observe
from coral_lock.verification.verdict import covered_part
from coral_lock.wording import later_version_warning, size_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from coral_lock.descriptor.model import Descriptor
    from coral_lock.finding import Finding
    from coral_lock.imports.table import ImportIndex, ImportTable
    from coral_lock.lockfile.model import Lock
    from coral_lock.plugin.config import RuntimeConfig
    from coral_lock.start.report import ActivationReport
    from coral_lock.verification.verdict import Coverage


class LockedStart(Record):
    """A start whose machine has been compared with the lock; nothing has run yet.

    `refusal` is the report where it doesn't match, else None. `table` holds the files that
    imports may come from, None where nothing is proved; `unlisted` are the top-level names
    of locked distributions without a list, and `closed` says whether only what is locked is
    visible. Bytecode is kept in `bytecode_directory`, in the `state_directory` that was
    asked for.
    """

    starting: Starting
    table: ImportTable | None = None
    unlisted: frozenset[str] = frozenset()
    closed: bool = False
    state_directory: str | None = None
    bytecode_directory: str | None = None
    refusal: ActivationReport | None = None

    def index(self) -> ImportIndex | None:
        """Return what tells locked modules from others; None where nothing is proved."""
        if self.table is None:
            return None
        index = self.table.index(self.unlisted, self.starting.versions)
        return index.replace(closed_entries=closed_entries()) if self.closed else index

    def lock_imports(self, on_mismatch: Callable[[Finding], None]) -> None:
        """Let this process import from now on what is listed, if anything is proved.

        Args:
            on_mismatch: is told of each file that isn't what was locked.
        """
        index, table = self.index(), self.table
        if index is not None and table is not None:
            imports = install_imports(
                index,
                lambda: table,
                on_mismatch=on_mismatch,
                bytecode_directory=self.bytecode_directory,
                closed=self.closed,
            )
            imports.files().hash_ahead()


def prepare_locked(
    lock_path: str,
    *,
    descriptor: Descriptor | None = None,
    config: RuntimeConfig | None = None,
    integrity: str = IMPORTS,
    state_directory: str | None = None,
    closed: bool = False,
    sha256: str | None = None,
) -> LockedStart:
    """Verify this machine against a lock; nothing of a plugin is imported.

    Of a lock with targets, what counts is the part of the one that this machine is.

    Args:
        lock_path: the lock.
        descriptor: what the command line and the environment ask for; it may not
            contradict the lock.
        config: what plugins are handed, where that is settled already.
        integrity: `metadata`, `imports` or `full`: what is proved and hashed first.
        state_directory: where bytecode is kept.
        closed: whether distributions that the lock doesn't name are invisible.
        sha256: of the lock's bytes in hexadecimal, where they are known.

    Raises:
        LockError: the lock can't be read, or isn't the one that is known.
        InputError: the bytecode cache can't be trusted.
        UsageError: nothing is proved, and only what is locked is to be visible.
    """
    if closed and integrity == METADATA:
        raise UsageError(
            "`--closed` needs proved lists of files, and `--integrity metadata` proves none",
            hint="leave one of them out",
        )
    content = read_lock_bytes(lock_path)
    digest = hashlib.sha256(content).hexdigest()
    if sha256 not in (None, digest):
        raise LockError(
            f"`{lock_path}` has changed since the program was started from it",
            expected=f"sha256 {sha256}",
            found=f"sha256 {digest}",
            where=lock_path,
            hint="start the program again",
        )
    lock = read_lock(decode_lock(content, lock_path), lock_path)
    coverage = covered_part(lock)
    verified = VerifiedLock(
        path=lock_path, sha256=digest, integrity=integrity, target=coverage.target
    )
    messages = (
        *_messages_about(lock, coverage, verified),
        *(descriptor.warnings if descriptor else ()),
    )
    if coverage.part is None:
        return _refuse_uncovered(lock, coverage, verified, descriptor, messages)
    lock = coverage.part
    contradictions: tuple[Finding, ...] = ()
    if config is None:
        config, contradictions = locked_config(lock, descriptor)
    machine = observe(lock, integrity, is_start=True)
    starting = Starting(
        plugins=lock.activation_order(),
        versions=_versions(lock),
        config=config,
        lock=verified,
        findings=sorted_findings(
            (
                *contradictions,
                *missing_variables(lock.plugins, os.environ),
                *findings_of(lock, machine),
            )
        ),
        messages=messages,
    )
    if has_errors(starting.findings):
        return LockedStart(
            starting=starting,
            refusal=refuse(starting, "The machine doesn't match the lock: nothing was activated"),
        )
    if integrity == METADATA:
        return LockedStart(starting=starting, state_directory=state_directory)
    directory, about_bytecode = _prepare_bytecode(state_directory)
    return LockedStart(
        starting=starting.replace(messages=(*messages, *about_bytecode)),
        table=machine.table,
        unlisted=machine.unlisted,
        closed=closed,
        state_directory=state_directory,
        bytecode_directory=directory,
    )


def _refuse_uncovered(
    lock: Lock,
    coverage: Coverage,
    verified: VerifiedLock,
    descriptor: Descriptor | None,
    messages: tuple[str, ...],
) -> LockedStart:
    """Return the refusal of a machine that is none of the lock's targets.

    What it contradicts can't be told, as no part of the lock is for it. None of the lock's
    plugins is run.
    """
    assert coverage.finding is not None
    starting = Starting(
        plugins=lock.activation_order(),
        versions=_versions(lock),
        config=locked_config(lock, descriptor)[0],
        lock=verified,
        findings=(coverage.finding,),
        messages=messages,
    )
    report = refuse(starting, "The lock isn't for this machine: nothing was activated")
    return LockedStart(starting=starting, refusal=report)


def _versions(lock: Lock) -> dict[str, str]:
    return {distribution.name: distribution.version for distribution in lock.distributions}


def _prepare_bytecode(state_directory: str | None) -> tuple[str | None, tuple[str, ...]]:
    """Return where bytecode is kept, and what to log about it.

    Raises:
        InputError: the directory can't be trusted, or the one that was asked for can't be
            used.
    """
    directory, problem = prepare_cache(state_directory or default_state_directory())
    if problem is None:
        return directory, ()
    if state_directory is not None:
        raise InputError(
            f"the state directory can't hold a bytecode cache: {problem.strerror}",
            where=state_directory,
            hint="name a directory that this user can write to",
        ) from problem
    return None, (f"No bytecode cache, so modules are compiled at every start: {problem.strerror}",)


def _messages_about(lock: Lock, coverage: Coverage, verified: VerifiedLock) -> list[str]:
    target = f", target {coverage.target}" if coverage.target else ""
    size = size_of(coverage.part or lock)
    messages = [f"Lock {verified.path}: {size}, integrity {verified.integrity}{target}"]
    warning = later_version_warning(lock, verified.path)
    return [*messages, warning] if warning else messages
