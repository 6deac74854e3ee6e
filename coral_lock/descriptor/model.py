"""The descriptor as a value, merged from all its sources, and as the document that is printed."""

from __future__ import annotations

from coral_lock.names import plugin_id
from coral_lock.plugin.config import BUILT_IN_PATCHES, DEFAULT_PLATFORM, RuntimeConfig
from coral_lock.plugin.facts import merged
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from coral_lock.targets.model import Target

DISCOVER_ALL = "all"
DISCOVER_LISTED = "listed"
"""`all` selects every plugin that fits, `listed` only those that are switched on."""

DEFAULT_ORIGIN = "default"

OWN_SWITCHES = {
    "patches": tuple(BUILT_IN_PATCHES),
    "backends": ("auto_discover", "auto_patch_rknn", "modules"),
}
"""The keys of a group's section that aren't the names of plugins."""

FIELDS = {
    "platform": ("platform",),
    "host_core": ("host", "core"),
    "host_inference": ("host", "inference"),
    "auto_discover_backends": ("backends", "auto_discover"),
    "auto_patch_rknn": ("backends", "auto_patch_rknn"),
    "backend_modules": ("backends", "modules"),
    "discover": ("plugins", "discover"),
    "extra_patches": ("extra_patches",),
    "program_requires": ("program", "requires"),
    "services": ("services",),
}
"""The fields of a `Descriptor` that are one key of the document each, and the path of the key."""


class PluginRequest(Record):
    """What the descriptor requests of one plugin.

    `after` holds plugin ids, sorted and each once; `distribution` is a normalized name, or
    None where the descriptor leaves it open; `where` is the place that decided `enabled`:
    `runtime.yaml:4:3`, `CORAL_ENABLE_CAMERA` or `--set patches.x=true`. `explicit_defaults`
    are the fields that the descriptor sets to their defaults: `optional: false`, or
    an empty `after`.

    Raises:
        ValueError: `after` isn't sorted, or holds an id twice.
    """

    group: str
    name: str
    enabled: bool
    optional: bool = False
    after: tuple[str, ...] = ()
    distribution: str | None = None
    explicit_defaults: tuple[str, ...] = ()
    where: str

    @property
    def id(self) -> str:
        return plugin_id(self.group, self.name)

    def _check(self) -> None:
        if list(self.after) != sorted(set(self.after)):
            raise ValueError("`after` must be sorted and unique")


class Descriptor(Record):
    """A whole descriptor, its defaults filled in.

    `accepted` are, by the normalized names of distributions, the codes of the findings that are
    accepted from them, sorted. `targets` are sorted by name. `host_core` and `host_inference`
    are the versions (PEP 440) of hosts that may not be there to be asked, None where the
    descriptor doesn't pin them.
    `built_in_patches` holds every patch of the host itself. `requests` are sorted by group
    and name. `program_requires` are the requirements (PEP 508) of the program itself, sorted.
    `origins` is the source of each value, by its dotted key:
    a place in the file, an environment variable, a `--set`, or `default`.

    Raises:
        ValueError: two requests are about the same plugin, or two targets have one name.
    """

    platform: str = DEFAULT_PLATFORM
    targets: tuple[Target, ...] = ()
    host_core: str | None = None
    host_inference: str | None = None
    discover: str = DISCOVER_ALL
    auto_discover_backends: bool = True
    auto_patch_rknn: bool = True
    backend_modules: tuple[str, ...] = ()
    extra_patches: tuple[str, ...] = ()
    program_requires: tuple[str, ...] = ()
    accepted: Mapping[str, tuple[str, ...]] = {}
    built_in_patches: Mapping[str, bool]
    requests: tuple[PluginRequest, ...]
    services: Mapping[str, Any] = {}
    origins: Mapping[str, str] = {}
    warnings: tuple[str, ...] = ()

    def _check(self) -> None:
        in_order = sorted(self.requests, key=lambda request: request.id)
        if len({request.id for request in in_order}) < len(in_order):
            raise ValueError("two requests for one plugin")
        object.__setattr__(self, "requests", tuple(in_order))
        targets = sorted(self.targets, key=lambda target: target.name)
        if len({target.name for target in targets}) < len(targets):
            raise ValueError("two targets with one name")
        object.__setattr__(self, "targets", tuple(targets))
        object.__setattr__(self, "program_requires", tuple(sorted(self.program_requires)))

    def request(self, identifier: str) -> PluginRequest | None:
        """Return the request for the plugin of that id, None if the descriptor doesn't name it."""
        return next((each for each in self.requests if each.id == identifier), None)

    def unloaded(self, group: str) -> tuple[str, str] | None:
        """Return by which switch the host doesn't load the plugins of a group, or None.

        Returns:
            The switch's dotted key, and why a plugin is left out for it.
        """
        if group == "backends":
            is_loaded, key = self.auto_discover_backends, "backends.auto_discover"
        else:
            is_loaded, key = self.built_in_patches.get("plugins", True), "patches.plugins"
        return None if is_loaded else (key, f"the host loads no {group}: `{key}` is false")

    def runtime_config(self, overrides: Mapping[str, Any] | None = None) -> RuntimeConfig:
        """Return the configuration that plugins get.

        Its `patches` are the host's own ones and the plugins of the group patches that the
        descriptor names.

        Args:
            overrides: `patches` and `services` that plugins bring along; they hold where
                the descriptor sets nothing.
        """
        overrides = overrides or {}
        patches = {
            name: overrides.get("patches", {}).get(name, switch)
            if self.origins.get(f"patches.{name}", DEFAULT_ORIGIN) == DEFAULT_ORIGIN
            else switch
            for name, switch in self.built_in_patches.items()
        }
        for request in self.requests:
            if request.group == "patches":
                patches[request.name] = request.enabled
        return RuntimeConfig(
            platform=self.platform,
            services=merged(overrides.get("services", {}), self.services),
            patches=patches,
            auto_patch_rknn=self.auto_patch_rknn,
            auto_discover_backends=self.auto_discover_backends,
            backend_entry_modules=self.backend_modules,
            extra_patches=self.extra_patches,
        )


def to_mapping(descriptor: Descriptor) -> dict[str, Any]:
    """Return the document of `descriptor`, its defaults written out.

    A plugin that is only switched on or off has the short form. The
    values of `services` are the ones that plugins get: mask them before printing.
    """
    document: dict[str, Any] = {
        "platform": None,
        "targets": [target.to_dict() for target in descriptor.targets],
        "host": {},
        "patches": dict(descriptor.built_in_patches),
        "workflows": {},
        "backends": {},
        "plugins": {},
        "distributions": {
            name: {"accept": list(codes)} for name, codes in descriptor.accepted.items()
        },
        "extra_patches": None,
        "program": {},
        "services": None,
    }
    for field, (*sections, key) in FIELDS.items():
        value = getattr(descriptor, field)
        if value is not None:
            place = document[sections[0]] if sections else document
            place[key] = list(value) if isinstance(value, tuple) else value
    for request in descriptor.requests:
        document[request.group][request.name] = _switch(request)
    return document


def _switch(request: PluginRequest) -> Any:
    given = {
        field: list(value) if isinstance(value, tuple) else value
        for field in ("optional", "after", "distribution")
        if (value := getattr(request, field)) or field in request.explicit_defaults
    }
    return {"enabled": request.enabled, **given} if given else request.enabled
