"""Whether a text is a version, told without `packaging`: descriptors are read at every start."""

from __future__ import annotations

LONGEST_VERSION = 100

_PATTERN = (
    r"v?([0-9]+!)?[0-9]+(\.[0-9]+)*"
    r"([-_.]?(a|alpha|b|beta|c|rc|pre|preview)[-_.]?[0-9]*)?"
    r"(-[0-9]+|[-_.]?(post|rev|r)[-_.]?[0-9]*)?"
    r"([-_.]?dev[-_.]?[0-9]*)?"
    r"(\+[a-z0-9]+([-_.][a-z0-9]+)*)?"
)
"""Epoch, release, pre-release, post-release, developmental release and local label."""


def is_version(text: str) -> bool:
    """Whether `text` is a version in any of the spellings that PEP 440 allows, without spaces."""
    if not text.isascii() or len(text) > LONGEST_VERSION:
        return False
    # A descriptor that names no version doesn't pay for `re`.
    import re

    return re.fullmatch(_PATTERN, text.lower()) is not None
