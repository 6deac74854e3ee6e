"""What a start is to do: its plugins, their configuration, and what contradicts the lock."""

from __future__ import annotations

import os

from coral_lock.finding import ERROR, WARNING, Finding, sorted_findings
from coral_lock.installed.import_lookup import import_chain
from coral_lock.names import GROUPS, plugin_id, requirement_name
from coral_lock.plugin.config import RuntimeConfig
from coral_lock.plugin.facts import combined
from coral_lock.record import Record
from coral_lock.safe_files import read_regular_file
from coral_lock.start.report import NOT_RUN, REFUSED, ActivationReport, PluginOutcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from coral_lock.descriptor.model import Descriptor, PluginRequest
    from coral_lock.lockfile.entries import LockedPlugin
    from coral_lock.lockfile.model import Lock
    from coral_lock.start.report import HostState, VerifiedLock


class StartPlan(Record):
    """A start whose plugins are chosen.

    Args:
        plugins: what to activate, in this order; each live spec must equal its record.
        versions: the version of each plugin's distribution, by name.
        config: what each plugin is handed.
        lock: the lock that was verified, or None.
        findings: what is known already.
        messages: the log so far.
    """

    plugins: tuple[LockedPlugin, ...]
    versions: Mapping[str, str]
    config: RuntimeConfig
    lock: VerifiedLock | None
    findings: tuple[Finding, ...]
    messages: tuple[str, ...]

    def not_run(self) -> tuple[PluginOutcome, ...]:
        """Return the outcomes of the plugins before any of them is run."""
        return tuple(
            PluginOutcome(
                id=plugin.id,
                status=NOT_RUN,
                distribution=plugin.distribution,
                version=self.versions[plugin.distribution],
            )
            for plugin in self.plugins
        )

    def report(
        self,
        outcome: str,
        plugins: tuple[PluginOutcome, ...],
        findings: Iterable[Finding] = (),
        messages: Iterable[str] = (),
        host: HostState | None = None,
    ) -> ActivationReport:
        """Return the report of the start; findings and messages follow those of the plan."""
        return ActivationReport(
            outcome=outcome,
            lock=self.lock,
            platform=host.platform if host else self.config.platform,
            plugins=plugins,
            patches_enabled=host.patches_enabled if host else self.config.built_in_patches(),
            host=host,
            findings=sorted_findings((*self.findings, *findings)),
            log_messages=(*self.messages, *messages),
        )

    def refused(self, message: str, *findings: Finding) -> ActivationReport:
        """Return the report of a start in which nothing is run."""
        return self.report(REFUSED, self.not_run(), findings, (message,))


def locked_config(
    lock: Lock, descriptor: Descriptor | None
) -> tuple[RuntimeConfig, tuple[Finding, ...]]:
    """Return the configuration that plugins get, and what contradicts the lock.

    The platform is the lock's; services and the host's own patches come from the
    descriptor, since no lock holds them.

    Args:
        lock: what was reviewed.
        descriptor: what the command line and the environment request, None for nothing.
    """
    overrides = combined(plugin.default_config_overrides for plugin in lock.activation_order())
    if descriptor is None:
        return RuntimeConfig(platform=lock.platform, **overrides), ()
    findings = tuple(_contradictions(lock, descriptor))
    config = descriptor.runtime_config(overrides)
    config.platform = lock.platform
    config.backend_entry_modules = []
    return config, findings


def missing_variables(
    plugins: Iterable[LockedPlugin], environment: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield where a plugin needs an environment variable that isn't set, or is empty."""
    for plugin in plugins:
        for name in plugin.env:
            if not environment.get(name):
                yield Finding(
                    code="env-missing",
                    severity=WARNING if plugin.optional else ERROR,
                    subject=plugin.id,
                    summary=f"`{plugin.id}` needs the environment variable `{name}`",
                    expected="a value",
                    found="nothing",
                    where=plugin.entry_point,
                    hint=f"set `{name}` where the runtime is started",
                )


def _contradiction(
    subject: str, summary: str, where: str, expected: str | None = None, found: str | None = None
) -> Finding:
    return Finding(
        code="contradicts-lock",
        subject=subject,
        summary=summary,
        expected=expected,
        found=found,
        where=where,
        hint="remove it, or run `coral-runtime lock` with it and have the change reviewed",
    )


def _contradictions(lock: Lock, descriptor: Descriptor) -> Iterator[Finding]:
    origins = descriptor.origins
    for key, locked, requested in _differences(lock, descriptor):
        summary = f"the requested `{key}` isn't the locked one"
        where = origins.get(key, key)
        yield _contradiction(key, summary, where, _shown(locked), _shown(requested))
    for group in GROUPS:
        unloaded = descriptor.unloaded(group)
        count = sum(plugin.group == group for plugin in lock.plugins)
        if unloaded is not None and count:
            summary = f"{unloaded[1]}, and the lock holds {count}"
            yield _contradiction(group, summary, origins.get(unloaded[0], unloaded[0]))
    for module in descriptor.backend_modules:
        yield Finding(
            code="unlocked-module",
            subject=module,
            summary=f"the module `{module}` isn't imported: no lock covers it",
            where=origins.get("backends.modules", "backends.modules"),
            hint="package it with an entry point in `coral_inference.backends` and lock it",
        )
    locked_plugins = {plugin.id: plugin for plugin in lock.plugins}
    known = lock.known_plugins()
    for request in descriptor.requests:
        plugin = locked_plugins.pop(plugin_id(request.group, request.name), None)
        yield from _request_contradictions(request, plugin, known, origins)
    for identifier in locked_plugins if descriptor.discover == "listed" else ():
        yield _contradiction(
            identifier,
            f"`{identifier}` isn't among the plugins that are switched on, and the lock holds it",
            origins.get("plugins.discover", "plugins.discover"),
        )


def _differences(lock: Lock, descriptor: Descriptor) -> Iterator[tuple[str, object, object]]:
    """Yield the descriptor's keys that differ from the lock, with both values."""
    explicit = {key for key, origin in descriptor.origins.items() if origin != "default"}
    if "platform" in explicit and descriptor.platform != lock.platform:
        yield "platform", lock.platform, descriptor.platform
    for key, pinned, package in (
        ("host.core", descriptor.host_core, lock.host.core),
        ("host.inference", descriptor.host_inference, lock.host.inference),
    ):
        if pinned is None:
            continue
        from coral_lock.document.versions import is_same_version

        if package is None or not is_same_version(pinned, package.version):
            yield key, package.version if package else "none", pinned
    requested = tuple(sorted({requirement_name(each) for each in descriptor.program_requires}))
    locked = tuple(each.name for each in lock.distributions if each.program)
    if "program.requires" in explicit and requested != locked:
        yield "program.requires", locked, requested


def _request_contradictions(
    request: PluginRequest,
    plugin: LockedPlugin | None,
    known: Collection[str],
    origins: Mapping[str, str],
) -> Iterator[Finding]:
    from coral_lock.document.node import dotted

    identifier = plugin_id(request.group, request.name)
    if plugin is None:
        if request.enabled and not request.optional:
            summary = f"`{identifier}` is switched on, and the lock doesn't hold it"
            yield _contradiction(identifier, summary, request.where)
        return
    if not request.enabled:
        summary = f"`{identifier}` is switched off, and the lock holds it"
        yield _contradiction(identifier, summary, request.where)
        return
    for field in ("optional", "after", "distribution"):
        requested, locked = getattr(request, field), getattr(plugin, field)
        is_requested = requested or field in request.explicit_defaults
        if not is_requested or requested == locked:
            continue
        if field == "after" and _may_be_declared(request, plugin, known):
            continue
        yield _contradiction(
            identifier,
            f"the requested `{field}` of `{identifier}` isn't the locked one",
            origins.get(dotted((request.group, request.name, field)), request.where),
            _shown(locked),
            _shown(requested),
        )


def _may_be_declared(request: PluginRequest, plugin: LockedPlugin, known: Collection[str]) -> bool:
    """Whether the locked `after` beyond the requested one can come from the manifest.

    A lock holds both together, and for an optional plugin only the ids that were `known`. The
    manifest isn't parsed: an id that doesn't occur in it can't be one that it declares.
    """
    requested, locked = set(request.after), set(plugin.after)
    if request.optional:
        requested.intersection_update(known)
    if not requested <= locked:
        return False
    declared = b"".join(_manifests(plugin.entry_point.partition(":")[0]))
    return all(other.encode() in declared for other in locked - requested)


def _manifests(module: str) -> Iterator[bytes]:
    """Yield the manifests in the packages of a module, none of which is imported."""
    from coral_lock.plugin.facts import MANIFEST_NAME, MAX_MANIFEST_BYTES

    for package in import_chain(module):
        for place in package.search or ():
            try:
                yield read_regular_file(os.path.join(place, MANIFEST_NAME), MAX_MANIFEST_BYTES)
            except (OSError, ValueError):
                continue


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
