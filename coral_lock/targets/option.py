"""`--target`: a target in one word, or the name of one that the descriptor describes."""

from __future__ import annotations

from difflib import get_close_matches

from coral_lock.canonical_json import quote
from coral_lock.errors import UsageError, shortened
from coral_lock.targets.model import Target, is_platform_tag, is_python_version, is_target_name

_LINUX_NAMES = {
    "amd64": "x86_64",
    "x64": "x86_64",
    "arm64": "aarch64",
    "arm": "armv7l",
    "armhf": "armv7l",
    "armv7": "armv7l",
    "386": "i686",
    "i386": "i686",
    "x86": "i686",
    "ppc64el": "ppc64le",
}
"""What wheel tags for Linux call an architecture, by what containers and compilers call it."""

_ARCHITECTURES = frozenset({*_LINUX_NAMES.values(), "riscv64", "s390x"})
_OTHER_SYSTEMS = ("apple", "darwin", "mac", "osx", "win")
_LONGEST_TAG = 100


def likely_platform(text: str) -> str | None:
    """Return the tag for Linux that `text` may mean, or None.

    It understands what containers and compilers call a platform: `arm64`, `linux/arm64`,
    `aarch64-unknown-linux-gnu`.
    """
    lowered = text[:_LONGEST_TAG].lower().replace("x86_64", "amd64").replace("x86-64", "amd64")
    if any(system in lowered for system in _OTHER_SYSTEMS):
        return None
    words = "".join(letter if letter.isalnum() else " " for letter in lowered).split()
    for name in [_LINUX_NAMES.get(word, word) for word in words]:
        if name in _ARCHITECTURES:
            is_musl = "musl" in lowered or "alpine" in lowered
            return f"{'musllinux_1_2' if is_musl else 'manylinux_2_28'}_{name}"
    return None


_EXAMPLE = "python=3.11,platform=linux_aarch64"
_PARTS = {
    "python": (is_python_version, "a version of Python 3, like `3.11`"),
    "platform": (is_platform_tag, "a platform tag, like `linux_aarch64`"),
    "name": (is_target_name, "lower-case letters and digits, with `.`, `_` and `-` between them"),
}
_LONGEST_SHOWN = 60


def parse_target(text: str) -> Target | str:
    """Return the target that the value of `--target` describes, or the name that it is.

    Args:
        text: `python=3.11,platform=linux_aarch64[,name=NAME]`, the parts in any order; or
            a name alone. A target without a name is called `py3.11-linux_aarch64`.

    Raises:
        UsageError: it is neither.
    """
    if "=" not in text:
        if is_target_name(text):
            return text
        raise _error(
            text,
            "this is neither a target nor the name of one",
            expected=f"`{_EXAMPLE}`, or a name that the descriptor gives a target",
            found=_shown(text),
        )
    values: dict[str, str] = {}
    for part in text.split(","):
        key, value = _parse_part(text, part.strip())
        if key in values:
            raise _error(text, f"`{key}` is given twice", expected="each part once")
        values[key] = value
    for key in ("python", "platform"):
        if key not in values:
            raise _error(text, f"`{key}` is missing", expected=_PARTS[key][1])
    name = values.get("name", f"py{values['python']}-{values['platform']}")
    if not is_target_name(name):
        raise _error(
            text,
            "the target is too long to be named after its parts",
            hint="give it a name: add `,name=NAME`",
        )
    return Target(name=name, python=values["python"], platform=values["platform"])


def _parse_part(text: str, part: str) -> tuple[str, str]:
    key, separator, value = part.partition("=")
    expected = f"parts like in `{_EXAMPLE}`, and `name`"
    if not separator:
        raise _error(text, f"the part {_shown(key)} has no `=`", expected=expected)
    if key not in _PARTS:
        near = get_close_matches(key.lower(), _PARTS, 1)
        hint = f"did you mean `{near[0]}`?" if near else None
        raise _error(text, f"unknown part {_shown(key)}", expected=expected, hint=hint)
    is_right, expected = _PARTS[key]
    if not is_right(value):
        likely = likely_platform(value) if key == "platform" else None
        hint = f"did you mean `{likely}`?" if likely else None
        message = f"`{key}` has a wrong value"
        raise _error(text, message, expected=expected, found=_shown(value), hint=hint)
    return key, value


def _error(text: str, message: str, **details: str | None) -> UsageError:
    return UsageError(message, where=f"--target {_shown(text)[1:-1]}", **details)


def _shown(text: str) -> str:
    return quote(shortened(text, _LONGEST_SHOWN))
