"""The patterns of files that build back ends understand: globs and those of `.gitignore`."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MAX_PATTERN = 1000


def matches_glob(pattern: str, path: str) -> bool:
    """Whether a glob, where `**` stands for any number of directories, names a path.

    Args:
        pattern: relative, with slashes. One without wildcards names a directory's files too.
        path: relative, with slashes.
    """
    pattern = pattern.rstrip("/")
    return _matches(_tokens(pattern), path) or path.startswith(f"{pattern}/")


def is_ignored(patterns: Iterable[str], path: str) -> bool:
    """Whether the lines of a `.gitignore` match a path, as the git documentation says.

    Args:
        patterns: the lines in their order; the last one that matches counts.
        path: relative to the directory of the patterns, with slashes.
    """
    ignored = False
    for line in patterns:
        pattern = line.rstrip().removeprefix("\\")
        if not pattern or line.startswith("#"):
            continue
        is_negated = line.startswith("!")
        pattern = pattern[is_negated:]
        is_anchored = "/" in pattern.rstrip("/")
        is_directory = pattern.endswith("/")
        pattern = pattern.strip("/")
        tokens = _tokens(pattern if is_anchored else f"**/{pattern}")
        parts = path.split("/")
        candidates = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
        if any(_matches(tokens, found) for found in candidates[: -1 if is_directory else None]):
            ignored = not is_negated
    return ignored


_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^]/]+\]|.", re.DOTALL)
_DIRECTORIES, _ANYTHING, _NAME = "**/", "**", "*"
_REPEATED = (_DIRECTORIES, _ANYTHING, _NAME)


def _matches(tokens: Sequence[str], path: str) -> bool:
    """Whether a pattern matches a whole path.

    All ways to match are followed at once, one character at a time: a regular expression
    would try them one after the other, and a hostile pattern has more than anyone can wait for.
    """
    # `**/` ends behind a slash, so it is left there and at its very start only.
    states = _behind({(0, True)}, tokens)
    for character in path:
        following = set()
        for index, _ in states:
            if index == len(tokens):
                continue
            token = tokens[index]
            if token in _REPEATED:
                if token != _NAME or character != "/":
                    following.add((index, token != _DIRECTORIES or character == "/"))
            elif _is_one(token, character):
                following.add((index + 1, True))
        states = _behind(following, tokens)
    return any(index == len(tokens) for index, _ in states)


def _behind(states: set[tuple[int, bool]], tokens: Sequence[str]) -> set[tuple[int, bool]]:
    """Return the states with those that are reached by leaving repetitions."""
    reached = set(states)
    for index, may_leave in states:
        while may_leave and index < len(tokens) and tokens[index] in _REPEATED:
            index += 1
            if (index, True) in reached:
                break
            reached.add((index, True))
    return reached


def _is_one(token: str, character: str) -> bool:
    """Whether a token that stands for one character stands for this one."""
    if token == "?":
        return character != "/"
    if len(token) == 1:
        return character == token
    inner = token[1:-1]
    is_negated = inner.startswith("!") and len(inner) > 1
    inner = inner[is_negated:]
    ranges = re.findall(r"(.)-(.)|(.)", inner, re.DOTALL)
    found = any(
        first <= character <= last if first else character == single
        for first, last, single in ranges
    )
    return character != "/" and found is not is_negated


def _tokens(pattern: str) -> Sequence[str]:
    """Return the parts of a pattern; none that matches anything for one that is too long."""
    return _TOKEN.findall(pattern) if 0 < len(pattern) <= _MAX_PATTERN else ("\0",)
