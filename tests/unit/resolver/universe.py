"""Releases that exist in memory only: a source for each target, and short ways to write them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from packaging.version import Version

from coral_lock.descriptor.model import DISCOVER_ALL, Descriptor, PluginRequest
from coral_lock.errors import BrokenDistributionError
from coral_lock.inventory import (
    BrokenDistribution,
    Distribution,
    EntryPoint,
    StatedFiles,
)
from coral_lock.plugin.config import BUILT_IN_PATCHES
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.inventory import FoundDistribution, Inventory, Reporter

PYTHON = "3.11.4"
MARKERS = {
    "implementation_name": "cpython",
    "implementation_version": PYTHON,
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_release": "",
    "platform_version": "",
    "platform_system": "Linux",
    "platform_python_implementation": "CPython",
    "python_full_version": PYTHON,
    "python_version": "3.11",
    "sys_platform": "linux",
}


class Plugin(Record):
    """A plugin that a wheel offers, with what its manifest says."""

    id: str
    core: str | None = None
    inference: str | None = None
    platforms: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    is_known: bool = True


class Wheel(Record):
    """A wheel; `targets` are those that it fits, None stands for all."""

    name: str
    version: str
    requires: tuple[str, ...] = ()
    plugins: tuple[Plugin, ...] = ()
    python: str | None = None
    targets: tuple[str, ...] | None = None
    is_broken: bool = False

    @property
    def file_name(self) -> str:
        tag = "-".join(self.targets) if self.targets else "any"
        return f"{self.name.replace('-', '_')}-{self.version}-py3-none-{tag}.whl"


def wheel(
    label: str,
    *requires: str,
    plugins: Iterable[Plugin | str] = (),
    python: str | None = None,
    targets: Sequence[str] | None = None,
    broken: bool = False,
) -> Wheel:
    """Return a wheel from its name and version, `acme-a 1.0`, and what it requires."""
    name, version = label.split(" ")
    return Wheel(
        name=name,
        version=version,
        requires=tuple(sorted(requires)),
        plugins=tuple(
            Plugin(id=plugin) if isinstance(plugin, str) else plugin for plugin in plugins
        ),
        python=python,
        targets=None if targets is None else tuple(targets),
        is_broken=broken,
    )


def descriptor(
    *asked: str,
    off: Sequence[str] = (),
    optional: Sequence[str] = (),
    taken_from: Mapping[str, str] | None = None,
    discover: str = DISCOVER_ALL,
    platform: str = "onnx",
) -> Descriptor:
    """Return a descriptor that asks for plugins, `patches:a`, and switches others off."""
    requests = []
    for identifier in (*asked, *off, *optional):
        group, _, name = identifier.partition(":")
        requests.append(
            PluginRequest(
                group=group,
                name=name,
                enabled=identifier not in off,
                optional=identifier in optional,
                distribution=(taken_from or {}).get(identifier),
                where="runtime.yaml:2:3",
            )
        )
    return Descriptor(
        platform=platform,
        discover=discover,
        built_in_patches=dict.fromkeys(BUILT_IN_PATCHES, True),
        requests=tuple(requests),
        services={},
        origins={},
    )


def sources(
    *wheels: Wheel, targets: Sequence[str] = ("",), pythons: Mapping[str, str] | None = None
) -> dict[str, MemorySource]:
    """Return a source for each target, all of them with the same wheels."""
    return {
        target: MemorySource(wheels, target, (pythons or {}).get(target, PYTHON))
        for target in targets
    }


class MemorySource:
    """An `inventory.ReleaseSource` of wheels that exist in memory only."""

    def __init__(self, wheels: Iterable[Wheel], target: str, python: str = PYTHON) -> None:
        self._target = target
        self._python = python
        self._wheels: dict[str, list[Wheel]] = {}
        for each in wheels:
            self._wheels.setdefault(each.name, []).append(each)
        self._fitting: dict[str, dict[str, Wheel]] = {
            name: {
                each.version: each
                for each in found
                if each.targets is None or target in each.targets
            }
            for name, found in self._wheels.items()
        }

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._wheels))

    def releases(self, name: str) -> tuple[str, ...]:
        return tuple(sorted(self._fitting.get(name, {}), key=Version, reverse=True))

    def unfitting(self, name: str) -> dict[str, str]:
        fitting = self._fitting.get(name, {}).values()
        wheels = [each for each in self._wheels.get(name, ()) if each not in fitting]
        return {each.file_name: str(Version(each.version)) for each in wheels}

    def distribution_of(self, name: str, file_name: str) -> FoundDistribution:
        return next(found(each) for each in self._wheels[name] if each.file_name == file_name)

    def distribution(self, name: str, version: str) -> FoundDistribution:
        return found(self._fitting[name][version])

    def chosen(self, versions: Mapping[str, str]) -> Inventory:
        picked = {
            name: self._fitting[name][version]
            for name, version in versions.items()
            if version in self._fitting.get(name, {})
        }
        return MemoryInventory(picked, self.marker_environment())

    def marker_environment(self) -> Mapping[str, str]:
        return {
            **MARKERS,
            "python_full_version": self._python,
            "python_version": ".".join(self._python.split(".")[:2]),
        }


class MemoryInventory:
    """An `inventory.Inventory` of the wheels that were chosen."""

    def __init__(self, wheels: Mapping[str, Wheel], markers: Mapping[str, str]) -> None:
        self._wheels = wheels
        self._markers = markers

    def plugin_distributions(self) -> tuple[FoundDistribution, ...]:
        distributions = [found(self._wheels[name]) for name in sorted(self._wheels)]
        return tuple(
            each
            for each in distributions
            if isinstance(each, BrokenDistribution) or each.entry_points
        )

    def find(self, name: str) -> FoundDistribution | None:
        return found(self._wheels[name]) if name in self._wheels else None

    def read_source(self, name: str, path: str) -> bytes | None:
        if path != f"{_module(name)}/coral_plugin.yaml":
            return None
        plugins = [plugin for plugin in self._wheels[name].plugins if plugin.is_known]
        if not plugins:
            return None
        document = {"manifest_version": 1, "plugins": [_declared(name, each) for each in plugins]}
        return json.dumps(document).encode()

    def digests(
        self, names: Sequence[str], reporter: Reporter
    ) -> Iterator[tuple[str, Mapping[str, str] | BrokenDistributionError]]:
        for name in names:
            yield name, {"py3-none-any": "t1:" + "A" * 43 + "="}

    def stated(self, name: str) -> StatedFiles:
        return StatedFiles()

    def outside_hashes(self, name: str) -> Mapping[str, str]:
        return {}

    def python_version(self) -> str:
        return self._markers["python_version"]

    def marker_environment(self) -> Mapping[str, str]:
        return self._markers


def found(of: Wheel) -> FoundDistribution:
    """Return what a wheel says of itself."""
    location = f"/wheels/{of.file_name}"
    if of.is_broken:
        error = BrokenDistributionError(
            f"the wheel of `{of.name}` {of.version} has two members of one name",
            code="wheel-malformed",
            where=location,
            hint="build it again",
        )
        return BrokenDistribution(name=of.name, location=location, error=error)
    return Distribution(
        name=of.name,
        version=of.version,
        requires=of.requires,
        entry_points=tuple(_entry_point(of.name, plugin.id) for plugin in of.plugins),
        location=location,
        requires_python=of.python,
    )


def _module(name: str) -> str:
    return name.replace("-", "_")


def _entry_point(name: str, identifier: str) -> EntryPoint:
    group, _, plugin = identifier.partition(":")
    return EntryPoint(group=group, name=plugin, value=f"{_module(name)}.plugins:{plugin}")


def _declared(name: str, plugin: Plugin) -> dict[str, object]:
    group, _, plugin_name = plugin.id.partition(":")
    terms: dict[str, object] = {
        "min_core_version": plugin.core,
        "min_inference_version": plugin.inference,
        "platforms": list(plugin.platforms),
        "requires": dict.fromkeys(plugin.requires, "it has to"),
        "conflicts": dict.fromkeys(plugin.conflicts, "it can't be"),
    }
    return {
        "group": group,
        "name": plugin_name,
        "entry_point": f"{_module(name)}.plugins:{plugin_name}",
        "description": f"What {plugin_name} does",
        **{key: value for key, value in terms.items() if value},
    }
