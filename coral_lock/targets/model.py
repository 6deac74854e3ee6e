"""A target as a value: the Python and the platform that a lock is made for."""

from __future__ import annotations

from coral_lock.record import Record

MAX_TARGETS = 100
MAX_TAGS = 1000
"""How many tags a compressed tag set may stand for; those of real wheels stand for a few dozen."""
"""How many targets a descriptor or a lock may have."""

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")
_TAG_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


class Target(Record):
    """A kind of machine.

    Args:
        name: what the descriptor and the lock call it.
        python: the version of CPython, `3.10` or `3.10.13`.
        platform: a platform tag (PEP 425, PEP 600, PEP 656), e.g. `manylinux_2_31_aarch64`.

    Raises:
        ValueError: one of them isn't well-formed.
    """

    name: str
    python: str
    platform: str

    def _check(self) -> None:
        for text, is_right in (
            (self.name, is_target_name),
            (self.python, is_python_version),
            (self.platform, is_platform_tag),
        ):
            if not is_right(text):
                raise ValueError(text)

    @property
    def language_version(self) -> str:
        """The version of the language, `3.10`."""
        return ".".join(self.python.split(".")[:2])

    def __str__(self) -> str:
        return f"{self.name} (Python {self.python}, {self.platform})"


def is_target_name(text: str) -> bool:
    """Whether `text` can name a target: lower-case letters, digits, and `.`, `_`, `-` within."""
    return 0 < len(text) <= 100 and _NAME_CHARACTERS.issuperset(text) and _is_word(text)


def is_python_version(text: str) -> bool:
    """Whether `text` is a version of Python 3, `3.10` or `3.10.13`."""
    parts = text.split(".")
    return parts[0] == "3" and len(parts) in (2, 3) and all(map(_is_number, parts))


def is_platform_tag(text: str) -> bool:
    """Whether `text` is written like a single platform tag, `linux_aarch64`."""
    return (
        0 < len(text) <= 100
        and _TAG_CHARACTERS.issuperset(text)
        and _is_word(text)
        and text != "any"
    )


def _is_word(text: str) -> bool:
    return text[0].isalnum() and text[-1].isalnum()


def _is_number(text: str) -> bool:
    return len(text) < 3 and text.isascii() and text.isdigit() and text == str(int(text))


def tag_count(compressed: str) -> int:
    """Return how many tags a compressed tag set (PEP 425) stands for, 2 for `py2.py3-none-any`."""
    count = 1
    for part in compressed.split("-"):
        count *= part.count(".") + 1
    return count
