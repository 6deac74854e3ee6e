"""Locking again: what changed is said, and what is alarming isn't written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.handmade_wheels import make_wheel
from tests.support.in_process import WorkingDirectory
from tests.support.plugin_wheels import make_library, make_plugin

HOUSE = ("--wheels", "house")


@pytest.fixture
def work(tmp_path: Path) -> WorkingDirectory:
    """A working directory with a lock of one plugin and its library."""
    house = tmp_path / "house"
    house.mkdir()
    make_plugin(house, "zoom", "1.0", requires="lens")
    make_library(house, "lens", "1.0")
    work = WorkingDirectory(directory=tmp_path)
    work.locked(*HOUSE)
    return work


@pytest.fixture
def house(work: WorkingDirectory) -> Path:
    return work.directory / "house"


def test_the_change_is_shown(work: WorkingDirectory, house: Path) -> None:
    make_plugin(house, "crop", "1.0")
    make_library(house, "lens", "1.1")
    before = work.lock_path.read_text()
    words = ("lock", *HOUSE, "--upgrade")

    tried = work.coral(*words, "--dry-run").require(0)
    assert tried.stdout == ""
    assert tried.stderr == (
        "crop\n"
        "  ! `patches:crop` is added (new-plugin)\n"
        "  + `crop` is added\n"
        "\n"
        "lens (via patches:zoom)\n"
        "  ~ `lens` is upgraded: 1.0 → 1.1\n"
        "  ~ the digest of `lens` for `py3-none-any` changed\n"
        "would write coral.lock: 2 plugins, 3 distributions\n"
    )
    assert work.lock_path.read_text() == before

    data = work.coral(*words, "--dry-run", "--output-format", "json").require(0).json()
    assert data["result"] == "would-write"
    assert [change["code"] for change in data["changes"]] == [
        "plugin-added", "distribution-added", "version-upgraded", "digest-changed",
    ]  # fmt: skip

    written = work.coral(*words).require(0)
    assert written.stderr == tried.stderr.replace("would write", "wrote")
    assert work.coral(*words).require(0).stderr == (
        "coral.lock is unchanged: 2 plugins, 3 distributions\n"
    )


def test_quiet_leaves_warnings_and_errors(work: WorkingDirectory, house: Path) -> None:
    make_plugin(house, "crop", "1.0")
    assert work.coral("lock", *HOUSE, "--quiet").require(0).stderr == ""
    (house / "crop-1.0-py3-none-any.whl").unlink()
    stderr = work.coral("lock", *HOUSE, "-q").require(0).stderr
    assert stderr.startswith("warning[plugin-gone]: ")
    assert "is removed" not in stderr


def rebuild(house: Path) -> None:
    """Build the wheel of the same version again, with another file in it."""
    (house / "lens-1.0-py3-none-any.whl").unlink()
    make_wheel(house, "lens", {"lens.py": "", "more.py": "1"})


def digest(text: str, name: str) -> str:
    found: str = json.loads(text)["distributions"][name]["digests"]["py3-none-any"]
    return found


def test_other_bytes_under_the_same_version_are_refused(
    work: WorkingDirectory, house: Path
) -> None:
    before = work.lock_path.read_text()
    rebuild(house)
    refused = work.coral("lock", *HOUSE).require(3)
    assert work.lock_path.read_text() == before
    accepted = work.locked(*HOUSE, "--allow-changed-digest", "Lens")
    line = 1 + before.splitlines().index(f'        "py3-none-any": "{digest(before, "lens")}"')
    assert refused.stderr.endswith(
        "error[bytes-changed]: the digest of `lens` for `py3-none-any` changed under the same "
        "version: 1.0; 2 files of 4 changed: `lens.py`, `more.py`\n"
        f"  expected: {digest(before, 'lens')}\n"
        f"  found: {digest(accepted, 'lens')}\n"
        f"  where: coral.lock:{line}\n"
        "  hint: find out why, then accept it with `--allow-changed-digest lens`\n"
        "failed to lock; `coral.lock` is unchanged\n"
    )


def test_without_the_wheel_that_was_locked_the_files_are_counted(
    work: WorkingDirectory, house: Path
) -> None:
    rebuild(house)
    refused = work.coral("lock", *HOUSE, "--no-cache", "--output-format", "json").require(3).json()
    assert refused["result"] == "failed"
    (finding,) = refused["findings"]
    assert finding["summary"] == (
        "the digest of `lens` for `py3-none-any` changed under the same version: 1.0 "
        "(it has 4 files now)"
    )


def test_accepting_a_name_that_is_not_locked(work: WorkingDirectory) -> None:
    outcome = work.coral("lock", *HOUSE, "--allow-changed-digest", "patches:zoom").require(2)
    assert outcome.stderr == (
        "error: `--allow-changed-digest` names a distribution that the lock doesn't have\n"
        "  found: patches:zoom\n"
        "  hint: name the distribution as the lock does, not a plugin or a file\n"
    )


def test_check_neither_tries_nor_accepts(work: WorkingDirectory) -> None:
    for words in (("--dry-run",), ("--allow-changed-digest", "lens")):
        outcome = work.coral("lock", *HOUSE, "--check", *words).require(2)
        assert "`--check` writes nothing" in outcome.stderr


def test_a_plugin_that_is_gone_is_said(work: WorkingDirectory, house: Path) -> None:
    (house / "zoom-1.0-py3-none-any.whl").unlink()
    outcome = work.coral("lock", *HOUSE).require(0)
    assert outcome.stderr == (
        "zoom\n"
        "  - `zoom` is removed\n"
        "  - `patches:zoom` is removed\n"
        "\n"
        "lens (via patches:zoom)\n"
        "  - `lens` is removed\n"
        "warning[plugin-gone]: `patches:zoom` was locked, and no distribution offers it\n"
        "  found: it came from `zoom`\n"
        "  hint: if it wasn't removed on purpose, download the locked wheels with `coral-runtime "
        "fetch --wheels DIR`; a plugin that the descriptor switches on can't get lost\n"
        "wrote coral.lock: 0 plugins, 0 distributions\n"
    )
    descriptor = "--set=patches.zoom=true"
    assert "error[unknown-plugin]" in work.coral("lock", *HOUSE, descriptor).require(1).stderr


def test_conflict_markers_are_kept_for_the_merge(work: WorkingDirectory) -> None:
    text = work.lock_path.read_text().replace(",\n", ",\n<<<<<<< ours\n", 1)
    work.lock_path.write_text(text)
    outcome = work.coral("lock", *HOUSE).require(2)
    assert outcome.stderr == (
        "error: the lock holds merge conflict markers\n"
        "  found: <<<<<<< ours\n"
        "  where: coral.lock:3\n"
        "  hint: run `coral-runtime git merge`, which merges it entry by entry\n"
    )
    assert work.lock_path.read_text() == text


def test_a_lock_in_another_form_is_compared_all_the_same(
    work: WorkingDirectory, house: Path
) -> None:
    work.lock_path.write_text(json.dumps(json.loads(work.lock_path.read_text())))
    rebuild(house)
    assert "error[bytes-changed]" in work.coral("lock", *HOUSE).require(3).stderr


def test_what_cannot_be_compared_is_said(work: WorkingDirectory) -> None:
    work.lock_path.write_text('{\n  "lock_version": "1.0",\n')
    outcome = work.coral("lock", *HOUSE, "--upgrade").require(0)
    assert outcome.stderr == (
        "warning: what changes isn't known, as the lock can't be read: the lock is damaged: it is "
        "cut off\n"
        "wrote coral.lock: 1 plugin, 2 distributions\n"
    )


def test_a_first_lock_is_no_change(work: WorkingDirectory) -> None:
    words = ("lock", *HOUSE, "-o", "new.lock", "--dry-run", "--output-format")
    markdown = work.coral(*words, "markdown").require(0).stdout
    assert "\n\nA new lock: 1 plugin, 2 distributions.\n" in markdown
    assert work.coral(*words, "json").require(0).json()["changes"] == []


def test_annotations_name_the_line_of_the_lock(work: WorkingDirectory, house: Path) -> None:
    make_plugin(house, "crop", "1.0")
    stdout = work.coral("lock", *HOUSE, "--output-format", "github").require(0).stdout
    lines = work.lock_path.read_text().splitlines()
    number = 1 + lines.index('    "patches:crop": {')
    assert stdout.startswith(f"::warning file=coral.lock,line={number},title=plugin-added::")
