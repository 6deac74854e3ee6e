"""Secrets in values and texts, replaced where something is printed or leaves the machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

MASK = "***"

_SECRET_STEM = re.compile(
    "password|passwd|passphrase|secret|token|credential|apikey|accesskey|privatekey|authorization"
    "|cookie|bearer"
)
"""Parts of a key, written without separators, that make its value a secret."""

_SECRET_WORDS = frozenset({"auth", "pass", "pwd", "pw", "pin", "jwt", "key", "keys", "signature"})
"""Whole words of a key that do the same; `author` and `monkey` hold them, but aren't them."""

_CAMEL_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATORS = re.compile(r"[^a-z0-9]+")
_USER_OF_URL = re.compile(r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]*://)[^\s\"'<>]*@")
"""A URL up to its last `@`: a password may hold `/` and `@` where someone forgot to escape them."""

_NAMED = re.compile(
    r"""(?<![\w.-])(?P<name>[A-Za-z][\w.-]*)(?:["']?\s*=\s*|["']\s*:\s*|\s*(?P<colon>:)(?=[\s"'])\s*)"""
)
"""A name before its value: `name=`, `name: ` or `'name':`; `host:80` and URLs have none."""

_VALUE = re.compile(
    r"""\*\*\*(?![^\s&;#,}\])])|"(?:[^"\\]|\\.)*(?:"|$)|'(?:[^'\\]|\\.)*(?:'|$)"""
    r"|(?i:basic|bearer|digest|negotiate|token)\s+[^\s&;#]+|[^\s&;#]+"
)
"""What is masked already, what is quoted, credentials after their scheme, or a word."""

_EXCEPTIONS = ("Error", "Exception", "Warning")
_CUT = "…"


def masked(value: Any) -> Any:
    """Return `value` with its secrets replaced, for printing.

    Values under keys that look secret become `***`, whatever they are, except null and
    booleans. URLs lose what is before their last `@`, and texts the values of parameters with
    such names: `?token=…`.

    Args:
        value: dicts, lists and scalars; left as it is.
    """
    if isinstance(value, dict):
        return {
            key: MASK if is_secret_key(key) and _may_be_secret(member) else masked(member)
            for key, member in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [masked(item) for item in value]
    if isinstance(value, str):
        return _without_named(_USER_OF_URL.sub(rf"\1{MASK}@", value))
    return value


def is_secret_key(key: str) -> bool:
    """Whether the value under `key` looks like a secret by the key's name."""
    words = _SEPARATORS.split(_CAMEL_BOUNDARY.sub("_", key).lower())
    if "public" in words:
        return False
    return not _SECRET_WORDS.isdisjoint(words) or bool(_SECRET_STEM.search("".join(words)))


def _may_be_secret(value: Any) -> bool:
    # Not `in (None, True, False)`: 1 and 0 equal those.
    return value is not None and not isinstance(value, bool)


def _without_named(text: str) -> str:
    """Replace the values after names that look secret."""
    pieces, end, position = [], 0, 0
    while (match := _NAMED.search(text, position)) is not None:
        position = match.end()
        # `KeyError: 'camera'` names no key.
        is_exception = match["colon"] and match["name"].endswith(_EXCEPTIONS)
        value = _VALUE.match(text, position)
        if value is not None and is_secret_key(match["name"]) and not is_exception:
            pieces += [text[end:position], MASK]
            end = position = value.end()
    return "".join((*pieces, text[end:]))


_SHORTEST_SECRET = 4
"""A shorter value occurs in texts that have nothing to do with it."""


def secrets_in(value: Any, is_secret: bool = False) -> Iterator[str]:
    """Yield the values that `masked` replaces since their keys look secret.

    Args:
        value: dicts, lists and scalars.
        is_secret: whether a key above it looks secret.
    """
    if isinstance(value, dict):
        for key, member in value.items():
            yield from secrets_in(member, is_secret or is_secret_key(key))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from secrets_in(item, is_secret)
    elif is_secret and _may_be_secret(value) and len(str(value)) >= _SHORTEST_SECRET:
        yield str(value)


def spellings(secret: str) -> set[str]:
    """Return how a message may spell a secret: as it is, as `repr` has it, and on one line."""
    spelt = {secret, repr(secret)[1:-1]}
    spelt.update([" ".join(each.split()) for each in spelt])
    return {each for each in spelt if len(each) >= _SHORTEST_SECRET}


def without_secrets(text: str, secrets: Sequence[str]) -> str:
    """Return a text without secrets, and without the start of one where it was cut (`…`).

    Args:
        text: the text.
        secrets: in all spellings, the longest first.
    """
    for secret in secrets:
        text = text.replace(secret, MASK)
    *cut, rest = text.split(_CUT)
    return _CUT.join((*(_without_end(piece, secrets) for piece in cut), rest))


def _without_end(text: str, secrets: Sequence[str]) -> str:
    longest = 0
    for secret in secrets:
        for length in range(min(len(secret), len(text)), longest, -1):
            if text.endswith(secret[:length]):
                longest = length
                break
    return f"{text[:-longest]}{MASK}" if longest else text
