"""A locked start: verify the machine against a lock before anything of a plugin is imported."""

from __future__ import annotations

import hashlib
import os

from coral_lock.errors import ChangedFileError, InputError, LockError, UsageError
from coral_lock.finding import Finding, has_errors, sorted_findings
from coral_lock.imports.finder import install_imports, remove_imports
from coral_lock.installed.import_lookup import import_chain
from coral_lock.lockfile.file import parse_lock, read_lock_bytes
from coral_lock.messages import later_version_warning, size_of
from coral_lock.names import GROUPS, requirement_name
from coral_lock.plugin.config import RuntimeConfig
from coral_lock.plugin.facts import MANIFEST_NAME, MAX_MANIFEST_BYTES, combined
from coral_lock.record import Record
from coral_lock.safe_files import default_state_directory, read_regular_file
from coral_lock.start.report import StartPlan, VerifiedLock, missing_variables
from coral_lock.verification.machine import IMPORTS, METADATA
from coral_lock.verification.verdict import verdict_on

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from coral_lock.descriptor.model import Descriptor, PluginRequest
    from coral_lock.imports.finder import LockedImports
    from coral_lock.imports.table import ImportIndex, ImportTable
    from coral_lock.lockfile.entries import HostPackage, LockedPlugin
    from coral_lock.lockfile.model import Lock
    from coral_lock.signing.accepted import Acceptance
    from coral_lock.start.report import ActivationReport
    from coral_lock.verification.machine import InstalledHost

    _Difference = tuple[str, str, str, object, object]
    """A subject, a summary, a key or place of the descriptor, what is locked and requested."""


class LockedStart(Record):
    """A start whose machine has been compared with the lock; nothing has run yet.

    `refusal` is the report if the machine doesn't match, else None. `accepted_only` says whether
    the lock had to be accepted, by the record in `trust_directory` or the default one.

    `table` holds the files that imports may come from, None if nothing is proved, and `index` what
    distinguishes them, if that is known already; `unlisted` are the top-level names of locked
    distributions without a list, and `closed` says whether only locked distributions are visible.
    `bytecode_directory` is in the `state_directory` that was requested.
    """

    plan: StartPlan
    refusal: ActivationReport | None = None
    accepted_only: bool = False
    trust_directory: str | None = None
    table: ImportTable | None = None
    index: ImportIndex | None = None
    unlisted: frozenset[str] = frozenset()
    closed: bool = False
    state_directory: str | None = None
    bytecode_directory: str | None = None

    def lock_imports(self, on_mismatch: Callable[[Finding], None]) -> None:
        """Let this process import what is listed from now on, if anything is proved.

        Args:
            on_mismatch: gets a finding for each file that differs from the lock.
        """
        if self.table is not None:
            self._install(self.table, on_mismatch, self.closed).files().libraries.hash_ahead()

    def _install(
        self, table: ImportTable, on_mismatch: Callable[[Finding], None], closed: bool
    ) -> LockedImports:
        return install_imports(
            self.index or table.index(self.unlisted, self.plan.versions),
            lambda: table,
            on_mismatch=on_mismatch,
            bytecode_directory=self.bytecode_directory,
            closed=closed,
        )

    def with_request(self, load: Callable[[], Descriptor], part: Lock) -> LockedStart:
        """Return this start with what a descriptor requests of that part of the lock.

        What reads descriptors may be locked too, so it is imported from the lists. `--closed`
        doesn't hide it where nobody locked it: we need it, and the program doesn't run yet.
        """
        start, changed = self, list[Finding]()
        if self.table is not None:
            start = self.replace(index=self.table.index(self.unlisted, self.plan.versions))
            start._install(self.table, changed.append, closed=False)
        try:
            descriptor: Descriptor | None = load()
        except ChangedFileError:
            # It is among `changed`, as is what the reader does without.
            descriptor = None
        finally:
            remove_imports()
        plan, contradictions = start.plan, _contradictions(part, descriptor) if descriptor else ()
        return start.replace(
            plan=plan.replace(
                config=_config(part, descriptor),
                findings=sorted_findings((*plan.findings, *changed, *contradictions)),
                messages=(*plan.messages, *(descriptor.warnings if descriptor else ())),
            )
        )


def prepare_locked(
    lock_path: str,
    *,
    request: Callable[[], Descriptor] | None = None,
    config: RuntimeConfig | None = None,
    integrity: str = IMPORTS,
    state_directory: str | None = None,
    closed: bool = False,
    accepted_only: bool = False,
    trust_directory: str | None = None,
    sha256: str | None = None,
    program: str | None = None,
    about_to_hash: Callable[[VerifiedLock, InstalledHost], None] = lambda lock, host: None,
) -> LockedStart:
    """Verify this machine against a lock, or the part of a lock with targets that is for it.

    Args:
        lock_path: the lock.
        request: returns what the command line and the environment request, which may not
            contradict the lock; called once the machine matches, and imports are under the lock.
        config: what plugins are handed, if that is decided already.
        integrity: `metadata`, `imports` or `full`: what is proved and hashed first.
        state_directory: where bytecode is kept, None for the default.
        closed: whether distributions that the lock doesn't name are invisible.
        accepted_only: whether the lock has to be one that was accepted on this device.
        trust_directory: the directory with the record of that, None for the default.
        sha256: of the lock's bytes in hexadecimal, if they are known.
        program: the file of the program that is about to run, if it is one.
        about_to_hash: gets the lock, and the core and the inference host that are installed, before
            the machine is compared with it; not if the lock isn't for the machine.

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
    lock = parse_lock(content, lock_path)
    acceptance: Acceptance | None = None
    unaccepted: tuple[Finding, ...] = ()
    if accepted_only:
        from coral_lock.signing.accepted import find_acceptance

        acceptance, unaccepted = find_acceptance(digest, lock_path, trust_directory)
    verified = VerifiedLock(path=lock_path, sha256=digest, integrity=integrity, accepted=acceptance)
    verdict = verdict_on(
        lock,
        integrity,
        is_start=True,
        program=program,
        about_to_hash=lambda target, machine: about_to_hash(
            verified.replace(target=target), machine.installed_host()
        ),
    )
    part, machine = verdict.part or lock, verdict.machine
    found = [*unaccepted, *verdict.findings]
    matches = machine is not None and not has_errors(found)
    found += missing_variables(part.plugins) if verdict.part else ()
    target = f", target {verdict.target}" if verdict.target else ""
    warning = later_version_warning(lock, lock_path)
    start = LockedStart(
        plan=StartPlan(
            plugins=part.activation_order(),
            versions={each.name: each.version for each in part.distributions},
            config=config or _config(part, None),
            lock=verified.replace(target=verdict.target),
            findings=sorted_findings(found),
            messages=(
                f"Lock {lock_path}: {size_of(part)}, integrity {integrity}{target}",
                *((acceptance.message,) if acceptance else ()),
                *((warning,) if warning else ()),
            ),
        ),
        accepted_only=accepted_only,
        trust_directory=trust_directory,
        closed=closed,
        state_directory=state_directory,
    )
    if matches and machine is not None and integrity != METADATA:
        cache, notes = _prepare_cache(state_directory)
        start = start.replace(
            plan=start.plan.replace(messages=(*start.plan.messages, *notes)),
            table=machine.table,
            unlisted=machine.unlisted,
            bytecode_directory=cache,
        )
    if matches and request is not None:
        start = start.with_request(request, part)
    if not has_errors(start.plan.findings):
        return start
    what = "The machine doesn't match the lock"
    if verdict.part is None:
        what = "The lock isn't for this machine"
    return start.replace(refusal=start.plan.refused(f"{what}: nothing was activated"))


def _prepare_cache(state_directory: str | None) -> tuple[str | None, tuple[str, ...]]:
    """Return the bytecode cache, None if the default one can't be used, and what to say of it."""
    from coral_lock.imports.verified import prepare_cache

    try:
        return prepare_cache(state_directory or default_state_directory()), ()
    except OSError as problem:
        if state_directory is not None:
            raise InputError(
                f"the state directory can't hold a bytecode cache: {problem.strerror}",
                where=state_directory,
                hint="name a directory that this user can write to",
            ) from problem
        note = f"No bytecode cache, so modules are compiled at every start: {problem.strerror}"
        return None, (note,)


def _config(lock: Lock, descriptor: Descriptor | None) -> RuntimeConfig:
    """Return the configuration that plugins get.

    The platform is the lock's; services and the host's own patches come from the descriptor,
    since no lock holds them.
    """
    overrides = combined(plugin.default_config_overrides for plugin in lock.activation_order())
    if descriptor is None:
        return RuntimeConfig(platform=lock.platform, **overrides)
    config = descriptor.runtime_config(overrides)
    config.platform = lock.platform
    config.backend_entry_modules = []
    return config


def _contradictions(lock: Lock, descriptor: Descriptor) -> Iterator[Finding]:
    """Yield where a descriptor requests something else than what is locked."""
    origins = descriptor.origins
    for module in descriptor.backend_modules:
        yield Finding(
            code="unlocked-module",
            subject=module,
            summary=f"the module `{module}` isn't imported: no lock covers it",
            where=origins.get("backends.modules", "backends.modules"),
            hint="package it with an entry point in `coral_inference.backends` and lock it",
        )
    for subject, what, where, locked, requested in (
        *_differences(lock, descriptor),
        *_plugin_differences(lock, descriptor),
    ):
        yield Finding(
            code="contradicts-lock",
            subject=subject,
            summary=what,
            expected=_shown(locked),
            found=_shown(requested),
            where=origins.get(where, where),
            hint="remove it, or run `coral-runtime lock` with it and have the change reviewed",
        )


def _differences(lock: Lock, descriptor: Descriptor) -> Iterator[_Difference]:
    explicit = {key for key, origin in descriptor.origins.items() if origin != "default"}
    program = tuple(each.name for each in lock.distributions if each.program)
    requested = {requirement_name(each) for each in descriptor.program_requires}
    for key, kept, asked in (
        ("platform", lock.platform, descriptor.platform),
        ("program.requires", program, tuple(sorted(requested))),
        ("host.core", *_versions(lock.host.core, descriptor.host_core)),
        ("host.inference", *_versions(lock.host.inference, descriptor.host_inference)),
    ):
        if key in explicit and asked != kept:
            yield key, f"the requested `{key}` isn't the locked one", key, kept, asked
    for group in GROUPS:
        unloaded = descriptor.unloaded(group)
        count = sum(plugin.group == group for plugin in lock.plugins)
        if unloaded is not None and count:
            key, reason = unloaded
            yield group, f"{reason}, and the lock holds {count}", key, None, None


def _versions(package: HostPackage | None, pinned: str | None) -> tuple[str, str]:
    """Return a host's locked version and the requested one, which may be spelled otherwise."""
    version = package.version if package else "none"
    if pinned is None:
        return version, version
    from coral_lock.document.formats import is_same_version

    is_same = package is not None and is_same_version(pinned, version)
    return version, version if is_same else pinned


def _plugin_differences(lock: Lock, descriptor: Descriptor) -> Iterator[_Difference]:
    from coral_lock.document.node import dotted

    plugins = {plugin.id: plugin for plugin in lock.plugins}
    for request in descriptor.requests:
        identifier, where = request.id, request.where
        plugin = plugins.pop(identifier, None)
        if plugin is None:
            if request.enabled and not request.optional:
                what = f"`{identifier}` is switched on, and the lock doesn't hold it"
                yield identifier, what, where, None, None
            continue
        if not request.enabled:
            what = f"`{identifier}` is switched off, and the lock holds it"
            yield identifier, what, where, None, None
            continue
        for field in ("optional", "after", "distribution"):
            requested, locked = getattr(request, field), getattr(plugin, field)
            if requested == locked or not (requested or field in request.explicit_defaults):
                continue
            if field == "after" and _may_be_declared(request, plugin, lock.known_plugins()):
                continue
            what = f"the requested `{field}` of `{identifier}` isn't the locked one"
            key = dotted((request.group, request.name, field))
            yield identifier, what, descriptor.origins.get(key, where), locked, requested
    for identifier in plugins if descriptor.discover == "listed" else ():
        what = f"`{identifier}` isn't among the plugins that are switched on, and the lock holds it"
        yield identifier, what, "plugins.discover", None, None


def _may_be_declared(request: PluginRequest, plugin: LockedPlugin, known: Collection[str]) -> bool:
    """Whether the locked `after` beyond the requested one can come from the manifest.

    A lock holds both together, and for an optional plugin only the ids that were `known`. The
    manifest isn't parsed, nor is the plugin imported: an id that doesn't occur in the manifest
    can't be one that it declares.
    """
    requested, locked = set(request.after), set(plugin.after)
    if request.optional:
        requested.intersection_update(known)
    if not requested <= locked:
        return False
    declared = b""
    for package in import_chain(plugin.entry_point.partition(":")[0]):
        for place in package.search or ():
            try:
                declared += read_regular_file(
                    os.path.join(place, MANIFEST_NAME), MAX_MANIFEST_BYTES
                )
            except (OSError, ValueError):
                continue
    return all(other.encode() in declared for other in locked - requested)


def _shown(value: object) -> str | None:
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)
