"""Mapping ⇄ model: a lock's JSON document and the `Lock` that it states."""

from __future__ import annotations

from coral_lock.canonical_json import join_path
from coral_lock.errors import InvalidLockError, LockVersionError
from coral_lock.lockfile.model import (
    LOCK_VERSION,
    ExcludedPlugin,
    Host,
    HostPackage,
    Lock,
    LockedDistribution,
    LockedPlugin,
)
from coral_lock.targets.model import (
    Target,
    is_platform_tag,
    is_python_version,
    is_target_name,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from coral_lock.canonical_json import Value


def to_mapping(lock: Lock) -> dict[str, Value]:
    """Return the document of `lock`, its keys in canonical order."""
    host = {
        "core": host_package_to_mapping(lock.host.core),
        "inference": host_package_to_mapping(lock.host.inference),
    }
    targets: dict[str, Value] = {}
    if lock.targets:
        targets["targets"] = {target.name: target_to_mapping(target) for target in lock.targets}
    else:
        host["python"] = lock.host.python
    return {
        "lock_version": lock.lock_version,
        "platform": lock.platform,
        "host": host,
        **targets,
        "plugins": {plugin.id: plugin_to_mapping(plugin) for plugin in lock.plugins},
        "excluded": {plugin.id: excluded_to_mapping(plugin) for plugin in lock.excluded},
        "distributions": {
            distribution.name: distribution_to_mapping(distribution)
            for distribution in lock.distributions
        },
    }


def host_package_to_mapping(package: HostPackage | None) -> Value:
    """Return the document's object for a host; None where its version isn't known."""
    if package is None:
        return None
    return {"distribution": package.distribution, "version": package.version}


def target_to_mapping(target: Target) -> dict[str, Value]:
    """Return the document's object for a target, which is keyed by its name."""
    return {"python": target.python, "platform": target.platform}


def plugin_to_mapping(plugin: LockedPlugin) -> dict[str, Value]:
    """Return the document's object for a plugin, which is keyed by its id."""
    mapping: dict[str, Value] = {
        "distribution": plugin.distribution,
        "entry_point": plugin.entry_point,
        "description": plugin.description,
        "min_core_version": plugin.min_core_version,
        "min_inference_version": plugin.min_inference_version,
        "optional": plugin.optional,
        "after": list(plugin.after),
    }
    if plugin.default_config_overrides:
        mapping["default_config_overrides"] = sorted_data(plugin.default_config_overrides)
    if plugin.env:
        mapping["env"] = list(plugin.env)
    return {**mapping, **_for_targets(plugin.targets)}


def _for_targets(names: tuple[str, ...]) -> dict[str, Value]:
    """Return the field of what is for some targets only."""
    return {"targets": list(names)} if names else {}


def sorted_data(value: Value) -> Value:
    """Return free-form data with the keys of every object sorted."""
    if isinstance(value, dict):
        return {key: sorted_data(value[key]) for key in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [sorted_data(item) for item in value]
    return value


def excluded_to_mapping(plugin: ExcludedPlugin) -> dict[str, Value]:
    """Return the document's object for a plugin that is left out, keyed by its id."""
    mapping: dict[str, Value] = {"distribution": plugin.distribution, "reason": plugin.reason}
    if plugin.target_reasons:
        mapping["target_reasons"] = dict(sorted(plugin.target_reasons.items()))
    return {**mapping, **_for_targets(plugin.targets)}


def distribution_to_mapping(distribution: LockedDistribution) -> dict[str, Value]:
    """Return the document's object for a distribution, which is keyed by its name."""
    mapping: dict[str, Value] = {
        "version": distribution.version,
        "digests": dict(sorted(distribution.digests.items())),
    }
    if distribution.data_digests is not None:
        mapping["data_digests"] = dict(sorted(distribution.data_digests.items()))
    if distribution.accepted:
        mapping["accepted"] = list(distribution.accepted)
    if distribution.program:
        mapping["program"] = True
    mapping["requires"] = list(distribution.requires)
    if distribution.target_requires:
        mapping["target_requires"] = {
            target: list(names) for target, names in sorted(distribution.target_requires.items())
        }
    return {**mapping, **_for_targets(distribution.targets)}


def from_mapping(document: Value) -> Lock:
    """Return the lock that `document` states.

    Unknown fields are refused, except in a document of a later minor version, where a
    reader is expected to pass over them.

    Raises:
        LockVersionError: the document is of another major version.
        InvalidLockError: a field is missing, unknown or of the wrong type, or the content
            breaks an invariant of `Lock`; with the dotted path.
    """
    fields = _Fields(document, "")
    version = fields.text("lock_version")
    fields.strict = not is_later_minor(version)
    host = fields.part("host")
    lock = Lock(
        lock_version=version,
        platform=fields.text("platform"),
        host=Host(
            core=_host_package(host.optional_part("core")),
            inference=_host_package(host.optional_part("inference")),
            python=None
            if fields.has("targets") and not host.has("python")
            else host.text("python"),
        ),
        targets=tuple(_target(*item) for item in fields.part("targets").parts())
        if fields.has("targets")
        else (),
        plugins=tuple(_plugin(*item) for item in fields.part("plugins").parts()),
        excluded=tuple(_excluded(*item) for item in fields.part("excluded").parts()),
        distributions=tuple(_distribution(*item) for item in fields.part("distributions").parts()),
    )
    host.refuse_others()
    fields.refuse_others()
    return lock


def is_later_minor(version: str) -> bool:
    """Whether a lock of that format version is of this major version but a later minor one.

    Raises:
        LockVersionError: it is of another major version, or not written `major.minor`.
    """
    major, _, minor = version.partition(".")
    known_major, _, known_minor = LOCK_VERSION.partition(".")
    if not (_is_number(major) and _is_number(minor)):
        raise InvalidLockError(
            f"a lock version is written like `{LOCK_VERSION}`, not `{version}`",
            path="lock_version",
        )
    if major != known_major:
        raise LockVersionError(
            f"the lock's format version is `{version}`, which this coral-lock can't read",
            expected=f"format version {known_major}.x",
            found=version,
            where="lock_version",
            hint=f"upgrade coral-lock to a release that reads format version {version}"
            if int(major) > int(known_major)
            else "write the lock again with `coral-runtime lock`",
        )
    return int(minor) > int(known_minor)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10 and text in ("0", text.lstrip("0"))


def _host_package(fields: _Fields | None) -> HostPackage | None:
    if fields is None:
        return None
    package = HostPackage(distribution=fields.text("distribution"), version=fields.text("version"))
    fields.refuse_others()
    return package


_LONGEST_TARGET_FIELD = 100


def _target(name: str, fields: _Fields) -> Target:
    python, platform = fields.text("python"), fields.text("platform")
    fields.refuse_others()
    place = join_path("targets", name)
    for text, is_right, path, rule in (
        (name, is_target_name, place, "a target's name is of a-z, 0-9, `.`, `_` and `-`"),
        (python, is_python_version, f"{place}.python", "a target's Python is written like `3.10`"),
        (
            platform,
            is_platform_tag,
            f"{place}.platform",
            "a target's platform is a tag like `manylinux_2_31_aarch64`",
        ),
    ):
        if len(text) > _LONGEST_TARGET_FIELD or not is_right(text):
            raise InvalidLockError(f"{rule}, not `{text}`", path=path)
    return Target(name=name, python=python, platform=platform)


def _plugin(identifier: str, fields: _Fields) -> LockedPlugin:
    plugin = LockedPlugin(
        id=identifier,
        distribution=fields.text("distribution"),
        entry_point=fields.text("entry_point"),
        description=fields.text("description"),
        min_core_version=fields.optional_text("min_core_version"),
        min_inference_version=fields.optional_text("min_inference_version"),
        optional=fields.flag("optional"),
        after=fields.texts("after"),
        default_config_overrides=fields.optional_data("default_config_overrides"),
        env=fields.texts("env") if fields.has("env") else (),
        targets=fields.texts("targets") if fields.has("targets") else (),
    )
    fields.refuse_others()
    return plugin


def _excluded(identifier: str, fields: _Fields) -> ExcludedPlugin:
    plugin = ExcludedPlugin(
        id=identifier,
        distribution=fields.text("distribution"),
        reason=fields.text("reason"),
        target_reasons=_target_reasons(fields),
        targets=fields.texts("targets") if fields.has("targets") else (),
    )
    fields.refuse_others()
    return plugin


def _distribution(name: str, fields: _Fields) -> LockedDistribution:
    digests = fields.part("digests")
    distribution = LockedDistribution(
        name=name,
        version=fields.text("version"),
        digests={tag: digests.text(tag) for tag in digests.names()},
        data_digests=_data_digests(fields),
        accepted=fields.texts("accepted") if fields.has("accepted") else (),
        program=fields.flag("program") if fields.has("program") else False,
        requires=fields.texts("requires"),
        target_requires=_target_requires(fields),
        targets=fields.texts("targets") if fields.has("targets") else (),
    )
    fields.refuse_others()
    return distribution


def _data_digests(fields: _Fields) -> dict[str, str] | None:
    if not fields.has("data_digests"):
        return None
    digests = fields.part("data_digests")
    return {tag: digests.text(tag) for tag in digests.names()}


def _target_reasons(fields: _Fields) -> dict[str, str]:
    if not fields.has("target_reasons"):
        return {}
    reasons = fields.part("target_reasons")
    return {target: reasons.text(target) for target in reasons.names()}


def _target_requires(fields: _Fields) -> dict[str, tuple[str, ...]]:
    if not fields.has("target_requires"):
        return {}
    edges = fields.part("target_requires")
    return {target: edges.texts(target) for target in edges.names()}


class _Fields:
    """Typed access to one object of the document, which knows its dotted path."""

    def __init__(self, value: Value, path: str, *, strict: bool = True) -> None:
        if not isinstance(value, dict):
            raise _wrong_type(path, "an object", value)
        self._values: Mapping[str, Value] = value
        self._path = path
        self._known: set[str] = set()
        self.strict = strict

    def names(self) -> list[str]:
        return list(self._values)

    def refuse_others(self) -> None:
        """Refuse a field that nobody asked for."""
        unknown = [key for key in self._values if key not in self._known]
        if unknown and self.strict:
            raise InvalidLockError(
                f"unknown field `{unknown[0]}`", path=join_path(self._path, unknown[0])
            )

    def text(self, key: str) -> str:
        value = self._required(key)
        if not isinstance(value, str):
            raise _wrong_type(join_path(self._path, key), "a string", value)
        return value

    def optional_text(self, key: str) -> str | None:
        value = self._required(key)
        if value is not None and not isinstance(value, str):
            raise _wrong_type(join_path(self._path, key), "a string or null", value)
        return value

    def flag(self, key: str) -> bool:
        value = self._required(key)
        if not isinstance(value, bool):
            raise _wrong_type(join_path(self._path, key), "true or false", value)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._required(key)
        path = join_path(self._path, key)
        if not isinstance(value, list):
            raise _wrong_type(path, "an array of strings", value)
        for index, item in enumerate(value):
            if not isinstance(item, str):
                raise _wrong_type(join_path(path, index), "a string", item)
        return tuple(value)

    def has(self, key: str) -> bool:
        return key in self._values

    def optional_data(self, key: str) -> Mapping[str, Value]:
        """Return free-form data, empty where the field is left out."""
        if not self.has(key):
            return {}
        value = self._required(key)
        if not isinstance(value, dict):
            raise _wrong_type(join_path(self._path, key), "an object", value)
        return value

    def part(self, key: str) -> _Fields:
        return _Fields(self._required(key), join_path(self._path, key), strict=self.strict)

    def optional_part(self, key: str) -> _Fields | None:
        return None if self._required(key) is None else self.part(key)

    def parts(self) -> Iterator[tuple[str, _Fields]]:
        for key in self._values:
            yield key, self.part(key)

    def _required(self, key: str) -> Value:
        self._known.add(key)
        if key not in self._values:
            raise InvalidLockError(f"the field `{key}` is missing", path=self._path)
        return self._values[key]


def _wrong_type(path: str, expected: str, value: Value) -> InvalidLockError:
    found = {
        str: "a string",
        bool: "true or false",
        int: "a number",
        float: "a number",
        type(None): "null",
        dict: "an object",
        list: "an array",
    }.get(type(value), "another value")
    return InvalidLockError(f"expected {expected}, found {found}", path=path)
