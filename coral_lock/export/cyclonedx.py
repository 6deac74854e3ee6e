"""A bill of materials in the format CycloneDX 1.6, which auditors' tools read.

https://cyclonedx.org/docs/1.6/json/

What the format has no field for is a property, named `coral:` and after the field of the lock.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from coral_lock.canonical_json import write
from coral_lock.errors import InputError
from coral_lock.export.installation import distributions_for
from coral_lock.lockfile.entries import Host, LockedDistribution, LockedPlugin, sorted_data
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.parts import named_target, part_of
from coral_lock.targets.model import Target
from coral_lock.wheels.wheelhouse import WheelFile

if TYPE_CHECKING:
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component
    from cyclonedx.model.dependency import Dependency

_TOOL = "coral-lock"
_ROOT = "coral-runtime"
"""The name of the component that the bill is of, and the reference to it."""

_Property = tuple[str, str]


def cyclonedx_text(
    lock: Lock,
    target: str | None = None,
    wheels: Mapping[str, Sequence[tuple[str, WheelFile]]] | None = None,
) -> str:
    """Return the bill of materials of a lock, as JSON; equal locks give the same bytes.

    Plugins, distributions and hosts are components; what is left out isn't. It has no serial
    number and no timestamp, which the format doesn't require.

    Args:
        lock: the lock, whose versions are valid (PEP 440).
        target: the only target that counts, or None for all. What just some targets require
            is among the dependencies of all.
        wheels: the wheels whose SHA-256 is stated, by distribution, as
            `wheels.locked.find_locked_wheels` finds them.

    Raises:
        InputError: the lock has no such target, or the extra `sbom` isn't installed.
    """
    if find_spec("cyclonedx") is None:
        raise InputError(
            "the library that writes CycloneDX isn't installed",
            expected="`cyclonedx-python-lib`",
            hint="install `coral-lock[sbom]`",
        )
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.tool import ToolRepository
    from cyclonedx.output.json import JsonV1Dot6

    part = lock if target is None else part_of(lock, target)
    targets = lock.targets if target is None else (named_target(lock, target),)
    distributions = distributions_for(lock, target)
    root = Component(
        type=ComponentType.APPLICATION,
        name=_ROOT,
        bom_ref=_ROOT,
        properties=_properties(_lock_properties(lock, targets)),
    )
    components = [
        *map(_plugin_component, part.plugins),
        *_distribution_components(part.host, distributions, wheels or {}),
    ]
    bom = Bom(
        components=components,
        metadata=BomMetaData(
            component=root,
            tools=ToolRepository(
                components=[Component(type=ComponentType.APPLICATION, name=_TOOL)]
            ),
        ),
        dependencies=_dependencies([root, *components], _edges(part, distributions)),
    )
    with warnings.catch_warnings():
        # A lock can hold distributions that nothing requires, and then the library warns.
        warnings.simplefilter("ignore")
        document = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["serialNumber"], document["metadata"]["timestamp"]
    return write(sorted_data(document))


def is_cyclonedx_text(text: str) -> bool:
    """Whether a text is a bill that `cyclonedx_text` returned, as it says itself."""
    try:
        document = json.loads(text)
        tools = document["metadata"]["tools"]["components"]
        return [tool["name"] for tool in tools] == [_TOOL]
    except (ValueError, RecursionError, LookupError, TypeError):
        return False


def _plugin_component(plugin: LockedPlugin) -> Component:
    from cyclonedx.model.component import Component, ComponentType

    return Component(
        type=ComponentType.APPLICATION,
        name=plugin.id,
        bom_ref=_plugin_reference(plugin.id),
        description=plugin.description or None,
        properties=_properties(_plugin_properties(plugin)),
    )


def _distribution_components(
    host: Host,
    distributions: Iterable[LockedDistribution],
    wheels: Mapping[str, Sequence[tuple[str, WheelFile]]],
) -> Iterator[Component]:
    """Yield what is locked, and the hosts of which the lock has only the version."""
    of_host = {
        package.distribution: (f"coral:host:{kind}", package.version)
        for kind, package in (("core", host.core), ("inference", host.inference))
        if package is not None
    }
    for each in distributions:
        own = [wheel for _, wheel in wheels.get(each.name, ())]
        properties = [*_distribution_properties(each)]
        properties += [(f"coral:wheel:{wheel.file_name}", wheel.sha256) for wheel in own]
        if each.name in of_host:
            properties.append(of_host.pop(each.name))
        hashes = {wheel.sha256 for wheel in own}
        yield _distribution_component(each.name, each.version, properties, hashes)
    for name, (label, version) in of_host.items():
        yield _distribution_component(name, version, [(label, version)])


def _distribution_component(
    name: str, version: str, properties: Iterable[_Property], hashes: Iterable[str] = ()
) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        bom_ref=_distribution_reference(name),
        purl=PackageURL(type="pypi", name=name, version=version),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each) for each in hashes],
        properties=_properties(properties),
    )


def _lock_properties(lock: Lock, targets: Iterable[Target]) -> Iterator[_Property]:
    yield "coral:lock_version", lock.lock_version
    yield "coral:platform", lock.platform
    if lock.host.python is not None:
        yield "coral:python", lock.host.python
    for target in targets:
        yield f"coral:target:{target.name}:python", target.python
        yield f"coral:target:{target.name}:platform", target.platform


def _plugin_properties(plugin: LockedPlugin) -> Iterator[_Property]:
    yield "coral:group", plugin.group
    yield "coral:entry_point", plugin.entry_point
    yield "coral:optional", "true" if plugin.optional else "false"
    for host in ("core", "inference"):
        version = getattr(plugin, f"min_{host}_version")
        if version is not None:
            yield f"coral:min_{host}_version", version
    for name in ("after", "env", "targets"):
        for value in getattr(plugin, name):
            yield f"coral:{name}", value


def _distribution_properties(distribution: LockedDistribution) -> Iterator[_Property]:
    for tag, digest in distribution.digests.items():
        yield f"coral:digest:{tag}", digest
    for tag, digest in (distribution.data_digests or {}).items():
        yield f"coral:data_digest:{tag}", digest
    if distribution.program:
        yield "coral:program", "true"
    for name in ("accepted", "targets"):
        for value in getattr(distribution, name):
            yield f"coral:{name}", value


def _edges(part: Lock, distributions: Iterable[LockedDistribution]) -> dict[str, set[str]]:
    """Return the references to what each component requires, by the reference to it."""
    required = {_ROOT: {_plugin_reference(plugin.id) for plugin in part.plugins}}
    required[_ROOT] |= {_distribution_reference(each.distribution) for each in part.host.packages()}
    for plugin in part.plugins:
        required[_plugin_reference(plugin.id)] = {_distribution_reference(plugin.distribution)}
    for each in distributions:
        names = {*each.requires, *(name for some in each.target_requires.values() for name in some)}
        required[_distribution_reference(each.name)] = set(map(_distribution_reference, names))
        if each.program:
            required[_ROOT].add(_distribution_reference(each.name))
    return required


def _dependencies(
    components: Iterable[Component], edges: Mapping[str, Iterable[str]]
) -> Iterator[Dependency]:
    from cyclonedx.model.dependency import Dependency

    references = {str(each.bom_ref.value): each.bom_ref for each in components}
    for name, reference in references.items():
        required = [Dependency(references[other]) for other in edges.get(name, ())]
        yield Dependency(reference, required)


def _properties(pairs: Iterable[_Property]) -> Iterator[Property]:
    from cyclonedx.model import Property

    return (Property(name=name, value=value) for name, value in pairs)


def _plugin_reference(identifier: str) -> str:
    return f"plugin:{identifier}"


def _distribution_reference(name: str) -> str:
    return f"distribution:{name}"
