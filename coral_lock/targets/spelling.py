"""Platform tags that aren't what was meant: what is odd about one, and what to write instead."""

from __future__ import annotations

from coral_lock.targets.model import is_platform_tag
from coral_lock.targets.platform import LINUX, MACOS, OTHER, WINDOWS, parse_platform

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
_LONGEST_TEXT = 100


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
    if len(text) > _LONGEST_TEXT:
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
