"""The lock as a value. Whoever holds a `Lock` holds a valid one: construction checks it."""

from __future__ import annotations

from coral_lock.canonical_json import join_path
from coral_lock.errors import InvalidLockError
from coral_lock.lockfile.entries import (
    Entry,
    ExcludedPlugin,
    Host,
    LockedDistribution,
    LockedPlugin,
    declared,
)
from coral_lock.lockfile.order import activation_order
from coral_lock.names import (
    CORE_DISTRIBUTION,
    INFERENCE_DISTRIBUTIONS,
    base_id,
    is_normalized_name,
    is_object_reference,
    split_plugin_id,
)
from coral_lock.plugin.config import BUILT_IN_PATCHES
from coral_lock.plugin.facts import OVERRIDE_SECTIONS
from coral_lock.reserved import ACCEPTABLE
from coral_lock.targets.model import MAX_TAGS, MAX_TARGETS, Target, tag_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

LOCK_VERSION = "1.0"

SECTIONS = (("plugins", "id"), ("excluded", "id"), ("distributions", "name"))
"""The parts of a lock that hold entries, and which field of an entry is its key."""

_MAX_TAG_CHECKS = 1_000_000
"""How often a wheel tag is compared with a target: a real lock of ten targets comes to 100,000."""

_UNSORTED = "must be sorted and unique"


class Lock(Entry):
    """A whole `coral.lock`.

    The parts are sorted by id or name at construction. `targets` are the kinds of machines
    that it is for; without any it is for machines with the Python that `host` names.
    `lock_version` is the one that was read; a later minor version is kept so that a reader
    can warn of it.

    Raises:
        InvalidLockError: an id, name, entry point or digest is malformed or appears
            twice, something refers to what isn't there or isn't for the same targets, or
            the order has a cycle. Several targets have one order of activation.
    """

    lock_version: str = declared(
        default=LOCK_VERSION, code="format-changed", changed="the format version changed"
    )
    platform: str = declared(changed="the platform changed")
    host: Host
    targets: tuple[Target, ...] = declared(default=(), is_left_out=True)
    plugins: tuple[LockedPlugin, ...] = ()
    excluded: tuple[ExcludedPlugin, ...] = ()
    distributions: tuple[LockedDistribution, ...] = ()

    def _check(self) -> None:
        for section, key in (("targets", "name"), *SECTIONS):
            entries = {getattr(entry, key): entry for entry in getattr(self, section)}
            if len(entries) < len(getattr(self, section)):
                keys = sorted(getattr(entry, key) for entry in getattr(self, section))
                twice = next(name for name in keys if keys.count(name) > 1)
                raise _invalid("this entry appears twice", section, twice)
            ordered = tuple(entries[name] for name in sorted(entries))
            object.__setattr__(self, section, ordered)
        _check_host(self)
        _check_fields(self)
        _check_plugins(self)
        _check_excluded(self)
        _check_distributions(self)
        if self.targets:
            _check_tags(self)
            _check_references(self)
        activation_order({plugin.id: plugin.after for plugin in self.plugins})

    def activation_order(self) -> tuple[LockedPlugin, ...]:
        """Return the plugins in the order of activation: group, then `after`, then id."""
        by_id = {plugin.id: plugin for plugin in self.plugins}
        order = activation_order({plugin.id: plugin.after for plugin in self.plugins})
        return tuple(by_id[identifier] for identifier in order)

    def distribution(self, name: str) -> LockedDistribution:
        """Return the locked distribution of that normalized name.

        Raises:
            KeyError: the lock doesn't hold it.
        """
        for distribution in self.distributions:
            if distribution.name == name:
                return distribution
        raise KeyError(name)

    def plugin_distributions(self) -> tuple[str, ...]:
        """Return the names of the distributions that provide the locked plugins, sorted."""
        return tuple(sorted({plugin.distribution for plugin in self.plugins}))

    def known_plugins(self) -> set[str]:
        """Return the ids that may be in `after`: what is activated, and what is left out."""
        return {
            *(plugin.id for plugin in self.plugins),
            *(base_id(plugin.id) for plugin in self.excluded),
        }


def offering_distributions(
    plugins: Iterable[LockedPlugin], excluded: Iterable[ExcludedPlugin]
) -> dict[str, set[str]]:
    """Return the distributions that offer each plugin, by its id `<group>:<name>`."""
    offers: dict[str, set[str]] = {}
    for plugin in (*plugins, *excluded):
        assert isinstance(plugin, (LockedPlugin, ExcludedPlugin))
        offers.setdefault(base_id(plugin.id), set()).add(plugin.distribution)
    return offers


def is_digest(value: str, prefix: str = "t1:") -> bool:
    """Whether `value` is a digest: its prefix, `t1:` or `d1:`, and the base64 of 32 bytes."""
    return (
        len(value) == 47
        and value.startswith(prefix)
        and value.endswith("=")
        and _BASE64.issuperset(value[3:-1])
    )


_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def _check_host(lock: Lock) -> None:
    host, python = lock.host, lock.host.python
    if host.core and host.core.distribution != CORE_DISTRIBUTION:
        raise InvalidLockError(
            f"the core host is `{CORE_DISTRIBUTION}`, not `{host.core.distribution}`",
            path="host.core.distribution",
        )
    if host.inference and host.inference.distribution not in INFERENCE_DISTRIBUTIONS:
        raise InvalidLockError(
            f"the inference host is one of {', '.join(INFERENCE_DISTRIBUTIONS)}, "
            f"not `{host.inference.distribution}`",
            path="host.inference.distribution",
        )
    if len(lock.targets) > MAX_TARGETS:
        raise InvalidLockError(f"a lock has at most {MAX_TARGETS} targets", path="targets")
    if lock.targets and python is not None:
        raise InvalidLockError(
            "a lock with targets has no version of Python in `host`", path="host.python"
        )
    if not lock.targets and python is None:
        raise InvalidLockError("a lock without targets has `host.python`", path="host")
    if python is not None and not all(
        part.isdigit() and part.isascii() for part in python.split(".")
    ):
        raise InvalidLockError(
            f"a Python version is written like `3.11`, not `{python}`", path="host.python"
        )


def _check_fields(lock: Lock) -> None:
    """Check what holds for every field of a type: text is Unicode, and arrays are sorted."""
    _require_unicode(lock.platform, "platform")
    for package in lock.host.packages():
        _require_unicode(package.version, "host")
    targets = tuple(target.name for target in lock.targets)
    for section, key in SECTIONS:
        for entry in getattr(lock, section):
            for field in entry.fields[1:]:
                value = getattr(entry, field.name)
                if not value:
                    continue
                place = (section, getattr(entry, key), field.name)
                if type(value) is str:
                    _require_unicode(value, *place)
                elif type(value) is tuple:
                    if len(value) > 1 and list(value) != sorted(set(value)):
                        raise _invalid(_UNSORTED, *place)
                    if field.name == "targets":
                        _check_target_names(value, targets, place)
                elif field.type.startswith("Mapping[str, str]"):
                    for name, text in value.items():
                        _require_unicode(name, *place)
                        _require_unicode(text, *place, name)


def _check_target_names(
    chosen: Sequence[str], names: Sequence[str], place: tuple[str, ...]
) -> None:
    """Check that the targets of an entry are some of the lock's."""
    for index, target in enumerate(chosen):
        if target not in names:
            raise _invalid(f"`{target}` isn't a target of this lock", *place, index)
    if len(chosen) == len(names):
        raise _invalid("an entry for all targets has no `targets`", *place)


def _check_plugins(lock: Lock) -> None:
    distributions = {distribution.name for distribution in lock.distributions}
    known = lock.known_plugins()
    for plugin in lock.plugins:
        place = ("plugins", plugin.id)
        _require_plugin_id(plugin.id, *place)
        if plugin.distribution not in distributions:
            raise _not_locked(plugin.distribution, *place, "distribution")
        if not is_object_reference(plugin.entry_point):
            raise _invalid(
                f"an entry point is written `module:attribute`, not `{plugin.entry_point}`",
                *place,
                "entry_point",
            )
        for identifier in plugin.after:
            if identifier not in known:
                raise _invalid(f"`{identifier}` isn't a plugin of this lock", *place, "after")
        _check_overrides(plugin.default_config_overrides, *place, "default_config_overrides")


def _check_overrides(overrides: Mapping[str, Any], *place: str) -> None:
    for section, value in overrides.items():
        if section not in OVERRIDE_SECTIONS or not isinstance(value, dict):
            raise _invalid(
                f"overrides are objects called {' or '.join(OVERRIDE_SECTIONS)}", *place, section
            )
        for name, flag in value.items() if section == "patches" else ():
            if name not in BUILT_IN_PATCHES or not isinstance(flag, bool):
                raise _invalid(
                    "a patch of the host itself is switched by true or false",
                    *place,
                    section,
                    name,
                )


def _check_excluded(lock: Lock) -> None:
    """Check that nothing is both activated and excluded, and that ids are as short as they can be.

    In a lock without targets an id may name its distribution needlessly.
    """
    activated = {plugin.id: plugin for plugin in lock.plugins}
    names = [target.name for target in lock.targets]
    offers = offering_distributions(lock.plugins, lock.excluded)
    for excluded in lock.excluded:
        place = ("excluded", excluded.id)
        base, _, distribution = excluded.id.partition("@")
        _require_plugin_id(base, *place)
        if not is_normalized_name(excluded.distribution):
            raise _not_normalized(excluded.distribution, *place, "distribution")
        if "@" in excluded.id and distribution != excluded.distribution:
            raise _invalid(
                f"the text after `@` must be the distribution `{excluded.distribution}`", *place
            )
        plugin = activated.get(base)
        if (
            plugin is not None
            and (excluded.id == base or plugin.distribution == excluded.distribution)
            and _share_a_target(plugin.targets, excluded.targets)
        ):
            raise _invalid(f"`{base}` is activated too", *place)
        if names and len(offers[base]) == 1 and excluded.id != base:
            raise _invalid(
                f"no other distribution offers `{base}`, so its id must be `{base}`", *place
            )
        if names and len(offers[base]) > 1 and excluded.id == base:
            raise _invalid(
                "several distributions offer it, so its id must be "
                f"`{base}@{excluded.distribution}`",
                *place,
            )
        own = excluded.targets or names
        for target, reason in excluded.target_reasons.items():
            path = (*place, "target_reasons", target)
            if target not in own:
                raise _not_for_target(target, *path)
            if target == own[0]:
                raise _invalid("the reason for the first target belongs in `reason`", *path)
            if reason == excluded.reason:
                raise _invalid("must differ from `reason`", *path)


def _share_a_target(some: Sequence[str], others: Sequence[str]) -> bool:
    return not some or not others or not set(some).isdisjoint(others)


def _check_distributions(lock: Lock) -> None:
    known = {distribution.name for distribution in lock.distributions}
    names = tuple(target.name for target in lock.targets)
    for distribution in lock.distributions:
        place = ("distributions", distribution.name)
        if not is_normalized_name(distribution.name):
            raise _not_normalized(distribution.name, *place)
        if not distribution.version:
            raise _invalid("must not be empty", *place, "version")
        for tag, digest in distribution.digests.items():
            if tag_count(tag) > MAX_TAGS:
                raise _invalid(
                    f"a wheel tag stands for at most {MAX_TAGS} tags", *place, "digests", tag
                )
            _require_digest("t1:", digest, *place, "digests", tag)
        for tag, digest in (distribution.data_digests or {}).items():
            if tag not in distribution.digests:
                raise _invalid("`digests` has no such wheel tag", *place, "data_digests", tag)
            _require_digest("d1:", digest, *place, "data_digests", tag)
        for code in distribution.accepted:
            if code not in ACCEPTABLE:
                raise _invalid(f"`{code}` can't be accepted", *place, "accepted")
        for name in distribution.requires:
            if name not in known:
                raise _not_locked(name, *place, "requires")
        if distribution.target_requires:
            _check_target_requires(distribution, distribution.targets or names, known)


def _check_target_requires(
    distribution: LockedDistribution, targets: Sequence[str], known: Iterable[str]
) -> None:
    place = ("distributions", distribution.name, "target_requires")
    for target, required in distribution.target_requires.items():
        if target not in targets:
            raise _not_for_target(target, *place, target)
        if not required:
            raise _invalid("must not be empty", *place, target)
        if list(required) != sorted(set(required)):
            raise _invalid(_UNSORTED, *place, target)
        for index, name in enumerate(required):
            if name not in known:
                raise _not_locked(name, *place, target)
            if name in distribution.requires:
                raise _invalid(f"`{name}` is in `requires` already", *place, target, index)
    edges = [set(distribution.target_requires.get(target, ())) for target in targets]
    shared = set.intersection(*edges)
    if shared:
        raise _invalid(
            f"every target requires `{min(shared)}`, so it belongs in `requires`", *place
        )


def _check_tags(lock: Lock) -> None:
    """Check that for each target there is a wheel that fits, and no wheel that fits none."""
    # A start with a lock without targets doesn't pay for it.
    from coral_lock.targets.wheel_tags import fits

    checks = 0
    for distribution in lock.distributions:
        place = ("distributions", distribution.name, "digests")
        needing = [
            target
            for target in lock.targets
            if distribution.digests
            and (not distribution.targets or target.name in distribution.targets)
        ]
        checks += sum(map(tag_count, distribution.digests)) * len(needing)
        if checks > _MAX_TAG_CHECKS:
            raise _invalid("the lock has too many wheel tags for its targets", *place)
        useless = set(distribution.digests)
        for target in needing:
            fitting = {tag for tag in distribution.digests if fits(tag, target)}
            useless -= fitting
            if not fitting:
                raise _invalid(f"none of these wheel tags fits the target `{target.name}`", *place)
        if useless:
            raise _invalid(
                "this wheel tag fits no target that needs the distribution", *place, min(useless)
            )


def _check_references(lock: Lock) -> None:
    """Check that what an entry refers to is there for each of its targets."""
    every = frozenset(target.name for target in lock.targets)
    known: dict[str, set[str]] = {}
    for offered in (*lock.plugins, *lock.excluded):
        assert isinstance(offered, (LockedPlugin, ExcludedPlugin))
        known.setdefault(base_id(offered.id), set()).update(offered.targets or every)
    locked_for = {each.name: frozenset(each.targets) or every for each in lock.distributions}

    def require_locked(name: str, targets: frozenset[str], *place: str) -> None:
        missing = targets - locked_for[name]
        if missing:
            raise _invalid(f"`{name}` isn't locked for the target `{min(missing)}`", *place)

    for plugin in lock.plugins:
        place = ("plugins", plugin.id)
        own = frozenset(plugin.targets) or every
        require_locked(plugin.distribution, own, *place, "distribution")
        for index, identifier in enumerate(plugin.after):
            if own.isdisjoint(known[identifier]):
                raise _invalid(
                    f"`{identifier}` is only a plugin of other targets", *place, "after", index
                )
    for distribution in lock.distributions:
        place = ("distributions", distribution.name)
        for name in distribution.requires:
            require_locked(name, locked_for[distribution.name], *place, "requires")
        for target, required in distribution.target_requires.items():
            for name in required:
                require_locked(name, frozenset((target,)), *place, "target_requires", target)


def _invalid(message: str, *place: str | int) -> InvalidLockError:
    path = ""
    for step in place:
        path = join_path(path, step)
    return InvalidLockError(message, path=path)


def _not_locked(name: str, *place: str) -> InvalidLockError:
    return _invalid(f"`{name}` isn't one of the lock's distributions", *place)


def _not_normalized(name: str, *place: str) -> InvalidLockError:
    return _invalid(f"a distribution's name must be normalized, unlike `{name}`", *place)


def _not_for_target(target: str, *place: str) -> InvalidLockError:
    return _invalid(f"the entry isn't for the target `{target}`", *place)


def _require_digest(prefix: str, value: str, *place: str) -> None:
    if not is_digest(value, prefix):
        raise _invalid(f"a digest is `{prefix}` and 44 characters of base64, not `{value}`", *place)


def _require_plugin_id(identifier: str, *place: str) -> None:
    try:
        split_plugin_id(identifier)
    except ValueError:
        raise _invalid(
            "a plugin id is written `<group>:<name>`, its group one of backends, patches, "
            f"workflows, not `{identifier}`",
            *place,
        ) from None


def _require_unicode(text: str, *place: str) -> None:
    """Refuse half of a surrogate pair: two of them would come back from JSON as one character."""
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise _invalid("the text holds half of a surrogate pair", *place)
