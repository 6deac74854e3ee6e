"""A descriptor as the document that would give it again."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from coral_lock.descriptor.model import Descriptor, PluginRequest


def to_mapping(descriptor: Descriptor) -> dict[str, Any]:
    """Return the document of `descriptor`, its defaults written out.

    A plugin about which there is no more to say than on or off has the short form. The
    values of `services` are the ones that plugins get: mask them before printing.
    """
    switches: dict[str, dict[str, Any]] = {"backends": {}, "patches": {}, "workflows": {}}
    for request in descriptor.requests:
        switches[request.group][request.name] = _switch(request)
    host = {"core": descriptor.host_core, "inference": descriptor.host_inference}
    return {
        "platform": descriptor.platform,
        "targets": [
            {"name": target.name, "python": target.python, "platform": target.platform}
            for target in descriptor.targets
        ],
        "host": {role: version for role, version in host.items() if version is not None},
        "patches": {**descriptor.built_in_patches, **switches["patches"]},
        "workflows": switches["workflows"],
        "backends": {
            "auto_discover": descriptor.auto_discover_backends,
            "auto_patch_rknn": descriptor.auto_patch_rknn,
            "modules": list(descriptor.backend_modules),
            **switches["backends"],
        },
        "plugins": {"discover": descriptor.discover},
        "distributions": {
            name: {"accept": list(codes)} for name, codes in descriptor.accepted.items()
        },
        "extra_patches": list(descriptor.extra_patches),
        "program": {"requires": list(descriptor.program_requires)},
        "services": dict(descriptor.services),
    }


def _switch(request: PluginRequest) -> Any:
    details = {
        "optional": request.optional,
        "after": list(request.after),
        "distribution": request.distribution,
    }
    given = {
        field: value
        for field, value in details.items()
        if value or field in request.explicit_defaults
    }
    return {"enabled": request.enabled, **given} if given else request.enabled


def leaves(mapping: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every value that isn't a mapping with members; a list is one value."""
    for key, value in mapping.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)
