"""YAML files that are made to hurt."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from .wording import mistakes_of

ALIAS_BOMB = "services:\n  a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"  a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 10)
)


def test_an_alias_bomb_is_refused_where_it_starts(tmp_path: Path) -> None:
    mistakes = mistakes_of(ALIAS_BOMB, tmp_path)
    assert mistakes[0] == (
        "`services.a0` has an anchor | where: runtime.yaml:2:7 | expected: plain data | "
        "found: &a0 | hint: write the value itself"
    )
    assert mistakes[2] == (
        "`services.a1[0]` has an alias | where: runtime.yaml:3:12 | expected: plain data | "
        "found: *a0 | hint: write the value itself"
    )


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "{" * 200_000,
        "- " * 200_000,
        "? " * 200_000,
        "services: " + "{a: " * 100_000,
        "services:\n" + "".join(" " * level + "a:\n" for level in range(1, 1000)),
    ],
    ids=["brackets", "braces", "dashes", "questions", "flow", "block"],
)
def test_depth_is_refused_at_once(tmp_path: Path, text: str) -> None:
    start = time.monotonic()
    [mistake] = mistakes_of(text, tmp_path)
    assert mistake.startswith("the document is nested too deep | where: runtime.yaml:")
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("text", ["a: !!python/object:os.system x", "%YAML 9.9\n---\n{}"])
def test_nothing_is_ever_constructed(tmp_path: Path, text: str) -> None:
    assert mistakes_of(text, tmp_path)
