"""The configuration of a locked start, and where a descriptor asks for something else."""

from __future__ import annotations

import os

from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.installed.import_lookup import import_chain
from coral_lock.names import GROUPS, plugin_id, requirement_name
from coral_lock.plugin.config import RuntimeConfig
from coral_lock.plugin.terms import combined
from coral_lock.safe_files import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from coral_lock.descriptor.model import Descriptor, PluginRequest
    from coral_lock.lockfile.entries import LockedPlugin
    from coral_lock.lockfile.model import Lock


def locked_config(
    lock: Lock, descriptor: Descriptor | None
) -> tuple[RuntimeConfig, tuple[Finding, ...]]:
    """Return the configuration that plugins get, and the contradictions to the lock.

    The platform is the lock's; services and the host's own patches come from the
    descriptor, since no lock holds them.

    Args:
        lock: what was reviewed.
        descriptor: what the command line and the environment say, or None if nothing.
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


def _contradiction(subject: str, summary: str, where: str, **details: str) -> Finding:
    return Finding(
        code="contradicts-lock",
        severity=ERROR,
        subject=subject,
        summary=summary,
        where=where,
        hint="take it back, or run `coral-runtime lock` with it and have the change reviewed",
        **details,
    )


def _contradictions(lock: Lock, descriptor: Descriptor) -> Iterator[Finding]:
    origins = descriptor.origins
    if origins.get("platform", "default") != "default" and descriptor.platform != lock.platform:
        yield _contradiction(
            "platform",
            "another platform is asked for than the locked one",
            origins["platform"],
            expected=lock.platform,
            found=descriptor.platform,
        )
    yield from _host_contradictions(lock, descriptor)
    asked = sorted({requirement_name(each) for each in descriptor.program_requires})
    held = [each.name for each in lock.distributions if each.program]
    if origins.get("program.requires", "default") != "default" and asked != held:
        yield _contradiction(
            "program.requires",
            "the program is said to require other distributions than it does by the lock",
            origins["program.requires"],
            expected=", ".join(held) or "none",
            found=", ".join(asked) or "none",
        )
    for group in GROUPS:
        unloaded = descriptor.unloaded(group)
        plugins = [plugin for plugin in lock.plugins if plugin.group == group]
        if unloaded is not None and plugins:
            yield _contradiction(
                group,
                f"{unloaded[1]}, and the lock holds {len(plugins)}",
                origins.get(unloaded[0], unloaded[0]),
            )
    for module in descriptor.backend_modules:
        yield Finding(
            code="unlocked-module",
            severity=WARNING,
            subject=module,
            summary=f"the module `{module}` isn't imported: no lock covers it",
            where=origins.get("backends.modules", "backends.modules"),
            hint="package it with an entry point in `coral_inference.backends` and lock it",
        )
    locked = {plugin.id: plugin for plugin in lock.plugins}
    known = lock.known_plugins()
    for request in descriptor.requests:
        identifier = plugin_id(request.group, request.name)
        plugin = locked.get(identifier)
        yield from _request_contradictions(identifier, request, plugin, known, origins)
    yield from _unrequested(lock, descriptor)


def _host_contradictions(lock: Lock, descriptor: Descriptor) -> Iterator[Finding]:
    for key, pinned, package in (
        ("host.core", descriptor.host_core, lock.host.core),
        ("host.inference", descriptor.host_inference, lock.host.inference),
    ):
        found = package.version if package else None
        if pinned is None or (found is not None and _is_same_version(pinned, found)):
            continue
        yield _contradiction(
            key,
            "another version of the host is asked for than the locked one",
            descriptor.origins.get(key, key),
            expected=found or "none",
            found=pinned,
        )


def _is_same_version(pinned: str, found: str) -> bool:
    from coral_lock.document.versions import is_same_version

    return is_same_version(pinned, found)


def _request_contradictions(
    identifier: str,
    request: PluginRequest,
    plugin: LockedPlugin | None,
    known: Collection[str],
    origins: Mapping[str, str],
) -> Iterator[Finding]:
    from coral_lock.document.node import dotted

    if plugin is None:
        if request.enabled and not request.optional:
            yield _contradiction(
                identifier,
                f"`{identifier}` is switched on, and the lock doesn't hold it",
                request.where,
            )
        return
    if not request.enabled:
        yield _contradiction(
            identifier, f"`{identifier}` is switched off, and the lock holds it", request.where
        )
        return
    for field, asked, held in (
        ("optional", request.optional, plugin.optional),
        ("after", request.after, plugin.after),
        ("distribution", request.distribution, plugin.distribution),
    ):
        is_asked = asked or field in request.explicit_defaults
        if not is_asked or asked == held:
            continue
        if field == "after" and _is_whole(request, plugin, known):
            continue
        yield _contradiction(
            identifier,
            f"`{identifier}` is asked for with another `{field}` than the locked one",
            origins.get(dotted((request.group, request.name, field)), request.where),
            expected=_show(held),
            found=_show(asked),
        )


def _is_whole(request: PluginRequest, plugin: LockedPlugin, known: Collection[str]) -> bool:
    """Whether what is locked beyond what is asked for can be what the manifest declares.

    A lock holds both together, and of what an optional plugin is to come after only what
    was there, as the `known` ids are. The manifest isn't parsed: an id that it doesn't even
    contain can't be one that it declares.
    """
    asked, locked = set(request.after), set(plugin.after)
    if request.optional:
        asked.intersection_update(known)
    if not asked <= locked:
        return False
    declared = b"".join(_manifests(plugin.entry_point.partition(":")[0]))
    return all(other.encode() in declared for other in locked - asked)


def _manifests(module: str) -> Iterator[bytes]:
    """Yield the manifests in the packages of a module, none of which is imported."""
    from coral_lock.manifest.model import MANIFEST_NAME, MAX_MANIFEST_BYTES

    for package in import_chain(module):
        for place in package.search or ():
            try:
                yield read_regular_file(os.path.join(place, MANIFEST_NAME), MAX_MANIFEST_BYTES)
            except (OSError, ValueError):
                continue


def _unrequested(lock: Lock, descriptor: Descriptor) -> Iterator[Finding]:
    for plugin in lock.plugins:
        if (
            descriptor.discover == "listed"
            and descriptor.request(plugin.group, plugin.name) is None
        ):
            yield _contradiction(
                plugin.id,
                f"`{plugin.id}` isn't among the plugins that are switched on, "
                "and the lock holds it",
                descriptor.origins.get("plugins.discover", "plugins.discover"),
            )


def _show(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return (
        {True: "true", False: "false"}.get(value, str(value))
        if isinstance(value, bool)
        else str(value)
    )
