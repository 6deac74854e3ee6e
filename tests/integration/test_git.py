"""Locks in a real git repository: what is shown, what merges, and what is left to people."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.text import write_lock
from tests.property.branches import ADD, EDIT, REMOVE, base_lock, edited
from tests.support.clone import Clone, branch, new_clone
from tests.support.in_process import WorkingDirectory

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git isn't installed")

BASE = base_lock([10, 20, 30], Random(1))
OURS = edited(BASE, ADD, 15, 3)
THEIRS = edited(BASE, ADD, 16, 4)
"""Plugins that both are added at one place, which no merge of lines can put in order."""
BOTH = edited(OURS, ADD, 16, 4)
LINE = "coral.lock -text diff=coral-lock merge=coral-lock\n"


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return new_clone(tmp_path, BASE)


def merge(clone: Clone) -> None:
    clone.git("merge", "-q", "-m", "merge", "theirs")


def rebase(clone: Clone) -> None:
    clone.git("rebase", "-q", "theirs")


def cherry_pick(clone: Clone) -> None:
    clone.git("cherry-pick", "theirs")


def stash_pop(clone: Clone) -> None:
    clone.git("reset", "-q", "--soft", "HEAD~")
    clone.git("stash", "push", "-q")
    clone.git("merge", "-q", "--ff-only", "theirs")
    clone.git("stash", "pop", "-q")


@pytest.mark.parametrize("command", [merge, rebase, cherry_pick, stash_pop])
def test_git_merges_entries_once_it_is_set_up(
    clone: Clone, command: Callable[[Clone], None]
) -> None:
    outcome = clone.coral("git", "install").require(0)
    assert outcome.stderr == (
        f"added `{LINE.strip()}` to .gitattributes: commit it\n"
        "git shows and merges the lock by its entries in this clone\n"
    )
    clone.commit(BASE, "attributes")
    branch(clone, OURS, THEIRS)
    command(clone)
    assert clone.lock_path.read_text() == write_lock(BOTH)
    assert "U" not in clone.git("status", "--porcelain")


def test_without_it_the_stages_of_the_index_are_merged(clone: Clone) -> None:
    branch(clone, OURS, THEIRS)
    clone.git("merge", "-q", "theirs", code=1)
    refused = clone.coral("lock", "--wheels", ".").require(2)
    assert "hint: run `coral-runtime git merge`, which merges it entry by entry" in refused.stderr
    outcome = clone.coral("git", "merge").require(0)
    assert clone.lock_path.read_text() == write_lock(BOTH)
    assert outcome.stderr == (
        "merged coral.lock: 6 plugins, 7 distributions\n"
        "  hint: see `coral-runtime lock --check`, then `git add coral.lock`\n"
    )
    assert "no unfinished merge" not in outcome.stderr


def test_of_a_rebase_with_both_locks_new_there_is_no_base(clone: Clone) -> None:
    clone.git("rm", "-q", "coral.lock")
    clone.git("commit", "-q", "-m", "none")
    branch(clone, OURS, THEIRS)
    clone.git("rebase", "-q", "theirs", code=1)
    clone.coral("git", "merge").require(0)
    assert clone.lock_path.read_text() == write_lock(BOTH)


CONFLICT = """\
error: both sides changed the same entries in different ways
  found: `distributions["dist-020"]`
  where: coral.lock
  hint: keep one side of each between the markers, or take a side of the whole lock \
(`git checkout --ours FILE`) and run `coral-runtime lock`
"""


def upgraded(seed: int) -> Lock:
    """Return the lock after an upgrade of plugin 20 and the addition of another one."""
    upgrades = (
        edited(BASE, EDIT, 20, number)
        for number in range(100 * seed, 100 * seed + 100)
        if edited(BASE, EDIT, 20, number).distribution("dist-020").version.startswith("2.")
    )
    return edited(next(upgrades), ADD, 10 + seed, seed)


@pytest.mark.parametrize("is_installed", [True, False])
def test_what_both_sides_changed_differently_is_left_with_markers(
    clone: Clone, is_installed: bool
) -> None:
    if is_installed:
        clone.coral("git", "install").require(0)
        clone.commit(BASE, "attributes")
    branch(clone, upgraded(1), upgraded(2))
    clone.git("merge", "-q", "theirs", code=1)
    if not is_installed:
        assert clone.coral("git", "merge").require(1).stderr == CONFLICT
    text = clone.lock_path.read_text()
    assert text.count("<<<<<<< ours\n") == text.count(">>>>>>> theirs\n") == 1
    assert '    "patches:plugin_011": {\n' in text
    assert '    "patches:plugin_012": {\n' in text
    assert "UU coral.lock" in clone.git("status", "--porcelain")


def test_what_one_side_removed_and_the_other_requires(clone: Clone) -> None:
    removed = edited(BASE, REMOVE, 20, 0)
    plugin = BASE.plugins[1].replace(after=("patches:plugin_020",))
    others = tuple(each for each in BASE.plugins if each.id != plugin.id)
    clone.coral("git", "install").require(0)
    clone.commit(BASE, "attributes")
    branch(clone, removed, BASE.replace(plugins=(*others, plugin)))
    clone.git("merge", "-q", "theirs", code=1)
    outcome = clone.coral("git", "merge").require(1)
    assert outcome.stderr.startswith("error: what was merged isn't a lock: ")
    assert outcome.stderr.endswith(
        '  where: coral.lock: plugins["patches:plugin_010"].after\n'
        "  hint: one side removed what the other one needs: run `coral-runtime lock`\n"
    )


def test_git_shows_what_an_entry_says(clone: Clone) -> None:
    clone.coral("git", "install").require(0)
    clone.commit(edited(BASE, ADD, 15, 3), "more")
    shown = clone.git("log", "-p", "-1", "--format=", "-U0", "--", "coral.lock")
    lines = [line for line in shown.splitlines() if line.startswith("+")]
    assert lines[1:3] == [
        "+patches:plugin_015: distribution: dist-015",
        "+patches:plugin_015: entry_point: dist_015.plugins:register",
    ]
    assert "+dist-015: requires: numpy" in lines or "+dist-015: version: 1.3.0" in lines


def test_a_file_that_is_no_lock_is_shown_as_it_is(clone: Clone) -> None:
    clone.write("coral.lock", "<<<<<<< ours\n")
    assert clone.coral("git", "textconv", "coral.lock").require(0).stdout == "<<<<<<< ours\n"


def test_uninstall_takes_back_what_install_did(clone: Clone) -> None:
    attributes = clone.write(".gitattributes", "*.bin binary\n")
    before = clone.git("config", "--local", "--list")
    for _ in range(2):
        clone.coral("git", "install").require(0)
        assert attributes.read_text() == f"*.bin binary\n{LINE}"
    for _ in range(2):
        clone.coral("git", "uninstall").require(0)
    assert attributes.read_text() == "*.bin binary\n"
    assert clone.git("config", "--local", "--list") == before
    attributes.unlink()
    clone.coral("git", "install").require(0)
    clone.coral("git", "uninstall").require(0)
    assert not attributes.exists()


def test_a_lock_elsewhere_under_another_name(clone: Clone) -> None:
    (clone.directory / "deploy").mkdir()
    clone.coral("git", "install", "--lock", "deploy/my [1].lock").require(0)
    attributes = clone.directory / "deploy" / ".gitattributes"
    pattern = '"my \\\\[1\\\\].lock"'
    assert attributes.read_text() == f"{pattern} -text diff=coral-lock merge=coral-lock\n"
    assert clone.git("check-attr", "merge", "deploy/my [1].lock").endswith("merge: coral-lock\n")


def test_without_a_merge_there_is_nothing_to_merge(clone: Clone) -> None:
    assert clone.coral("git", "merge").require(2).stderr == (
        "error: git has no unfinished merge of `coral.lock`\n"
        "  expected: a lock that both sides changed\n"
        "  found: no conflict\n"
        "  hint: see `git status`; where one side removed the lock, keep or remove it\n"
    )


def test_a_lock_without_a_name_is_none(clone: Clone) -> None:
    assert clone.coral("git", "install", "--lock", "").require(2).stderr == (
        "error: `--lock` names no file\n  hint: name the lock itself\n"
    )
    assert not (clone.directory / ".gitattributes").exists()


def test_outside_of_a_repository(tmp_path: Path) -> None:
    work = WorkingDirectory(directory=tmp_path)
    for words in (("install",), ("merge",), ("install", "--lock", "absent/coral.lock")):
        assert work.coral("git", *words).require(2).stderr.startswith("error: ")
