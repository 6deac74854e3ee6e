"""The names of the domain: normalized distribution names, groups, plugin ids."""

from __future__ import annotations

ENTRY_POINT_GROUPS = {
    "backends": "coral_inference.backends",
    "patches": "coral_inference.patches",
    "workflows": "coral_inference.workflows",
}
"""The short name of each plugin group and its entry point group, in activation order."""

GROUPS = tuple(ENTRY_POINT_GROUPS)

HOST_MODULE = "coral_inference"
"""The package whose import starts the host."""

CORE_DISTRIBUTION = "coral-inference"
INFERENCE_DISTRIBUTIONS = ("inference", "inference-core", "inference-cpu", "inference-gpu")
"""The distributions under which the inference host is published."""

HOST_DISTRIBUTIONS = {"core": (CORE_DISTRIBUTION,), "inference": INFERENCE_DISTRIBUTIONS}
"""The distributions under which each host is published, the usual one first."""

SITE_DIRECTORIES = ("site-packages", "dist-packages")
"""What the directories are called into which distributions are installed."""

OWN_MODULES = {
    **{
        name.replace("-", "_"): name
        for name in (
            *("attrs", "cffi", "click", "colorama", "coral-lock", "cryptography", "defusedxml"),
            *("duckdb", "installer", "jinja2", "jsonschema", "jsonschema-specifications"),
            *("license-expression", "markupsafe", "packaging", "py-serializable", "pycparser"),
            *("pyrsistent", "referencing", "resolvelib", "sortedcontainers", "tomlkit"),
            "typing-extensions",
        )
    },
    "_cffi_backend": "cffi",
    "_duckdb": "duckdb",
    "_pyrsistent_version": "pyrsistent",
    "_yaml": "pyyaml",
    "attr": "attrs",
    "boolean": "boolean-py",
    "cyclonedx": "cyclonedx-python-lib",
    "packageurl": "packageurl-python",
    "pvectorc": "pyrsistent",
    "rpds": "rpds-py",
    "yaml": "pyyaml",
}
"""The top-level modules of this project and of what it depends on, and whose each is."""


def normalized_name(name: str) -> str:
    """Return a distribution's name as PEP 503 normalizes it: `Foo.Bar_baz` is `foo-bar-baz`."""
    normalized = name.lower().replace("_", "-").replace(".", "-")
    while "--" in normalized:
        normalized = normalized.replace("--", "-")
    return normalized


def is_normalized_name(name: str) -> bool:
    """Whether `name` is what PEP 503 makes of a name that the core metadata allow."""
    return (
        name.isascii()
        and name.replace("-", "0").isalnum()
        and name.strip("-") == name == normalized_name(name)
    )


def requirement_name(requirement: str) -> str:
    """Return the normalized name of the distribution that a PEP 508 requirement names."""
    end = 0
    while end < len(requirement) and (requirement[end].isalnum() or requirement[end] in "-_."):
        end += 1
    return normalized_name(requirement[:end])


def plugin_id(group: str, name: str) -> str:
    """Return the id `<group>:<name>` of a plugin."""
    return f"{group}:{name}"


def split_plugin_id(identifier: str) -> tuple[str, str]:
    """Return group and name of a plugin id.

    Raises:
        ValueError: it isn't `<group>:<name>` with one of the three groups.
    """
    if not is_plugin_id(identifier):
        raise ValueError(identifier)
    group, _, name = identifier.partition(":")
    return group, name


def base_id(identifier: str) -> str:
    """Return the id `<group>:<name>` of one that may name its distribution too, after `@`."""
    return identifier.partition("@")[0]


ENTRY_POINT_PREFIX = "coral_inference."
"""What the entry point groups of the host begin with."""

_LONGEST_GROUP = 100


def nearest_group(group: str) -> str | None:
    """Return the group that is meant by a misspelt one, or by an entry point group; or None."""
    short = group.removeprefix(ENTRY_POINT_PREFIX)
    if short in GROUPS or len(short) > _LONGEST_GROUP:
        return short if short in GROUPS else None
    from difflib import get_close_matches

    return next(iter(get_close_matches(short.lower(), GROUPS, 1)), None)


def is_plugin_id(text: str) -> bool:
    """Whether `text` is a plugin id."""
    group, separator, name = text.partition(":")
    return bool(separator) and group in ENTRY_POINT_GROUPS and is_plugin_name(name)


def nearest_id(identifier: str) -> str | None:
    """Return the plugin id that is meant by one of a misspelt group, or None."""
    group, separator, name = identifier.partition(":")
    near = nearest_group(group) if separator and is_plugin_name(name) else None
    return None if near in (None, group) else f"{near}:{name}"


_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Characters that count as printable and show nothing."""


def is_plugin_name(name: object) -> bool:
    """Whether `name` can be a plugin's name: printable text on one line, no `@` or outer space."""
    return (
        isinstance(name, str)
        and 0 < len(name) <= 200
        and name == name.strip()
        and name.isprintable()
        and _BLANKS.isdisjoint(name)
        and "@" not in name
    )


def is_object_reference(value: str) -> bool:
    """Whether `value` is `module:attribute`, as the entry points specification writes it."""
    module, separator, attribute = value.partition(":")
    return bool(separator) and is_module_name(module) and is_module_name(attribute)


def is_module_name(text: str) -> bool:
    """Whether `text` is a dotted module name."""
    return all(part.isidentifier() for part in text.split("."))


_OUTER = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_INNER = _OUTER | frozenset("._-")


def is_distribution_name(text: str) -> bool:
    """Whether `text` is a name as the core metadata specification allows it."""
    return bool(text) and text[0] in _OUTER and text[-1] in _OUTER and _INNER.issuperset(text)


_LONGEST_CHANNEL = 100


def is_channel(text: str) -> bool:
    """Whether `text` can name a channel of locks: as a distribution's name is written."""
    return len(text) <= _LONGEST_CHANNEL and is_distribution_name(text)
