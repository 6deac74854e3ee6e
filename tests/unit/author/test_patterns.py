"""The patterns of build back ends, held against git's own where git understands them."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from coral_lock.author.package_data import is_ignored, matches_glob

FILE = "src/acme/coral_plugin.yaml"
IGNORED = [
    (["*.yaml"], True),
    (["*.yml"], False),
    (["coral_plugin.yaml"], True),
    (["/coral_plugin.yaml"], False),
    (["/src"], True),
    (["src/"], True),
    (["acme/"], True),
    (["/acme"], False),
    (["src/*.yaml"], False),
    (["src/**/*.yaml"], True),
    (["**/acme/*"], True),
    (["src/acme/**"], True),
    (["coral_plugin.yaml/"], False),
    (["*.yaml", "!coral_plugin.yaml"], False),
    (["!coral_plugin.yaml", "*.yaml"], True),
    (["# *.yaml", "", "\\#x"], False),
    (["coral_plugin.y[ab]ml"], True),
    (["coral_plugin.y[!ab]ml"], False),
    (["coral_plugi?.yaml   "], True),
    (["["], False),
    (["a" * 2000], False),
]


@pytest.mark.parametrize(("patterns", "expected"), IGNORED)
def test_a_gitignore_is_understood_as_git_does(
    patterns: list[str], expected: bool, tmp_path: Path
) -> None:
    assert is_ignored(patterns, FILE) is expected
    git = shutil.which("git")
    if git is None:
        return
    subprocess.run([git, "init", "--quiet", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("\n".join(patterns) + "\n")
    (tmp_path / FILE).parent.mkdir(parents=True)
    (tmp_path / FILE).write_text("")
    found = subprocess.run([git, "-C", tmp_path, "check-ignore", "--quiet", FILE], check=False)
    assert (found.returncode == 0) is expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (FILE, True),
        ("src", True),
        ("src/acme/", True),
        ("sr", False),
        ("*.yaml", False),
        ("**/*.yaml", True),
        ("src/*/*.yaml", True),
        ("src/**", True),
        ("acme/*", False),
    ],
)
def test_a_glob_names_paths(pattern: str, expected: bool) -> None:
    assert matches_glob(pattern, FILE) is expected


def test_no_pattern_takes_long() -> None:
    start = time.monotonic()
    for pattern in ("*a" * 400, "**/" * 300 + "x", "**" * 300 + "x", "?*" * 200 + "x"):
        assert not matches_glob(pattern, "a" * 500 + "/a" * 100)
    assert time.monotonic() - start < 2
