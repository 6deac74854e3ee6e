"""From the lock of each target to the one lock of all of them, and what keeps them apart."""

from __future__ import annotations

from coral_lock import canonical_json
from coral_lock.difference.change import literal
from coral_lock.difference.text import one_line
from coral_lock.errors import InvalidLockError
from coral_lock.finding import ERROR, Finding, sorted_findings
from coral_lock.lockfile.entries import ExcludedPlugin, LockedDistribution, LockedPlugin
from coral_lock.lockfile.mapping import sorted_data
from coral_lock.lockfile.model import Lock, offering_distributions
from coral_lock.lockfile.order import CycleError
from coral_lock.locking.relations import cycle_finding
from coral_lock.names import base_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from coral_lock.canonical_json import Value
    from coral_lock.descriptor.model import Descriptor
    from coral_lock.lockfile.entries import HostPackage
    from coral_lock.targets.model import Target


_ONE_VERSION = (
    "leave one version that fits every target in the wheelhouse, or write a lock for each target"
)


def conflicts(parts: Mapping[str, Lock]) -> Iterator[Finding]:
    """Yield an error for everything that one lock can't say differently for each target.

    Args:
        parts: the lock of each target by the target's name, sorted.
    """
    yield from _host_conflicts(parts)
    distributions: dict[str, dict[str, LockedDistribution]] = {}
    plugins: dict[str, dict[str, LockedPlugin]] = {}
    for target, part in parts.items():
        for distribution in part.distributions:
            distributions.setdefault(distribution.name, {})[target] = distribution
        for plugin in part.plugins:
            plugins.setdefault(plugin.id, {})[target] = plugin
    for name in sorted(distributions):
        yield from _distribution_conflicts(distributions[name])
    known = {target: known_plugins(part) for target, part in parts.items()}
    for identifier in sorted(plugins):
        yield from _plugin_conflicts(plugins[identifier], known)


def known_plugins(part: Lock) -> set[str]:
    """Return the ids that may stand in `after`: what is activated, and what is left out."""
    return part.known_plugins()


def _host_conflicts(parts: Mapping[str, Lock]) -> Iterator[Finding]:
    platforms = _disagreement({target: part.platform for target, part in parts.items()})
    if platforms:
        yield Finding(
            code="conflict",
            severity=ERROR,
            subject="platform",
            summary="the targets have different platforms to be told to plugins",
            expected="one platform",
            found=platforms,
            hint="say `platform` in the descriptor",
        )
    for role in ("core", "inference"):
        packages = {target: getattr(part.host, role) for target, part in parts.items()}
        found = _disagreement({target: _package(each) for target, each in packages.items()})
        if found:
            yield Finding(
                code="conflict",
                severity=ERROR,
                subject=next(each.distribution for each in packages.values() if each),
                summary=f"the targets have different versions of the {role} host",
                expected="one version",
                found=found,
                hint=_ONE_VERSION,
            )


def _package(package: HostPackage | None) -> str | None:
    return f"{package.distribution}=={package.version}" if package else None


def _disagreement(values: Mapping[str, Value]) -> str | None:
    """Return which targets have which value, or None where all have the same."""
    shown: dict[str, str] = {}
    targets: dict[str, list[str]] = {}
    for target, value in values.items():
        text = canonical_json.write(value)
        shown[text] = one_line(value)
        targets.setdefault(text, []).append(literal(target))
    if len(targets) < 2:
        return None
    return ", ".join(f"{shown[text]} for {' and '.join(names)}" for text, names in targets.items())


def _distribution_conflicts(found: Mapping[str, LockedDistribution]) -> Iterator[Finding]:
    """Yield what differs about a distribution, given for each target that needs it."""
    some = next(iter(found.values()))
    name = literal(some.name)
    versions = _disagreement({target: each.version for target, each in found.items()})
    if versions:
        yield Finding(
            code="conflict",
            severity=ERROR,
            subject=some.name,
            summary=f"the targets need different versions of {name}",
            expected="one version",
            found=versions,
            hint=_ONE_VERSION,
        )
        return
    accepted = _disagreement({target: list(each.accepted) for target, each in found.items()})
    if accepted:
        yield Finding(
            code="conflict",
            severity=ERROR,
            subject=some.name,
            summary=f"the targets accept different findings about {name}",
            expected="the same for every target",
            found=accepted,
            hint="lock all targets with one descriptor",
        )
    program = _disagreement({target: each.program for target, each in found.items()})
    if program:
        yield Finding(
            code="conflict",
            severity=ERROR,
            subject=some.name,
            summary=f"the program requires {name} itself for some targets only",
            expected="the same for every target",
            found=program,
            hint="lock all targets with one descriptor",
        )
    unpinned = [literal(target) for target, each in found.items() if not each.digests]
    if unpinned and len(unpinned) < len(found):
        yield Finding(
            code="conflict",
            severity=ERROR,
            subject=some.name,
            summary=f"{name} is an editable install for some targets only",
            expected="a digest for every target",
            found=f"none for {' and '.join(unpinned)}",
            hint="install it from a wheel",
        )
    for tag in sorted({tag for each in found.values() for tag in each.digests}):
        those = {target: each for target, each in found.items() if tag in each.digests}
        digests = _disagreement({target: each.digests[tag] for target, each in those.items()})
        digests = digests or _disagreement(
            {target: (each.data_digests or {}).get(tag) for target, each in those.items()}
        )
        if digests:
            yield Finding(
                code="conflict",
                severity=ERROR,
                subject=some.name,
                summary=f"{name} has different bytes for the wheel tag {literal(tag)}",
                expected="one digest",
                found=digests,
                hint="take the same wheel for every target",
            )


_FIELDS = {
    "entry_point": "entry point",
    "description": "description",
    "min_core_version": "required core version",
    "min_inference_version": "required inference version",
    "optional": "`optional`",
    "default_config_overrides": "configuration",
    "env": "needed environment variables",
}


def _plugin_conflicts(
    found: Mapping[str, LockedPlugin], known: Mapping[str, set[str]]
) -> Iterator[Finding]:
    """Yield what differs about a plugin, given for each target that activates it."""
    some = next(iter(found.values()))
    distributions = _disagreement({target: each.distribution for target, each in found.items()})
    if distributions:
        yield Finding(
            code="conflict",
            severity=ERROR,
            subject=some.id,
            summary=f"{literal(some.id)} comes from different distributions",
            expected="one distribution",
            found=distributions,
            hint="choose one in the descriptor: "
            f"`{some.group}: {{{some.name}: {{distribution: {some.distribution}}}}}`",
        )
        return
    differing = {
        what: _disagreement(
            {target: sorted_data(getattr(each, field)) for target, each in found.items()}
        )
        for field, what in _FIELDS.items()
    }
    differing["`after`"] = _after_disagreement(found, known)
    for what, values in differing.items():
        if values:
            yield Finding(
                code="conflict",
                severity=ERROR,
                subject=some.id,
                summary=f"the {what} of {literal(some.id)} differs between the targets",
                expected="the same for every target",
                found=values,
                hint=f"build the wheels of `{some.distribution}` from the same sources",
            )


def _after_disagreement(
    found: Mapping[str, LockedPlugin], known: Mapping[str, set[str]]
) -> str | None:
    """Return which targets have which `after`, where more differs than what there is."""
    every = {identifier for plugin in found.values() for identifier in plugin.after}
    if all(every & known[target] == set(plugin.after) for target, plugin in found.items()):
        return None
    return _disagreement({target: plugin.after for target, plugin in found.items()})


_APART = "the targets can't be in one lock: "


def combine(
    parts: Mapping[str, Lock], targets: tuple[Target, ...], descriptor: Descriptor | None = None
) -> tuple[Lock | None, tuple[Finding, ...]]:
    """Return the lock of several targets, or everything that keeps them out of one lock.

    `part_of` gives each part back, but for the digests, which are those of all the parts.
    In a part, and in the lock that is returned, an id of `excluded` names its distribution
    where several distributions offer that plugin, and only there.

    Args:
        parts: the lock of each target by the target's name: it has no targets itself, and
            its host has the target's Python.
        targets: the targets, each of which has its part.
        descriptor: what this runtime should run, to tell where it asks for something.
    """
    ordered = {name: parts[name] for name in sorted(target.name for target in targets)}
    findings = sorted_findings(conflicts(ordered))
    if findings:
        return None, findings
    first = next(iter(ordered.values()))
    try:
        lock = Lock(
            platform=first.platform,
            host=first.host.replace(python=None),
            targets=targets,
            plugins=_plugins(ordered),
            excluded=_excluded(ordered),
            distributions=_distributions(ordered),
        )
    except CycleError as error:
        entry_points = {
            plugin.id: plugin.entry_point for part in parts.values() for plugin in part.plugins
        }
        return None, (cycle_finding(error, descriptor, entry_points, _APART),)
    except InvalidLockError as error:
        return None, (_invalid_lock_finding(error),)
    return lock, ()


def _invalid_lock_finding(error: InvalidLockError) -> Finding:
    return Finding(
        code="conflict",
        severity=ERROR,
        subject=error.path,
        summary=f"{_APART}{error.message}",
        where=error.path,
        hint=error.hint,
    )


def _scope(found: Collection[str], parts: Collection[str]) -> tuple[str, ...]:
    """Return the names of the targets that an entry is for; none if it is for all."""
    return () if len(found) == len(parts) else tuple(sorted(found))


def _plugins(parts: Mapping[str, Lock]) -> tuple[LockedPlugin, ...]:
    found: dict[str, dict[str, LockedPlugin]] = {}
    for target, part in parts.items():
        for plugin in part.plugins:
            found.setdefault(plugin.id, {})[target] = plugin
    return tuple(
        next(iter(by_target.values())).replace(
            after=tuple(sorted({other for each in by_target.values() for other in each.after})),
            targets=_scope(by_target, parts),
        )
        for by_target in found.values()
    )


def _excluded(parts: Mapping[str, Lock]) -> tuple[ExcludedPlugin, ...]:
    found: dict[tuple[str, str], dict[str, str]] = {}
    for target, part in parts.items():
        for plugin in part.excluded:
            key = (base_id(plugin.id), plugin.distribution)
            found.setdefault(key, {})[target] = plugin.reason
    offers = offering_distributions(
        (plugin for part in parts.values() for plugin in part.plugins),
        (plugin for part in parts.values() for plugin in part.excluded),
    )
    excluded = []
    for (identifier, distribution), reasons in found.items():
        reason = next(iter(reasons.values()))
        excluded.append(
            ExcludedPlugin(
                id=identifier if len(offers[identifier]) == 1 else f"{identifier}@{distribution}",
                distribution=distribution,
                reason=reason,
                target_reasons={
                    target: other for target, other in reasons.items() if other != reason
                },
                targets=_scope(reasons, parts),
            )
        )
    return tuple(excluded)


def _distributions(parts: Mapping[str, Lock]) -> tuple[LockedDistribution, ...]:
    found: dict[str, dict[str, LockedDistribution]] = {}
    for target, part in parts.items():
        for distribution in part.distributions:
            found.setdefault(distribution.name, {})[target] = distribution
    return tuple(_distribution(by_target, _scope(by_target, parts)) for by_target in found.values())


def _distribution(
    by_target: Mapping[str, LockedDistribution], targets: tuple[str, ...]
) -> LockedDistribution:
    """Return a distribution with the digests of all targets and the edges that each has."""
    every = list(by_target.values())
    shared = set(every[0].requires).intersection(*(each.requires for each in every))
    further = {
        target: tuple(name for name in each.requires if name not in shared)
        for target, each in by_target.items()
    }
    return every[0].replace(
        digests={tag: digest for each in every for tag, digest in each.digests.items()},
        data_digests=_data_digests(every),
        requires=tuple(sorted(shared)),
        target_requires={target: names for target, names in further.items() if names},
        targets=targets,
    )


def _data_digests(every: Sequence[LockedDistribution]) -> dict[str, str] | None:
    """Return those of all targets; none where those of one can't be told."""
    known = [each.data_digests for each in every if each.data_digests is not None]
    if not known:
        return None
    return {tag: digest for each in known for tag, digest in each.items()} if all(known) else {}
