"""What changed about the distributions of two locks: versions, digests, requirements."""

from __future__ import annotations

from coral_lock.difference.change import Change, literal
from coral_lock.lockfile.mapping import distribution_to_mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from coral_lock.canonical_json import Value
    from coral_lock.lockfile.model import Lock, LockedDistribution


def distribution_changes(old: Lock, new: Lock) -> Iterator[Change]:
    """Yield what changed about the distributions."""
    old_distributions = {distribution.name: distribution for distribution in old.distributions}
    new_distributions = {distribution.name: distribution for distribution in new.distributions}
    for name in sorted(old_distributions.keys() | new_distributions.keys()):
        before, after = old_distributions.get(name), new_distributions.get(name)
        if before and after:
            yield from _version_changes(before, after)
            yield from _digest_changes(before, after)
            yield from _data_digest_changes(before, after)
            yield from _acceptance_changes(before, after)
            yield from _program_changes(before, after)
            yield from _requirement_changes(before, after)
            yield from _targets_changes(before, after)
        elif after:
            yield Change(
                code="distribution-added",
                subject=name,
                summary=f"{literal(name)} is added"
                + ("" if after.digests else " without a digest, so its bytes aren't fixed"),
                place=("distributions", name),
                distribution=name,
                after=distribution_to_mapping(after),
                is_alarming=not after.digests,
            )
        elif before:
            yield Change(
                code="distribution-removed",
                subject=name,
                summary=f"{literal(name)} is removed",
                place=("distributions", name),
                distribution=name,
                before=distribution_to_mapping(before),
            )


_DIRECTIONS = {
    "version-changed": "has another version",
    "version-downgraded": "went down to a lower version",
    "version-upgraded": "went up to a higher version",
}


def _version_changes(old: LockedDistribution, new: LockedDistribution) -> Iterator[Change]:
    if old.version == new.version:
        return
    code = _direction(old.version, new.version)
    yield Change(
        code=code,
        subject=new.name,
        summary=f"{literal(new.name)} {_DIRECTIONS[code]}",
        place=("distributions", new.name, "version"),
        distribution=new.name,
        before=old.version,
        after=new.version,
        is_alarming=code == "version-downgraded",
    )


def _direction(before: str, after: str) -> str:
    """Return the code for a change of version; PEP 440 says which is higher."""
    from packaging.version import Version

    try:
        old, new = Version(before), Version(after)
    except ValueError:
        return "version-changed"
    if old == new:
        return "version-changed"
    return "version-upgraded" if old < new else "version-downgraded"


def _digest_changes(old: LockedDistribution, new: LockedDistribution) -> Iterator[Change]:
    name = literal(new.name)
    if old.digests and not new.digests:
        yield Change(
            code="unpinned",
            subject=new.name,
            summary=f"{name} has no digest any more, so its bytes aren't fixed",
            place=("distributions", new.name, "digests"),
            distribution=new.name,
            before=dict(sorted(old.digests.items())),
            after={},
            is_alarming=True,
        )
        return
    is_same_version = old.version == new.version
    is_replaced = is_same_version and not set(old.digests.items()) & set(new.digests.items())
    for tag in sorted(old.digests.keys() | new.digests.keys()):
        before, after = old.digests.get(tag), new.digests.get(tag)
        if before == after:
            continue
        is_alarming = False
        if before is None:
            code, summary = "digest-added", f"{name} is pinned for {literal(tag)} too"
            if is_replaced and old.digests:
                summary = f"{name} is pinned for {literal(tag)} instead, under the same version"
                is_alarming = True
        elif after is None:
            code, summary = "digest-removed", f"{name} is no longer pinned for {literal(tag)}"
        else:
            code, summary = "digest-changed", f"the digest of {name} for {literal(tag)} changed"
            if is_same_version:
                summary += " under the same version"
                is_alarming = True
        yield Change(
            code=code,
            subject=new.name,
            summary=summary,
            place=("distributions", new.name, "digests", tag),
            distribution=new.name,
            before=before,
            after=after,
            is_alarming=is_alarming,
        )


def _data_digest_changes(old: LockedDistribution, new: LockedDistribution) -> Iterator[Change]:
    """Yield what changed about scripts, headers and data.

    Under the same version it is as alarming as other modules are.
    """
    before, after = _sorted(old.data_digests), _sorted(new.data_digests)
    name = literal(new.name)
    steps: list[tuple[tuple[str, ...], Value, Value, str]]
    if before and after:
        tags = [tag for tag in sorted({*before, *after}) if before.get(tag) != after.get(tag)]
        steps = [((tag,), before.get(tag), after.get(tag), f" for {literal(tag)}") for tag in tags]
    else:
        steps = [((), before, after, "")] if before != after else []
    for step, was, now, for_tag in steps:
        if now == {}:
            code, summary = "unpinned", f"scripts, headers and data of {name} aren't pinned"
        elif not was:
            code, summary = "digest-added", f"{name} has scripts, headers or data{for_tag} now"
        elif now is None:
            code = "digest-removed"
            summary = f"{name} has no scripts, headers and data{for_tag} any more"
        else:
            code = "digest-changed"
            summary = f"the digest of the scripts, headers and data of {name}{for_tag} changed"
        is_same = old.version == new.version and not old.digests.keys().isdisjoint(new.digests)
        yield Change(
            code=code,
            subject=new.name,
            summary=f"{summary}, under the same version" if is_same else summary,
            place=("distributions", new.name, "data_digests", *step),
            distribution=new.name,
            before=was,
            after=now,
            is_alarming=is_same or now == {},
        )


def _sorted(digests: Mapping[str, str] | None) -> dict[str, Value] | None:
    return None if digests is None else dict(sorted(digests.items()))


def _acceptance_changes(old: LockedDistribution, new: LockedDistribution) -> Iterator[Change]:
    for code in sorted(set(old.accepted) ^ set(new.accepted)):
        is_added = code in new.accepted
        yield Change(
            code="acceptance-added" if is_added else "acceptance-removed",
            subject=new.name,
            summary=f"{literal(code)} of {literal(new.name)} is "
            + ("accepted" if is_added else "no longer accepted"),
            place=("distributions", new.name, "accepted"),
            distribution=new.name,
            before=None if is_added else code,
            after=code if is_added else None,
            is_alarming=is_added,
        )


def _program_changes(old: LockedDistribution, new: LockedDistribution) -> Iterator[Change]:
    if old.program != new.program:
        yield Change(
            code="program-requirement-added" if new.program else "program-requirement-removed",
            subject=new.name,
            summary="the program "
            + ("requires" if new.program else "no longer requires")
            + f" {literal(new.name)} itself",
            place=("distributions", new.name, "program"),
            distribution=new.name,
            before=True if old.program else None,
            after=True if new.program else None,
        )


def _requirement_changes(old: LockedDistribution, new: LockedDistribution) -> Iterator[Change]:
    """Yield what changed about the edges: those for every target, then those for each one."""
    place = ("distributions", new.name)
    only_some = {name for edges in _of_targets(old, new) for name in edges}
    for target in (None, *sorted({*old.target_requires, *new.target_requires})):
        before, after = _edges(old, target), _edges(new, target)
        for name in sorted(before ^ after):
            is_added = name in after
            verb = "requires" if is_added else "no longer requires"
            yield Change(
                code="requirement-added" if is_added else "requirement-removed",
                subject=new.name,
                summary=f"{literal(new.name)} {verb} {literal(name)}"
                + _for_whom(target, is_shared=name in only_some, is_added=is_added),
                place=(*place, "requires")
                if target is None
                else (*place, "target_requires", target),
                distribution=new.name,
                before=None if is_added else name,
                after=name if is_added else None,
            )


def _of_targets(*distributions: LockedDistribution) -> Iterator[tuple[str, ...]]:
    for distribution in distributions:
        yield from distribution.target_requires.values()


def _edges(distribution: LockedDistribution, target: str | None) -> set[str]:
    if target is None:
        return set(distribution.requires)
    return set(distribution.target_requires.get(target, ()))


def _for_whom(target: str | None, *, is_shared: bool, is_added: bool) -> str:
    """Return for which targets an edge came or went, as far as that has to be said."""
    if target is not None:
        return f" for the target {literal(target)}"
    if is_shared:
        return " for every target"
    return " too" if is_added else ""


def _targets_changes(old: LockedDistribution, new: LockedDistribution) -> Iterator[Change]:
    if old.targets != new.targets:
        yield Change(
            code="targets-changed",
            subject=new.name,
            summary=f"{literal(new.name)} is locked for other targets",
            place=("distributions", new.name, "targets"),
            distribution=new.name,
            before=list(old.targets),
            after=list(new.targets),
        )
