"""The lock as a value. Whoever holds a `Lock` holds a valid one: construction checks it."""

from __future__ import annotations

from coral_lock.canonical_json import join_path
from coral_lock.errors import InvalidLockError
from coral_lock.lockfile.order import activation_order
from coral_lock.lockfile.parts import base_id, check_targets
from coral_lock.names import (
    CORE_DISTRIBUTION,
    INFERENCE_DISTRIBUTIONS,
    is_normalized_name,
    is_object_reference,
    split_plugin_id,
)
from coral_lock.plugin.config import BUILT_IN_PATCHES
from coral_lock.plugin.terms import OVERRIDE_SECTIONS
from coral_lock.record import Record
from coral_lock.reserved import ACCEPTABLE
from coral_lock.targets.model import MAX_TAGS, tag_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from coral_lock.targets.model import Target

LOCK_VERSION = "1.0"


class HostPackage(Record):
    """A host distribution and its version, as its METADATA states it."""

    distribution: str
    version: str


class Host(Record):
    """What plugins run on; None stands for a host whose version isn't known.

    `python` is the language version, `3.11`; None in a lock whose targets say it.
    """

    core: HostPackage | None
    inference: HostPackage | None
    python: str | None

    def packages(self) -> tuple[HostPackage, ...]:
        """Return the host distributions that are known."""
        return tuple(package for package in (self.core, self.inference) if package)

    def _check(self) -> None:
        if self.core and self.core.distribution != CORE_DISTRIBUTION:
            raise InvalidLockError(
                f"the core host is `{CORE_DISTRIBUTION}`, not `{self.core.distribution}`",
                path="host.core.distribution",
            )
        if self.inference and self.inference.distribution not in INFERENCE_DISTRIBUTIONS:
            raise InvalidLockError(
                f"the inference host is one of {', '.join(INFERENCE_DISTRIBUTIONS)}, "
                f"not `{self.inference.distribution}`",
                path="host.inference.distribution",
            )
        python = "3" if self.python is None else self.python
        if not all(part.isdigit() and part.isascii() for part in python.split(".")):
            raise InvalidLockError(
                f"a Python version is written like `3.11`, not `{self.python}`", path="host.python"
            )


class LockedPlugin(Record):
    """A plugin that a locked start activates; what its live spec must equal.

    `default_config_overrides` is configuration that holds where the descriptor says
    nothing, and `env` the environment variables without which the plugin can't start.
    `targets` are the names of the targets that it is for; none stands for all.
    """

    id: str
    distribution: str
    entry_point: str
    description: str = ""
    min_core_version: str | None = None
    min_inference_version: str | None = None
    optional: bool = False
    after: tuple[str, ...] = ()
    default_config_overrides: Mapping[str, Any] = {}
    env: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        return split_plugin_id(self.id)[0]

    @property
    def name(self) -> str:
        return split_plugin_id(self.id)[1]


class ExcludedPlugin(Record):
    """A plugin that was found and left out.

    The id is `<group>:<name>`, or `<group>:<name>@<distribution>` where several
    distributions offer that name. `targets` are the targets for which it is left out; none
    stands for all. `target_reasons` are the reasons, by target, that aren't `reason`, which
    is that of the first one.
    """

    id: str
    distribution: str
    reason: str
    target_reasons: Mapping[str, str] = {}
    targets: tuple[str, ...] = ()


class LockedDistribution(Record):
    """A distribution, the digest of its files by wheel tag, and the names it requires.

    No digest at all stands for an editable install, whose bytes aren't fixed.
    `data_digests` are those of its scripts, headers and data, by the wheel tags that have
    any; None if none has, and empty where other distributions overwrite them. `accepted`
    are the codes of the findings that the descriptor accepts from it, sorted; `program`
    says that the program itself requires it. `targets` are the targets that need it; none
    stands for all. `requires` holds for each of those, and `target_requires` are the names,
    by target, that only some of them require.
    """

    name: str
    version: str
    digests: Mapping[str, str]
    data_digests: Mapping[str, str] | None = None
    accepted: tuple[str, ...] = ()
    program: bool = False
    requires: tuple[str, ...] = ()
    target_requires: Mapping[str, tuple[str, ...]] = {}
    targets: tuple[str, ...] = ()


class Lock(Record):
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

    platform: str
    host: Host
    plugins: tuple[LockedPlugin, ...] = ()
    excluded: tuple[ExcludedPlugin, ...] = ()
    distributions: tuple[LockedDistribution, ...] = ()
    targets: tuple[Target, ...] = ()
    lock_version: str = LOCK_VERSION

    def _check(self) -> None:
        for field, key in (
            ("targets", "name"),
            ("plugins", "id"),
            ("excluded", "id"),
            ("distributions", "name"),
        ):
            entries = sorted(getattr(self, field), key=lambda entry: str(getattr(entry, key)))
            object.__setattr__(self, field, tuple(entries))
            _require_unique(field, [getattr(entry, key) for entry in entries])
        distributions = {distribution.name for distribution in self.distributions}
        known = {plugin.id for plugin in self.plugins}
        known.update(base_id(plugin) for plugin in self.excluded)
        _require_unicode(self.platform, "platform")
        for package in self.host.packages():
            _require_unicode(package.version, "host")
        for plugin in self.plugins:
            _check_plugin(plugin, distributions, known)
        for excluded in self.excluded:
            place = join_path("excluded", excluded.id)
            _require_plugin_id(base_id(excluded), place)
            _require_normalized(excluded.distribution, f"{place}.distribution")
            _require_unicode(excluded.reason, f"{place}.reason")
            for target, reason in excluded.target_reasons.items():
                _require_unicode(reason, join_path(f"{place}.target_reasons", target))
            if "@" in excluded.id and excluded.id.partition("@")[2] != excluded.distribution:
                raise InvalidLockError(
                    f"what stands behind `@` is the distribution `{excluded.distribution}`",
                    path=place,
                )
        for distribution in self.distributions:
            _check_distribution(distribution, distributions)
        check_targets(self)
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


def _check_plugin(plugin: LockedPlugin, distributions: Iterable[str], known: Iterable[str]) -> None:
    place = join_path("plugins", plugin.id)
    _require_plugin_id(plugin.id, place)
    if plugin.distribution not in distributions:
        raise InvalidLockError(
            f"`{plugin.distribution}` isn't among the lock's distributions",
            path=f"{place}.distribution",
        )
    if not is_object_reference(plugin.entry_point):
        raise InvalidLockError(
            f"an entry point is written `module:attribute`, not `{plugin.entry_point}`",
            path=f"{place}.entry_point",
        )
    for field in ("description", "min_core_version", "min_inference_version"):
        _require_unicode(getattr(plugin, field) or "", f"{place}.{field}")
    if list(plugin.after) != sorted(set(plugin.after)):
        raise InvalidLockError("the ids are sorted and each stands once", path=f"{place}.after")
    for identifier in plugin.after:
        if identifier not in known:
            raise InvalidLockError(
                f"`{identifier}` isn't a plugin of this lock", path=f"{place}.after"
            )
    _check_overrides(plugin.default_config_overrides, f"{place}.default_config_overrides")
    if list(plugin.env) != sorted(set(plugin.env)):
        raise InvalidLockError("the names are sorted and each stands once", path=f"{place}.env")


def _check_overrides(overrides: Mapping[str, Any], place: str) -> None:
    for section, value in overrides.items():
        path = join_path(place, section)
        if section not in OVERRIDE_SECTIONS or not isinstance(value, dict):
            raise InvalidLockError(
                f"overrides are objects called {' or '.join(OVERRIDE_SECTIONS)}", path=path
            )
        if section == "patches":
            for name, flag in value.items():
                if name not in BUILT_IN_PATCHES or not isinstance(flag, bool):
                    raise InvalidLockError(
                        "a patch of the host itself is switched by true or false",
                        path=join_path(path, name),
                    )


def _check_distribution(distribution: LockedDistribution, distributions: Iterable[str]) -> None:
    place = join_path("distributions", distribution.name)
    _require_normalized(distribution.name, place)
    if not distribution.version:
        raise InvalidLockError("a version isn't empty", path=f"{place}.version")
    _require_unicode(distribution.version, f"{place}.version")
    for tag, digest in distribution.digests.items():
        _require_unicode(tag, f"{place}.digests")
        if tag_count(tag) > MAX_TAGS:
            raise InvalidLockError(
                f"a wheel tag stands for at most {MAX_TAGS} tags",
                path=join_path(f"{place}.digests", tag),
            )
        _require_digest("t1:", digest, join_path(f"{place}.digests", tag))
    for tag, digest in (distribution.data_digests or {}).items():
        path = join_path(f"{place}.data_digests", tag)
        if tag not in distribution.digests:
            raise InvalidLockError("there is no digest for this wheel tag", path=path)
        _require_digest("d1:", digest, path)
    if list(distribution.accepted) != sorted(set(distribution.accepted)):
        raise InvalidLockError("must be sorted and unique", path=f"{place}.accepted")
    for code in distribution.accepted:
        if code not in ACCEPTABLE:
            raise InvalidLockError(
                f"`{code}` isn't a finding that can be accepted", path=f"{place}.accepted"
            )
    if list(distribution.requires) != sorted(set(distribution.requires)):
        raise InvalidLockError(
            "the names are sorted and each stands once", path=f"{place}.requires"
        )
    edges = {"requires": distribution.requires}
    for target, names in distribution.target_requires.items():
        edges[join_path("target_requires", target)] = names
    for field, required in edges.items():
        for name in required:
            if name not in distributions:
                raise InvalidLockError(
                    f"`{name}` isn't among the lock's distributions", path=f"{place}.{field}"
                )


_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def is_digest(value: str, prefix: str = "t1:") -> bool:
    """Whether `value` is a digest: its prefix, `t1:` or `d1:`, and the base64 of 32 bytes."""
    return (
        len(value) == 47
        and value.startswith(prefix)
        and value.endswith("=")
        and _BASE64.issuperset(value[3:-1])
    )


def _require_digest(prefix: str, value: str, place: str) -> None:
    if not is_digest(value, prefix):
        raise InvalidLockError(
            f"a digest is `{prefix}` and 44 characters of base64, not `{value}`", path=place
        )


def _require_plugin_id(identifier: str, place: str) -> None:
    try:
        split_plugin_id(identifier)
    except ValueError:
        raise InvalidLockError(
            "a plugin id is written `<group>:<name>`, its group one of backends, patches, "
            f"workflows, not `{identifier}`",
            path=place,
        ) from None


def _require_normalized(name: str, place: str) -> None:
    if not is_normalized_name(name):
        raise InvalidLockError(
            f"a distribution is named by its normalized name, not `{name}`", path=place
        )


def _require_unicode(text: str, place: str) -> None:
    """Refuse half of a surrogate pair: two of them would come back from JSON as one character."""
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidLockError("the text holds half of a surrogate pair", path=place)


def _require_unique(field: str, keys: list[str]) -> None:
    for index, key in enumerate(keys):
        if index and key == keys[index - 1]:
            raise InvalidLockError("this entry appears twice", path=join_path(field, key))
