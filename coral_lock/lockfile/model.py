"""The lock as a value. Whoever holds a `Lock` holds a valid one: construction checks it."""

from __future__ import annotations

from coral_lock.canonical_json import join_path
from coral_lock.errors import InvalidLockError
from coral_lock.lockfile.entries import (
    FIELDS,
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
from coral_lock.record import Record
from coral_lock.reserved import ACCEPTABLE
from coral_lock.targets.model import MAX_TAGS, MAX_TARGETS, Target, tag_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LOCK_VERSION = "1.0"

_MAX_TAG_CHECKS = 1_000_000
"""How often a wheel tag is compared with a target: a real lock of ten targets comes to 100,000."""


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
        for section in ("targets", "plugins", "excluded", "distributions"):
            ordered = tuple(sorted(getattr(self, section), key=_key))
            keys = [_key(entry) for entry in ordered]
            if len(set(keys)) < len(keys):
                twice = next(key for key in keys if keys.count(key) > 1)
                raise invalid("this entry appears twice", section, twice)
            object.__setattr__(self, section, ordered)
        _check_host(self)
        _check_fields(self)
        _check_plugins(self)
        _check_excluded(self)
        _check_distributions(self)
        _check_references(self)
        if self.targets:
            _check_tags(self)
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
        return {each.name: each for each in self.distributions}[name]

    def plugin_distributions(self) -> tuple[str, ...]:
        """Return the names of the distributions that provide the locked plugins, sorted."""
        return tuple(sorted({plugin.distribution for plugin in self.plugins}))

    def known_plugins(self) -> set[str]:
        """Return the ids that may be in `after`: what is activated, and what is left out."""
        return set(offering_distributions(self.plugins, self.excluded))


def offering_distributions(
    plugins: Iterable[LockedPlugin], excluded: Iterable[ExcludedPlugin]
) -> dict[str, set[str]]:
    """Return the distributions that offer each plugin, by its id `<group>:<name>`."""
    offers: dict[str, set[str]] = {}
    every: tuple[LockedPlugin | ExcludedPlugin, ...] = (*plugins, *excluded)
    for plugin in every:
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


def _key(entry: Record) -> str:
    key: str = getattr(entry, entry._fields[0])
    return key


def _check_host(lock: Lock) -> None:
    host, python = lock.host, lock.host.python
    if host.core and host.core.distribution != CORE_DISTRIBUTION:
        raise invalid(
            f"the core host is `{CORE_DISTRIBUTION}`, not `{host.core.distribution}`",
            *("host", "core", "distribution"),
        )
    if host.inference and host.inference.distribution not in INFERENCE_DISTRIBUTIONS:
        raise invalid(
            f"the inference host is one of {', '.join(INFERENCE_DISTRIBUTIONS)}, "
            f"not `{host.inference.distribution}`",
            *("host", "inference", "distribution"),
        )
    if len(lock.targets) > MAX_TARGETS:
        raise invalid(f"a lock has at most {MAX_TARGETS} targets", "targets")
    if lock.targets and python is not None:
        raise invalid("a lock with targets has no version of Python in `host`", "host", "python")
    if not lock.targets and python is None:
        raise invalid("a lock without targets has `host.python`", "host")
    parts = [] if python is None else python.split(".")
    if not all(part.isdigit() and part.isascii() for part in parts):
        raise invalid(f"a Python version is written like `3.11`, not `{python}`", "host", "python")


def _check_fields(lock: Lock) -> None:
    """Check what holds for every field of a type: text is Unicode, and arrays are sorted."""
    _require_unicode(lock.platform, "platform")
    for package in lock.host.packages():
        _require_unicode(package.version, "host")
    targets = tuple(target.name for target in lock.targets)
    for section in ("plugins", "excluded", "distributions"):
        for entry in getattr(lock, section):
            for field in FIELDS[type(entry)]:
                value = getattr(entry, field.name)
                if not value:
                    continue
                place = (section, _key(entry), field.name)
                if type(value) is str:
                    _require_unicode(value, *place)
                elif type(value) is tuple:
                    _require_sorted(value, *place)
                    if field.name == "targets":
                        _check_target_names(value, targets, place)
                elif field.type == "Mapping[str, tuple[str, ...]]":
                    for key, items in value.items():
                        _require_sorted(items, *place, key)
                elif field.type.startswith("Mapping[str, str]"):
                    for key, text in value.items():
                        _require_unicode(key, *place)
                        _require_unicode(text, *place, key)


def _check_target_names(
    chosen: Sequence[str], names: Sequence[str], place: tuple[str, ...]
) -> None:
    """Check that the targets of an entry are some of the lock's."""
    for index, target in enumerate(chosen):
        if target not in names:
            raise invalid(f"`{target}` isn't a target of this lock", *place, index)
    if len(chosen) == len(names):
        raise invalid("an entry for all targets has no `targets`", *place)


def _check_plugins(lock: Lock) -> None:
    known_plugins = lock.known_plugins()
    for plugin in lock.plugins:
        place = ("plugins", plugin.id)
        _require_plugin_id(plugin.id, *place)
        if not is_object_reference(plugin.entry_point):
            message = f"an entry point is written `module:attribute`, not `{plugin.entry_point}`"
            raise invalid(message, *place, "entry_point")
        for identifier in plugin.after:
            if identifier not in known_plugins:
                raise invalid(f"`{identifier}` isn't a plugin of this lock", *place, "after")
        for section, value in plugin.default_config_overrides.items():
            at = (*place, "default_config_overrides", section)
            if section not in OVERRIDE_SECTIONS or not isinstance(value, dict):
                raise invalid(f"overrides are objects called {' or '.join(OVERRIDE_SECTIONS)}", *at)
            for name, flag in value.items() if section == "patches" else ():
                if name not in BUILT_IN_PATCHES or not isinstance(flag, bool):
                    message = "a patch of the host itself is switched by true or false"
                    raise invalid(message, *at, name)


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
        _require_normalized(excluded.distribution, *place, "distribution")
        if "@" in excluded.id and distribution != excluded.distribution:
            message = f"the text after `@` must be the distribution `{excluded.distribution}`"
            raise invalid(message, *place)
        plugin = activated.get(base)
        if (
            plugin is not None
            and (excluded.id == base or plugin.distribution == excluded.distribution)
            and not set(plugin.targets or names or "*").isdisjoint(excluded.targets or names or "*")
        ):
            raise invalid(f"`{base}` is activated too", *place)
        is_shared = len(offers[base]) > 1
        expected = f"{base}@{excluded.distribution}" if is_shared else base
        if names and excluded.id != expected:
            why = "several distributions offer it"
            why = why if is_shared else f"no other distribution offers `{base}`"
            raise invalid(f"{why}, so its id must be `{expected}`", *place)
        own = excluded.targets or names
        for target, reason in excluded.target_reasons.items():
            path = (*place, "target_reasons", target)
            if target not in own:
                raise invalid(f"the entry isn't for the target `{target}`", *path)
            if target == own[0]:
                raise invalid("the reason for the first target belongs in `reason`", *path)
            if reason == excluded.reason:
                raise invalid("must differ from `reason`", *path)


def _check_distributions(lock: Lock) -> None:
    names = tuple(target.name for target in lock.targets)
    for distribution in lock.distributions:
        place = ("distributions", distribution.name)
        _require_normalized(distribution.name, *place)
        if not distribution.version:
            raise invalid("must not be empty", *place, "version")
        for tag, digest in distribution.digests.items():
            if tag_count(tag) > MAX_TAGS:
                message = f"a wheel tag stands for at most {MAX_TAGS} tags"
                raise invalid(message, *place, "digests", tag)
            _require_digest("t1:", digest, *place, "digests", tag)
        for tag, digest in (distribution.data_digests or {}).items():
            if tag not in distribution.digests:
                raise invalid("`digests` has no such wheel tag", *place, "data_digests", tag)
            _require_digest("d1:", digest, *place, "data_digests", tag)
        for code in distribution.accepted:
            if code not in ACCEPTABLE:
                raise invalid(f"`{code}` can't be accepted", *place, "accepted")
        if distribution.target_requires:
            _check_target_requires(distribution, distribution.targets or names)


def _check_target_requires(distribution: LockedDistribution, targets: Sequence[str]) -> None:
    place = ("distributions", distribution.name, "target_requires")
    for target, required in distribution.target_requires.items():
        if target not in targets:
            raise invalid(f"the entry isn't for the target `{target}`", *place, target)
        if not required:
            raise invalid("must not be empty", *place, target)
        for index, name in enumerate(required):
            if name in distribution.requires:
                raise invalid(f"`{name}` is in `requires` already", *place, target, index)
    edges = [set(distribution.target_requires.get(target, ())) for target in targets]
    if shared := set.intersection(*edges):
        message = f"every target requires `{min(shared)}`, so it belongs in `requires`"
        raise invalid(message, *place)


def _check_references(lock: Lock) -> None:
    """Check that what an entry refers to is in the lock, for each of the entry's targets."""
    every = tuple(target.name for target in lock.targets)
    locked_for = {each.name: each.targets or every for each in lock.distributions}

    def require_locked(name: str, targets: Sequence[str], *place: str) -> None:
        if name not in locked_for:
            raise invalid(f"`{name}` isn't one of the lock's distributions", *place)
        for target in targets:
            if target not in locked_for[name]:
                raise invalid(f"`{name}` isn't locked for the target `{target}`", *place)

    for distribution in lock.distributions:
        place = ("distributions", distribution.name)
        for name in distribution.requires:
            require_locked(name, distribution.targets or every, *place, "requires")
        for target, required in distribution.target_requires.items():
            for name in required:
                require_locked(name, (target,), *place, "target_requires", target)
    offered: dict[str, set[str]] = {}
    for offer in (*lock.plugins, *lock.excluded) if every else ():
        assert isinstance(offer, (LockedPlugin, ExcludedPlugin))
        offered.setdefault(base_id(offer.id), set()).update(offer.targets or every)
    for plugin in lock.plugins:
        own, place = plugin.targets or every, ("plugins", plugin.id)
        require_locked(plugin.distribution, own, *place, "distribution")
        for index, identifier in enumerate(plugin.after):
            if every and offered[identifier].isdisjoint(own):
                message = f"`{identifier}` is only a plugin of other targets"
                raise invalid(message, *place, "after", index)


def _check_tags(lock: Lock) -> None:
    """Check that for each target there is a wheel that fits, and no wheel that fits none."""
    # A start with a lock without targets doesn't pay for it.
    from coral_lock.targets.model import fits

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
            raise invalid("the lock has too many wheel tags for its targets", *place)
        useless = set(distribution.digests)
        for target in needing:
            fitting = {tag for tag in distribution.digests if fits(tag, target)}
            useless -= fitting
            if not fitting:
                raise invalid(f"none of these wheel tags fits the target `{target.name}`", *place)
        if useless:
            raise invalid(
                "this wheel tag fits no target that needs the distribution", *place, min(useless)
            )


def invalid(message: str, *place: str | int) -> InvalidLockError:
    """Return the error about a place in a lock, whose steps are keys and indices."""
    path = ""
    for step in place:
        path = join_path(path, step)
    return InvalidLockError(message, path=path)


def _require_normalized(name: str, *place: str) -> None:
    if not is_normalized_name(name):
        raise invalid(f"a distribution's name must be normalized, unlike `{name}`", *place)


def _require_sorted(values: Sequence[str], *place: str) -> None:
    if len(values) > 1 and list(values) != sorted(set(values)):
        raise invalid("must be sorted and unique", *place)


def _require_digest(prefix: str, value: str, *place: str) -> None:
    if not is_digest(value, prefix):
        raise invalid(f"a digest is `{prefix}` and 44 characters of base64, not `{value}`", *place)


def _require_plugin_id(identifier: str, *place: str) -> None:
    try:
        split_plugin_id(identifier)
    except ValueError:
        raise invalid(
            "a plugin id is written `<group>:<name>`, its group one of backends, patches, "
            f"workflows, not `{identifier}`",
            *place,
        ) from None


def _require_unicode(text: str, *place: str) -> None:
    """Refuse half of a surrogate pair: two of them would come back from JSON as one character."""
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise invalid("the text holds half of a surrogate pair", *place)
