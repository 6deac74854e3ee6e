"""Settings of several sources → one descriptor, the later source winning."""

from __future__ import annotations

from coral_lock.descriptor.document import leaves, to_mapping
from coral_lock.descriptor.model import (
    DEFAULT_ORIGIN,
    DISCOVER_ALL,
    Descriptor,
    PluginRequest,
)
from coral_lock.document.keys import dotted
from coral_lock.document.node import Node
from coral_lock.plugin.config import BUILT_IN_PATCHES, DEFAULT_PLATFORM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from coral_lock.descriptor.sections import Mention, Path, Setting, Settings


def merged_descriptor(sources: Iterable[Settings], warnings: tuple[str, ...]) -> Descriptor:
    """Return the descriptor of several sources.

    A plugin's switch is merged field by field, so that a later `true` or `false` changes
    `enabled` alone; `services` are merged key by key, lists as a whole.

    Args:
        sources: what each source says, the one that wins last.
        warnings: the warnings of all sources.
    """
    values: dict[Path, Setting] = {}
    mentions: dict[Path, Mention] = {}
    services: Node | None = None
    for source in sources:
        values.update(source.values)
        for path, mention in source.mentions.items():
            if mention.decides or path not in mentions:
                mentions[path] = mention
        if source.services is not None:
            services = source.services if services is None else _merged(services, source.services)
    descriptor = _descriptor(values, mentions, services, warnings)
    return descriptor.replace(origins=_origins(descriptor, values, services))


def _merged(base: Node, over: Node) -> Node:
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    members = dict(base.value)
    for key, node in over.value.items():
        members[key] = _merged(members[key], node) if key in members else node
    return Node(value=members, place=base.place, key_place=base.key_place)


def _descriptor(
    values: dict[Path, Setting],
    mentions: dict[Path, Mention],
    services: Node | None,
    warnings: tuple[str, ...],
) -> Descriptor:
    def value(default: Any, *path: str) -> Any:
        return values[path].value if path in values else default

    return Descriptor(
        platform=value(DEFAULT_PLATFORM, "platform"),
        targets=value((), "targets"),
        host_core=value(None, "host", "core"),
        host_inference=value(None, "host", "inference"),
        discover=value(DISCOVER_ALL, "plugins", "discover"),
        auto_discover_backends=value(True, "backends", "auto_discover"),
        auto_patch_rknn=value(True, "backends", "auto_patch_rknn"),
        backend_modules=value((), "backends", "modules"),
        extra_patches=value((), "extra_patches"),
        program_requires=value((), "program", "requires"),
        accepted={
            path[1]: setting.value
            for path, setting in sorted(values.items())
            if path[0] == "distributions" and setting.value
        },
        built_in_patches={name: value(True, "patches", name) for name in BUILT_IN_PATCHES},
        requests=tuple(
            PluginRequest(
                group=group,
                name=name,
                enabled=value(True, group, name, "enabled"),
                optional=value(False, group, name, "optional"),
                after=value((), group, name, "after"),
                distribution=value(None, group, name, "distribution"),
                explicit_defaults=tuple(
                    field
                    for field in ("optional", "after")
                    if (group, name, field) in values and not values[group, name, field].value
                ),
                where=mention.where,
            )
            for (group, name), mention in mentions.items()
        ),
        services={} if services is None else services.plain(),
        origins={},
        warnings=warnings,
    )


def _origins(
    descriptor: Descriptor, values: dict[Path, Setting], services: Node | None
) -> dict[str, str]:
    origins: dict[str, str] = {}
    for path in leaves(to_mapping(descriptor)):
        if path[0] == "services":
            origin = _services_origin(services, path[1:])
        elif path in values:
            origin = values[path].where
        else:
            # The short form of a plugin's switch stands for its `enabled`.
            enabled = values.get((*path, "enabled"))
            origin = enabled.where if enabled else DEFAULT_ORIGIN
        origins[dotted(path)] = origin
    return origins


def _services_origin(services: Node | None, path: Path) -> str:
    if services is None:
        return DEFAULT_ORIGIN
    node = services
    for part in path:
        node = node.value[part]
    return str(node.origin)
