"""A locked start: verify the machine against a lock before anything of a plugin is imported."""

from __future__ import annotations

import hashlib
import os

from coral_lock.errors import InputError, LockError, UsageError
from coral_lock.finding import has_errors, sorted_findings
from coral_lock.imports.bytecode import default_state_directory, prepare_cache
from coral_lock.imports.finder import install_imports
from coral_lock.lockfile.file import decode_lock, read_lock_bytes
from coral_lock.lockfile.text import read_lock
from coral_lock.messages import later_version_warning, size_of
from coral_lock.record import Record
from coral_lock.start.plan import StartPlan, locked_config, missing_variables
from coral_lock.start.report import VerifiedLock
from coral_lock.verification.machine import IMPORTS, METADATA
from coral_lock.verification.verdict import verdict_on

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from coral_lock.descriptor.model import Descriptor
    from coral_lock.finding import Finding
    from coral_lock.imports.table import ImportTable
    from coral_lock.plugin.config import RuntimeConfig
    from coral_lock.start.report import ActivationReport


class LockedStart(Record):
    """A start whose machine has been compared with the lock; nothing has run yet.

    `refusal` is the report if the machine doesn't match, else None. `table` holds the files
    that imports may come from, None if nothing is proved; `unlisted` are the top-level names
    of locked distributions without a list, and `closed` says whether only locked distributions
    are visible. `bytecode_directory` is in the `state_directory` that was requested.
    """

    plan: StartPlan
    table: ImportTable | None = None
    unlisted: frozenset[str] = frozenset()
    closed: bool = False
    state_directory: str | None = None
    bytecode_directory: str | None = None
    refusal: ActivationReport | None = None

    def lock_imports(self, on_mismatch: Callable[[Finding], None]) -> None:
        """Let this process import what is listed from now on, if anything is proved.

        Args:
            on_mismatch: gets a finding for each file that differs from the lock.
        """
        table = self.table
        if table is not None:
            imports = install_imports(
                table.index(self.unlisted, self.plan.versions),
                lambda: table,
                on_mismatch=on_mismatch,
                bytecode_directory=self.bytecode_directory,
                closed=self.closed,
            )
            imports.files().libraries.hash_ahead()


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
    """Verify this machine against a lock, or the part of a lock with targets that is for it.

    Args:
        lock_path: the lock.
        descriptor: what the command line and the environment request; it may not
            contradict the lock.
        config: what plugins are handed, if that is decided already.
        integrity: `metadata`, `imports` or `full`: what is proved and hashed first.
        state_directory: where bytecode is kept, None for the default.
        closed: whether distributions that the lock doesn't name are invisible.
        sha256: of the lock's bytes in hexadecimal, if they are known.

    Raises:
        LockError: the lock can't be read, or isn't the one that is known.
        InputError: the bytecode cache can't be trusted, or the state directory that was
            requested can't be used.
        UsageError: nothing is proved, and only locked distributions are to be visible.
    """
    if closed and integrity == METADATA:
        raise UsageError(
            "`--closed` needs proved lists of files, and `--integrity metadata` proves none",
            hint="remove one of them",
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
    verdict = verdict_on(lock, integrity, is_start=True)
    part, findings = verdict.part or lock, verdict.findings
    contradictions: tuple[Finding, ...] = ()
    if config is None:
        config, contradictions = locked_config(part, descriptor)
    if verdict.part is not None:
        missing = missing_variables(part.plugins, os.environ)
        findings = sorted_findings((*contradictions, *missing, *findings))
    target = f", target {verdict.target}" if verdict.target else ""
    warning = later_version_warning(lock, lock_path)
    plan = StartPlan(
        plugins=part.activation_order(),
        versions={each.name: each.version for each in part.distributions},
        config=config,
        lock=VerifiedLock(
            path=lock_path, sha256=digest, integrity=integrity, target=verdict.target
        ),
        findings=findings,
        messages=(
            f"Lock {lock_path}: {size_of(part)}, integrity {integrity}{target}",
            *((warning,) if warning else ()),
            *(descriptor.warnings if descriptor else ()),
        ),
    )
    if has_errors(findings):
        what = (
            "The machine doesn't match the lock"
            if verdict.part is not None
            else "The lock isn't for this machine"
        )
        return LockedStart(plan=plan, refusal=plan.refused(f"{what}: nothing was activated"))
    machine = verdict.machine
    if integrity == METADATA or machine is None:
        return LockedStart(plan=plan, state_directory=state_directory)
    bytecode_directory, problem = prepare_cache(state_directory or default_state_directory())
    if problem is not None:
        if state_directory is not None:
            raise InputError(
                f"the state directory can't hold a bytecode cache: {problem.strerror}",
                where=state_directory,
                hint="name a directory that this user can write to",
            ) from problem
        note = f"No bytecode cache, so modules are compiled at every start: {problem.strerror}"
        plan = plan.replace(messages=(*plan.messages, note))
    return LockedStart(
        plan=plan,
        table=machine.table,
        unlisted=machine.unlisted,
        closed=closed,
        state_directory=state_directory,
        bytecode_directory=bytecode_directory,
    )
