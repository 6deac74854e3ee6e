"""A lock of several targets: the part that is for one of them, and what has to hold for all."""

from __future__ import annotations

from coral_lock.canonical_json import join_path
from coral_lock.errors import InputError, InvalidLockError
from coral_lock.targets.model import MAX_TARGETS, tag_count
from coral_lock.targets.wheel_tags import fits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from typing import TypeAlias

    from coral_lock.lockfile.model import ExcludedPlugin, Lock, LockedDistribution, LockedPlugin
    from coral_lock.targets.model import Target


if TYPE_CHECKING:
    Entry: TypeAlias = LockedPlugin | ExcludedPlugin | LockedDistribution


_MAX_TAG_CHECKS = 1_000_000
"""How often a wheel tag is held against a target: a real lock of ten targets comes to 100,000."""


def check_targets(lock: Lock) -> None:
    """Hold that entries name targets as they are, and find there what they refer to.

    Every id, name and reference of the lock has been checked before, as if all of it were
    for one machine.

    Raises:
        InvalidLockError: one of these rules is broken; with the dotted path.
    """
    names = [target.name for target in lock.targets]
    if len(names) > MAX_TARGETS:
        raise InvalidLockError(f"a lock has at most {MAX_TARGETS} targets", path="targets")
    _check_python(lock, names)
    known = frozenset(names)
    for field, key in (("plugins", "id"), ("excluded", "id"), ("distributions", "name")):
        for entry in getattr(lock, field):
            place = join_path(field, getattr(entry, key))
            _check_names(entry.targets, known, f"{place}.targets")
    for distribution in lock.distributions:
        _check_target_requires(distribution, distribution.targets or names)
    _check_digests(lock)
    _check_exclusions(lock, names)
    if names:
        _check_references(lock, names)


def _check_python(lock: Lock, names: Sequence[str]) -> None:
    if names and lock.host.python is not None:
        raise InvalidLockError(
            "the targets say the version of Python, so the host doesn't", path="host.python"
        )
    if not names and lock.host.python is None:
        raise InvalidLockError("without targets the host says the version of Python", path="host")


def _check_names(chosen: Sequence[str], names: frozenset[str], place: str) -> None:
    """Hold that the targets of an entry are some of the lock's; for all it names none."""
    if not chosen:
        return
    for index, target in enumerate(chosen):
        if target not in names:
            raise InvalidLockError(
                f"`{target}` isn't a target of this lock", path=join_path(place, index)
            )
    if list(chosen) != sorted(set(chosen)):
        raise InvalidLockError("the names are sorted and each stands once", path=place)
    if len(chosen) == len(names):
        raise InvalidLockError("what is for all targets names none", path=place)


def _check_target_requires(distribution: LockedDistribution, targets: Sequence[str]) -> None:
    if not distribution.target_requires:
        return
    place = join_path("distributions", distribution.name) + ".target_requires"
    _check_keys(distribution.target_requires, targets, place)
    for_all = frozenset(distribution.requires)
    for target, required in distribution.target_requires.items():
        path = join_path(place, target)
        if not required:
            raise InvalidLockError("a target that requires nothing more is left out", path=path)
        if list(required) != sorted(set(required)):
            raise InvalidLockError("the names are sorted and each stands once", path=path)
        for index, name in enumerate(required):
            if name in for_all:
                raise InvalidLockError(
                    f"`{name}` stands in `requires` already", path=join_path(path, index)
                )
    edges = [set(distribution.target_requires.get(target, ())) for target in targets]
    shared = set.intersection(*edges) if edges else ()
    if shared:
        raise InvalidLockError(
            f"every target requires `{min(shared)}`, so it stands in `requires`", path=place
        )


def _check_digests(lock: Lock) -> None:
    """Hold that for each target there is a wheel that fits, and that none is for no target."""
    if not lock.targets:
        return
    # A start with a lock without targets doesn't pay for it.
    from coral_lock.targets.wheel_tags import fits

    checks = 0
    for distribution in lock.distributions:
        if not distribution.digests:
            continue
        place = join_path("distributions", distribution.name) + ".digests"
        own_targets = frozenset(distribution.targets)
        needing = [
            target for target in lock.targets if not own_targets or target.name in own_targets
        ]
        checks += sum(map(tag_count, distribution.digests)) * len(needing)
        if checks > _MAX_TAG_CHECKS:
            raise InvalidLockError("the lock has too many wheel tags for its targets", path=place)
        useless = set(distribution.digests)
        for target in needing:
            fitting = {tag for tag in distribution.digests if fits(tag, target)}
            useless -= fitting
            if not fitting:
                raise InvalidLockError(
                    f"none of these wheel tags fits the target `{target.name}`", path=place
                )
        if useless:
            raise InvalidLockError(
                "this wheel tag fits no target that needs the distribution",
                path=join_path(place, min(useless)),
            )


def _check_keys(values: Mapping[str, object], targets: Iterable[str], place: str) -> None:
    known = frozenset(targets)
    for target in values:
        if target not in known:
            raise InvalidLockError(
                f"`{target}` isn't a target that this is for", path=join_path(place, target)
            )


def _check_exclusions(lock: Lock, names: Sequence[str]) -> None:
    """Hold that nothing is activated and left out at once, and that ids are as short as may be.

    In a lock without targets an id may name its distribution needlessly.
    """
    activated = {plugin.id: plugin for plugin in lock.plugins}
    offers = offering_distributions(lock.plugins, lock.excluded)
    for excluded in lock.excluded:
        place = join_path("excluded", excluded.id)
        _check_target_reasons(excluded, excluded.targets or names, place)
        base = base_id(excluded)
        plugin = activated.get(base)
        if (
            plugin is not None
            and (excluded.id == base or plugin.distribution == excluded.distribution)
            and _share_a_target(plugin, excluded)
        ):
            raise InvalidLockError(f"`{base}` is activated too", path=place)
        if names and len(offers[base]) == 1 and excluded.id != base:
            raise InvalidLockError(
                f"no other distribution offers `{base}`, so its id is just that", path=place
            )
        if names and len(offers[base]) > 1 and excluded.id == base:
            raise InvalidLockError(
                f"several distributions offer it, so its id is `{base}@{excluded.distribution}`",
                path=place,
            )


def _check_target_reasons(excluded: ExcludedPlugin, targets: Sequence[str], place: str) -> None:
    """Hold that `reason` is that of the first target, and that only other reasons follow."""
    place += ".target_reasons"
    _check_keys(excluded.target_reasons, targets, place)
    for target, reason in excluded.target_reasons.items():
        path = join_path(place, target)
        if target == targets[0]:
            raise InvalidLockError("the reason for the first target is `reason`", path=path)
        if reason == excluded.reason:
            raise InvalidLockError("this is `reason` again, so it is left out", path=path)


def base_id(excluded: ExcludedPlugin) -> str:
    """Return the id `<group>:<name>` of a plugin that is left out."""
    return excluded.id.partition("@")[0]


def offering_distributions(
    plugins: Iterable[LockedPlugin], excluded: Iterable[ExcludedPlugin]
) -> dict[str, set[str]]:
    """Return the distributions that offer each plugin, by its id `<group>:<name>`."""
    offers: dict[str, set[str]] = {}
    for plugin in plugins:
        offers.setdefault(plugin.id, set()).add(plugin.distribution)
    for left_out in excluded:
        offers.setdefault(base_id(left_out), set()).add(left_out.distribution)
    return offers


def _share_a_target(one: Entry, other: Entry) -> bool:
    return not one.targets or not other.targets or not set(one.targets).isdisjoint(other.targets)


def _check_references(lock: Lock, names: Sequence[str]) -> None:
    """Hold that what an entry refers to is there for each of its targets."""
    distributions = {distribution.name: distribution for distribution in lock.distributions}
    every = frozenset(names)
    known: dict[str, set[str]] = {}
    for plugin in lock.plugins:
        known.setdefault(plugin.id, set()).update(plugin.targets or names)
    for excluded in lock.excluded:
        known.setdefault(base_id(excluded), set()).update(excluded.targets or names)
    targets_of = {name: frozenset(each.targets) for name, each in distributions.items()}

    def require_locked(name: str, targets: frozenset[str], place: str) -> None:
        missing = targets - targets_of[name] if targets_of[name] else None
        if missing:
            raise InvalidLockError(
                f"`{name}` isn't locked for the target `{min(missing)}`", path=place
            )

    for plugin in lock.plugins:
        place = join_path("plugins", plugin.id)
        own = frozenset(plugin.targets) or every
        require_locked(plugin.distribution, own, f"{place}.distribution")
        for index, identifier in enumerate(plugin.after):
            if own.isdisjoint(known[identifier]):
                raise InvalidLockError(
                    f"`{identifier}` is a plugin of other targets only",
                    path=join_path(f"{place}.after", index),
                )
    for distribution in lock.distributions:
        place = join_path("distributions", distribution.name)
        own = targets_of[distribution.name] or every
        for name in distribution.requires:
            require_locked(name, own, f"{place}.requires")
        for target, required in distribution.target_requires.items():
            path = join_path(f"{place}.target_requires", target)
            for name in required:
                require_locked(name, frozenset((target,)), path)


def part_of(lock: Lock, target: str) -> Lock:
    """Return what a lock says of one target, as a lock for that target alone would.

    It has no targets, and its host names the target's Python. The digests are those of the
    wheels that fit the target: which of them counts is up to the one that is installed.

    Args:
        lock: a lock with targets.
        target: the name of one.

    Raises:
        KeyError: the lock has no such target.
    """
    pythons = {each.name: each.language_version for each in lock.targets}
    python = pythons[target]
    found = next(each for each in lock.targets if each.name == target)
    plugins = [plugin for plugin in lock.plugins if target in (plugin.targets or pythons)]
    excluded = _excluded_part(
        [plugin for plugin in lock.excluded if target in (plugin.targets or pythons)],
        plugins,
        target,
    )
    known = {plugin.id for plugin in plugins}
    known.update(base_id(plugin) for plugin in excluded)
    return lock.replace(
        host=lock.host.replace(python=python),
        targets=(),
        plugins=tuple(_plugin_part(plugin, known) for plugin in plugins),
        excluded=excluded,
        distributions=tuple(
            _distribution_part(distribution, found)
            for distribution in lock.distributions
            if target in (distribution.targets or pythons)
        ),
    )


def _plugin_part(plugin: LockedPlugin, known: Collection[str]) -> LockedPlugin:
    after = tuple(identifier for identifier in plugin.after if identifier in known)
    return plugin.replace(targets=(), after=after)


def _excluded_part(
    excluded: Sequence[ExcludedPlugin], plugins: Sequence[LockedPlugin], target: str
) -> tuple[ExcludedPlugin, ...]:
    """Return what is left out there; an id names its distribution if others offer it too."""
    offers = offering_distributions(plugins, excluded)
    return tuple(
        plugin.replace(
            id=base_id(plugin) if len(offers[base_id(plugin)]) == 1 else plugin.id,
            reason=plugin.target_reasons.get(target, plugin.reason),
            target_reasons={},
            targets=(),
        )
        for plugin in excluded
    )


def _distribution_part(distribution: LockedDistribution, target: Target) -> LockedDistribution:
    own = distribution.target_requires.get(target.name, ())
    digests = {tag: each for tag, each in distribution.digests.items() if fits(tag, target)}
    return distribution.replace(
        digests=digests,
        data_digests=_data_digests_for(distribution, digests),
        targets=(),
        requires=tuple(sorted((*distribution.requires, *own))),
        target_requires={},
    )


def _data_digests_for(
    distribution: LockedDistribution, tags: Collection[str]
) -> dict[str, str] | None:
    """Return those of the scripts, headers and data of these wheels; None if they have none."""
    everywhere = distribution.data_digests
    if not everywhere:
        return None if everywhere is None else {}
    return {tag: digest for tag, digest in everywhere.items() if tag in tags} or None


def narrowed_digests(part: Lock, derived: Lock) -> Lock:
    """Return a lock with only those digests that a lock derived on one machine can have.

    A machine has one wheel of each distribution, and several may fit its target. Where the
    part has every wheel tag that the derived lock has for a distribution, those tags remain
    of it; elsewhere, and where the derived lock has no digest at all, the distribution is
    left as it is, so that the two locks differ. Scripts, headers and data that the part
    doesn't pin may be pinned on a machine where no other distribution overwrites them.

    Args:
        part: what a lock says of the machine's target.
        derived: the lock that was derived on the machine.
    """
    known = {each.name: each for each in derived.distributions}
    return part.replace(
        distributions=tuple(
            _narrowed(distribution, known[distribution.name])
            if distribution.name in known
            else distribution
            for distribution in part.distributions
        )
    )


def _narrowed(distribution: LockedDistribution, derived: LockedDistribution) -> LockedDistribution:
    narrowed = with_tags(distribution, derived.digests)
    if narrowed.data_digests == {} and narrowed.digests.keys() == derived.digests.keys():
        return narrowed.replace(data_digests=derived.data_digests)
    return narrowed


def with_tags(distribution: LockedDistribution, tags: Collection[str]) -> LockedDistribution:
    """Return a distribution with the digests of these wheel tags only, if it has all of them."""
    if not tags or not distribution.digests.keys() >= set(tags):
        return distribution
    return distribution.replace(
        digests={tag: distribution.digests[tag] for tag in sorted(tags)},
        data_digests=_data_digests_for(distribution, tags),
    )


def named_target(lock: Lock, name: str) -> Target:
    """Return the target of that name.

    Raises:
        InputError: the lock has none.
    """
    for target in lock.targets:
        if target.name == name:
            return target
    names = [target.name for target in lock.targets]
    more = [f"and {len(names) - 20} more"] if len(names) > 20 else []
    raise InputError(
        f"the lock has no target `{name}`",
        expected=", ".join([*names[:20], *more]) or "none: it has no targets",
        hint="pass one of those, or none" if lock.targets else "pass no target",
    )
