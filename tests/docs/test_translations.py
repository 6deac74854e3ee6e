"""Translations have the same structure and the same code blocks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import blocks_of, page_name, translations

PAIRS = [pytest.param(*pair, id=page_name(pair[1])) for pair in translations()]


def _without_blocks(text: str) -> list[str]:
    lines = text.split("\n")
    for block in reversed(blocks_of(text)):
        del lines[block.first_line - 1 : block.first_line + len(block.lines) + 1]
    return lines


def test_there_are_translations() -> None:
    assert [page_name(translation) for _, translation in translations()] == [
        "README.zh-CN.md",
        "ansible/README.zh-CN.md",
        "docs/descriptor.zh-CN.md",
        "docs/device-reports.zh-CN.md",
        "docs/findings.zh-CN.md",
        "docs/fleet-questions.zh-CN.md",
        "docs/locked-start.zh-CN.md",
        "docs/publishing-plugins.zh-CN.md",
        "docs/release-pipeline.zh-CN.md",
        "docs/reviewing-a-lock.zh-CN.md",
        "docs/running-a-fleet.zh-CN.md",
        "docs/signed-locks.zh-CN.md",
        "docs/supervisors.zh-CN.md",
        "docs/testing-plugins.zh-CN.md",
        "docs/under-the-lock.zh-CN.md",
    ]


@pytest.mark.parametrize(("page", "translation"), PAIRS)
def test_the_code_blocks_are_identical(page: Path, translation: Path) -> None:
    original = blocks_of(page.read_text(encoding="utf-8"))
    translated = blocks_of(translation.read_text(encoding="utf-8"))
    assert [(b.language, b.lines, b.marker) for b in translated] == [
        (b.language, b.lines, b.marker) for b in original
    ]


@pytest.mark.parametrize(("page", "translation"), PAIRS)
def test_the_structure_is_the_same(page: Path, translation: Path) -> None:
    def outline(path: Path) -> list[str]:
        lines = _without_blocks(path.read_text(encoding="utf-8"))
        shapes = (re.match(r"#+ |\||- |[0-9]+\. |<!-- bench", line) for line in lines)
        return [shape.group() for shape in shapes if shape]

    assert outline(translation) == outline(page)


@pytest.mark.parametrize(("page", "translation"), PAIRS)
def test_literals_survive_translation(page: Path, translation: Path) -> None:
    """What stands in backticks in the one stands in the other too."""

    def literals(path: Path) -> set[str]:
        text = "\n".join(_without_blocks(path.read_text(encoding="utf-8")))
        return set(re.findall(r"`([^`]+)`", text))

    assert literals(translation) == literals(page)
