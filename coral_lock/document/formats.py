"""What each `format` of the JSON Schemas accepts.

Versions are read without `packaging`, which takes long to import: a start may read a descriptor.
"""

from __future__ import annotations

from coral_lock.names import (
    is_channel,
    is_distribution_name,
    is_module_name,
    is_object_reference,
    is_plugin_id,
    is_plugin_name,
)
from coral_lock.targets.model import is_platform_tag, is_python_version, is_target_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_HEXADECIMAL = frozenset("0123456789abcdef")
_LONGEST_REQUIREMENT = 500
_LONGEST_VERSION = 100

_PATTERN = (
    r"v?(?:(?P<epoch>[0-9]+)!)?(?P<release>[0-9]+(?:\.[0-9]+)*)"
    r"(?:[-_.]?(?P<pre>a|alpha|b|beta|c|rc|pre|preview)[-_.]?(?P<pre_number>[0-9]*))?"
    r"(?:-(?P<post_number>[0-9]+)|[-_.]?(?P<post>post|rev|r)[-_.]?(?P<post_name_number>[0-9]*))?"
    r"(?:[-_.]?(?P<dev>dev)[-_.]?(?P<dev_number>[0-9]*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?"
)
"""Epoch, release, pre-release, post-release, developmental release and local label."""

_PRE_RELEASES = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
"""The normal form of the other spellings of a pre-release."""


def is_version(text: str) -> bool:
    """Whether `text` is a version in any of the spellings that PEP 440 allows, without spaces."""
    return _parts(text) is not None


def is_same_version(first: str, second: str) -> bool:
    """Whether two texts are one version (PEP 440), like `v0.58` and `0.58.0`.

    What isn't a version is the same as the same text alone.
    """
    return first == second or ((parts := _parts(first)) is not None and parts == _parts(second))


def _parts(text: str) -> tuple[object, ...] | None:
    """Return the parts of a version in their normal form, None where it isn't one."""
    if not text.isascii() or len(text) > _LONGEST_VERSION:
        return None
    numbers = text.split(".")
    if all(map(str.isdigit, numbers)):
        return 0, _release(numbers), None, None, None, ()
    # Most versions are plain releases, for which nobody pays for `re`.
    import re

    match = re.fullmatch(_PATTERN, text.lower())
    if match is None:
        return None
    post = match["post_number"] or (match["post_name_number"] or "0" if match["post"] else None)
    local = re.split("[-_.]", match["local"]) if match["local"] else []
    return (
        int(match["epoch"] or 0),
        _release(match["release"].split(".")),
        match["pre"]
        and (_PRE_RELEASES.get(match["pre"], match["pre"]), int(match["pre_number"] or 0)),
        None if post is None else int(post),
        int(match["dev_number"] or 0) if match["dev"] else None,
        tuple(int(part) if part.isdigit() else part for part in local),
    )


def _release(numbers: Iterable[str]) -> tuple[int, ...]:
    """Return a release without the zeros at its end, which make no difference."""
    release = [int(number) for number in numbers]
    while release and not release[-1]:
        release.pop()
    return tuple(release)


def _is_requirement(text: str) -> bool:
    """Whether a text looks like PEP 508 without URL and marker; `lock` parses it in full."""
    return (
        text[:1].isalnum()
        and text.isascii()
        and text.isprintable()
        and len(text) <= _LONGEST_REQUIREMENT
        and not set(text) & set(";@")
    )


FORMATS: dict[str, Callable[[str], bool]] = {
    "absolute-path": lambda text: text.startswith("/") and "\0" not in text,
    "channel": is_channel,
    "digest": lambda text: len(text) == 64 and _HEXADECIMAL.issuperset(text),
    "distribution": is_distribution_name,
    "line": str.isprintable,
    "module": is_module_name,
    "object-reference": is_object_reference,
    "platform-tag": is_platform_tag,
    "plugin-id": is_plugin_id,
    "plugin-name": is_plugin_name,
    "python-version": is_python_version,
    "reason": lambda text: text.isprintable() and not text.isspace() and text != "",
    "requirement": _is_requirement,
    "target-name": is_target_name,
    "variable-name": lambda text: text.isascii() and text.isidentifier(),
    "version": is_version,
    "web-address": lambda text: (
        text.startswith(("https://", "http://")) and text.isprintable() and " " not in text
    ),
}
"""What each `format` of the schemas accepts.

Every string with a `pattern` has a format as well, which accepts nothing that the pattern refuses:
the pattern is for tools that don't know the format, and isn't evaluated here.
"""
