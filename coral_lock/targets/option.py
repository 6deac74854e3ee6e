"""`--target`: a target in one word, or the name of one that the descriptor describes."""

from __future__ import annotations

from coral_lock.canonical_json import quote
from coral_lock.errors import UsageError
from coral_lock.printable import shortened
from coral_lock.targets.model import Target, is_platform_tag, is_python_version, is_target_name
from coral_lock.targets.wheel_tags import LINUX, MACOS, OTHER, WINDOWS, parse_platform

_ARCHITECTURES = {
    "aarch64": "aarch64",
    "arm64": "aarch64",
    "arm64v8": "aarch64",
    "armv8": "aarch64",
    "arm": "armv7l",
    "arm32v7": "armv7l",
    "armhf": "armv7l",
    "armv7": "armv7l",
    "armv7l": "armv7l",
    "386": "i686",
    "i386": "i686",
    "i686": "i686",
    "x86": "i686",
    "win32": "i686",
    "amd64": "x86_64",
    "win64": "x86_64",
    "x64": "x86_64",
    "x86_64": "x86_64",
    "ppc64el": "ppc64le",
    "ppc64le": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
}
"""What wheel tags on Linux call an architecture, by what others call it."""

_OWN_NAMES = {
    MACOS: {"aarch64": "arm64", "x86_64": "x86_64"},
    WINDOWS: {"aarch64": "arm64", "x86_64": "amd64"},
}
"""What wheel tags call an architecture on other systems."""

_SYSTEM_NAMES = {LINUX: "Linux", MACOS: "macOS", WINDOWS: "Windows"}
_MACOS_WORDS = frozenset({"apple", "darwin", "macos", "macosx", "osx"})
_WINDOWS_WORDS = frozenset({"win", "win32", "win64", "windows"})
_MUSL_WORDS = frozenset({"alpine", "musl", "musllinux"})
_WORD_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_LONGEST_TAG = 100


def doubt_of_platform(tag: str) -> str | None:
    """Return what is odd about a well-formed platform tag in a sentence without its period.

    None stands for a tag like those of wheels. A tag of no known kind isn't wrong: wheels
    may be built for it, but nothing says which machines are of that kind.
    """
    platform = parse_platform(tag)
    if platform.system == OTHER:
        likely = likely_platform(tag)
        question = f"; did you mean `{likely}`?" if likely else ""
        return (
            f"`{tag}` is a platform tag of no known kind, so it stands for itself alone{question}"
        )
    corrected = _with_own_architecture(tag)
    if corrected == tag:
        return None
    system = _SYSTEM_NAMES[platform.system]
    return (
        f"wheels for {system} don't call an architecture `{platform.machine}`; "
        f"did you mean `{corrected}`?"
    )


def likely_platform(text: str) -> str | None:
    """Return the platform tag that `text` may stand for, or None.

    What containers, compilers and packages of other kinds call a platform is understood:
    `arm64`, `linux/arm64`, `aarch64-unknown-linux-gnu`, `win-amd64`.
    """
    if len(text) > _LONGEST_TAG:
        return None
    lowered = text.lower()
    rewritten = "".join(
        character if character in _WORD_CHARACTERS else "_" for character in lowered
    ).strip("_")
    is_known = is_platform_tag(rewritten) and parse_platform(rewritten).system != OTHER
    if is_known and not rewritten.startswith("linux_"):
        return _with_own_architecture(rewritten)
    words = rewritten.replace("x86_64", "amd64").split("_")
    architecture = next((_ARCHITECTURES[word] for word in words if word in _ARCHITECTURES), None)
    return None if architecture is None else _tag_of(frozenset(words), architecture)


def _tag_of(words: frozenset[str], architecture: str) -> str | None:
    """Return a tag for the system that the words name; Linux with glibc where none does."""
    if words & _MACOS_WORDS:
        name = _OWN_NAMES[MACOS].get(architecture)
        return f"macosx_11_0_{name}" if name else None
    if words & _WINDOWS_WORDS:
        name = _OWN_NAMES[WINDOWS].get(architecture)
        return f"win_{name}" if name else "win32" if architecture == "i686" else None
    if words & _MUSL_WORDS:
        return f"musllinux_1_2_{architecture}"
    return f"manylinux_2_28_{architecture}"


def _with_own_architecture(tag: str) -> str:
    """Return a tag of a known kind with its architecture called as wheels call it."""
    platform = parse_platform(tag)
    machine = platform.machine
    name = _ARCHITECTURES.get(machine, machine)
    if platform.system != LINUX:
        name = _OWN_NAMES[platform.system].get(name, machine)
    return tag if tag == "win32" else tag.removesuffix(machine) + name


_KEYS = ("python", "platform", "name")
_EXAMPLE = "python=3.11,platform=linux_aarch64"
_EXPECTED = {
    "python": "a version of Python 3, like `3.11`",
    "platform": "a platform tag, like `linux_aarch64`",
    "name": "lower-case letters and digits, with `.`, `_` and `-` between them",
}
_IS_RIGHT = {
    "python": is_python_version,
    "platform": is_platform_tag,
    "name": is_target_name,
}
_LONGEST_TEXT = 400
_LONGEST_SHOWN = 60


def parse_target(text: str) -> Target | str:
    """Return the target that the value of `--target` describes, or the name that it is.

    Args:
        text: `python=3.11,platform=linux_aarch64[,name=NAME]`, the parts in any order; or
            a name alone. A target without a name is called `py3.11-linux_aarch64`.

    Raises:
        UsageError: it is neither.
    """
    if len(text) > _LONGEST_TEXT:
        raise _error(text, "the target is too long", expected=f"at most {_LONGEST_TEXT} characters")
    if "=" not in text:
        return _parse_name(text)
    values: dict[str, str] = {}
    for part in text.split(","):
        key, separator, value = part.strip().partition("=")
        if key not in _KEYS or not separator:
            raise _unknown_part(text, key, separator)
        if key in values:
            raise _error(text, f"`{key}` stands in it twice", expected="each part once")
        if not _IS_RIGHT[key](value):
            raise _wrong_value(text, key, value)
        values[key] = value
    for key in ("python", "platform"):
        if key not in values:
            raise _error(text, f"`{key}` is missing", expected=_EXPECTED[key])
    name = values.get("name", f"py{values['python']}-{values['platform']}")
    if not is_target_name(name):
        raise _error(
            text,
            "the target is too long to be called by its parts",
            hint="give it a name: add `,name=NAME`",
        )
    return Target(name=name, python=values["python"], platform=values["platform"])


def _parse_name(text: str) -> str:
    if is_target_name(text):
        return text
    raise _error(
        text,
        "this is neither a target nor the name of one",
        expected=f"`{_EXAMPLE}`, or a name that the descriptor gives a target",
        found=_shown(text),
    )


def _unknown_part(text: str, key: str, separator: str) -> UsageError:
    from difflib import get_close_matches

    near = get_close_matches(key[:_LONGEST_SHOWN].lower(), _KEYS, 1)
    what = f"unknown part {_shown(key)}" if separator else f"the part {_shown(key)} has no `=`"
    return _error(
        text,
        what,
        expected=f"parts like in `{_EXAMPLE}`, and `name`",
        hint=f"did you mean `{near[0]}`?" if near and separator else None,
    )


def _wrong_value(text: str, key: str, value: str) -> UsageError:
    likely = likely_platform(value) if key == "platform" else None
    return _error(
        text,
        f"`{key}` has a wrong value",
        expected=_EXPECTED[key],
        found=_shown(value),
        hint=f"did you mean `{likely}`?" if likely else None,
    )


def _error(
    text: str,
    message: str,
    *,
    expected: str | None = None,
    found: str | None = None,
    hint: str | None = None,
) -> UsageError:
    where = f"--target {_shown(text)[1:-1]}"
    return UsageError(message, expected=expected, found=found, where=where, hint=hint)


def _shown(text: str) -> str:
    return quote(shortened(text, _LONGEST_SHOWN))
