"""The documentation as data: its pages, and the code blocks on a page.

A comment directly above a block says what a reader doesn't have to see:

    <!-- session: demo; install: my-package==1.0.0 acme-vision -->
    <!-- file: runtime.yaml -->
    <!-- file: my-package/pyproject.toml; build: my-package -->
    <!-- playbook: roll_out.yml -->

`session` makes a device, or goes on with the one of that name; blocks without it go on with
the last one. `install` names distributions that the device has. `wheels` names distributions
whose wheels lie in the directory `wheelhouse` of the device's working directory. `file` writes
the block to that path in the device's working directory. `build` builds a wheel from that
directory afterwards and installs it. `playbook` says that the block is that playbook of the
collection for Ansible.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.wheelhouse import REPOSITORY

TRANSLATED = ".zh-CN.md"
MARKER_KEYS = frozenset({"session", "install", "wheels", "file", "build", "playbook"})

_FENCE = re.compile(r"```(?P<language>[a-z]*)")
_MARKER = re.compile(r"<!-- (?P<content>[a-z]+: .*) -->")


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A fenced block; `first_line` is the index of its first line on the page."""

    language: str
    lines: tuple[str, ...]
    marker: Mapping[str, str]
    first_line: int

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)


def english_pages() -> list[Path]:
    """Return every page that isn't a translation."""
    pages = [
        REPOSITORY / "README.md",
        REPOSITORY / "CONTRIBUTING.md",
        REPOSITORY / "CHANGELOG.md",
        REPOSITORY / "ansible" / "README.md",
        *sorted((REPOSITORY / "docs").glob("*.md")),
    ]
    return [page for page in pages if not page.name.endswith(TRANSLATED)]


def translations() -> list[tuple[Path, Path]]:
    """Return each translated page behind the page that it translates."""
    directories = (REPOSITORY, REPOSITORY / "ansible", REPOSITORY / "docs")
    pages = [page for directory in directories for page in directory.glob(f"*{TRANSLATED}")]
    return [
        (page.with_name(page.name.removesuffix(TRANSLATED) + ".md"), page) for page in sorted(pages)
    ]


def all_pages() -> list[Path]:
    """Return every page in every language."""
    return [*english_pages(), *(translation for _, translation in translations())]


def page_name(page: Path) -> str:
    """Return how a test names a page."""
    return page.relative_to(REPOSITORY).as_posix()


def blocks_of(text: str) -> list[Block]:
    """Return the fenced blocks of a page.

    Raises:
        ValueError: a block isn't closed, or a marker holds an unknown key.
    """
    blocks: list[Block] = []
    lines = text.split("\n")
    marker: dict[str, str] = {}
    number = 0
    while number < len(lines):
        line = lines[number]
        fence = _FENCE.fullmatch(line)
        if fence:
            end = lines.index("```", number + 1)
            blocks.append(
                Block(
                    language=fence["language"],
                    lines=tuple(lines[number + 1 : end]),
                    marker=marker,
                    first_line=number + 1,
                )
            )
            number = end
        if line.strip():
            match = _MARKER.fullmatch(line)
            marker = _read_marker(match["content"]) if match else {}
        number += 1
    return blocks


def _read_marker(content: str) -> dict[str, str]:
    marker = {}
    for part in content.split(";"):
        key, _, value = part.partition(":")
        if key.strip() not in MARKER_KEYS:
            raise ValueError(f"unknown key `{key.strip()}` in the marker `{content}`")
        marker[key.strip()] = value.strip()
    return marker
