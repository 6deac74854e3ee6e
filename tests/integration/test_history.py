"""Locks of git's revisions: compared, and followed through the history."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import pytest

from coral_lock.lockfile.text import write_lock
from tests.property.branches import ADD, REMOVE, base_lock, edited
from tests.support.clone import Clone, branch, new_clone

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git isn't installed")

BASE = base_lock([10, 20], Random(1))
ADDED = edited(BASE, ADD, 15, 3)
REMOVED = edited(ADDED, REMOVE, 20, 0)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return new_clone(tmp_path, BASE)


def codes(clone: Clone, *words: str) -> list[str]:
    found = clone.coral("diff", *words, "--output-format", "json").require(0).json()["changes"]
    return [change["code"] for change in found]


def test_revisions_are_compared_by_name(clone: Clone) -> None:
    clone.commit(ADDED, "added")
    (clone.directory / "sub").mkdir()
    expected = ["plugin-added", "distribution-added"]
    assert codes(clone, "HEAD~:coral.lock", "coral.lock") == expected
    assert codes(clone, "HEAD~:./coral.lock", "HEAD:coral.lock") == expected
    document = clone.coral("diff", "--git", "HEAD~", "--output-format", "json").require(0).json()
    assert (document["old"], document["new"]) == ("HEAD~:coral.lock", "coral.lock")


def test_the_file_is_compared_with_what_was_committed(clone: Clone) -> None:
    assert clone.coral("diff", "--git").require(0).stderr == "no changes\n"
    clone.lock_path.write_text(write_lock(ADDED))
    assert codes(clone, "--git") == ["plugin-added", "distribution-added"]


def test_a_range_leaves_out_what_the_other_branch_did(clone: Clone) -> None:
    branch(clone, edited(BASE, ADD, 12, 1), ADDED)
    added = ["plugin-added", "distribution-added"]
    removed = ["distribution-removed", "plugin-removed"]
    assert sorted(codes(clone, "--git", "main..theirs")) == sorted([*added, *removed])
    assert codes(clone, "--git", "main...theirs") == added
    assert codes(clone, "--git", "main..") == []


def test_a_lock_that_was_renamed(clone: Clone) -> None:
    clone.git("mv", "coral.lock", "runtime.lock")
    assert clone.coral("diff", "--git", "--lock", "runtime.lock").require(0).stderr == (
        "no changes\n"
    )
    clone.git("commit", "-q", "-m", "renamed")
    assert codes(clone, "--git", "HEAD~..HEAD", "--lock", "runtime.lock") == []
    stdout = clone.coral("log", "--lock", "runtime.lock").require(0).stdout
    assert [line[22:] for line in stdout.splitlines() if line[:1].isalnum()] == [
        "N: renamed",
        "N: base",
    ]


def test_a_lock_that_was_removed_and_added(clone: Clone) -> None:
    clone.lock_path.unlink()
    outcome = clone.coral("diff", "--git").require(0)
    assert outcome.stderr == "the lock is removed: `coral.lock` doesn't exist\n"
    clone.git("commit", "-qam", "removed")
    clone.commit(BASE, "again")
    outcome = clone.coral("diff", "--git", "HEAD~").require(0)
    assert outcome.stderr == "the lock is added: `HEAD~:coral.lock` doesn't exist\n"
    assert outcome.stdout.count("is added") == 7


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--git", "nowhere"),
            "error: git knows no revision `nowhere`\n"
            "  hint: name a branch, a tag or a commit; `git fetch` brings those of others\n",
        ),
        (
            ("HEAD:absent", "coral.lock"),
            "error: there is no lock\n"
            "  where: HEAD:absent\n"
            "  hint: paths are from the top of the work tree, or from here with `REV:./PATH`\n",
        ),
        (
            ("--git", "HEAD", "other.lock", "coral.lock"),
            "error: `--git` compares the lock with itself\n"
            "  expected: no files beside it\n"
            "  found: other.lock\n"
            "  hint: name another lock with `--lock FILE`\n",
        ),
        (
            ("coral.lock",),
            "error: two locks are compared\n"
            "  expected: `OLD` and `NEW`, or `--git`\n"
            "  hint: `coral-runtime diff main:coral.lock coral.lock`\n",
        ),
    ],
)
def test_what_cannot_be_compared(clone: Clone, words: tuple[str, ...], message: str) -> None:
    assert clone.coral("diff", *words).require(2).stderr == message


def test_a_revision_is_never_an_option_of_git(clone: Clone) -> None:
    stderr = clone.coral("log", "--", "--output=stolen").require(2).stderr
    assert stderr.startswith("error: git knows no revision `--output=stolen`\n")


def test_the_history_shows_each_commit_and_what_a_merge_decided(clone: Clone) -> None:
    branch(clone, edited(BASE, ADD, 12, 1), ADDED)
    clone.git("merge", "-q", "-s", "ours", "-m", "joined", "theirs")
    clone.commit(edited(edited(BASE, ADD, 12, 1), REMOVE, 20, 0), "removed")
    stdout = clone.coral("log").require(0).stdout
    heads = [line[22:] for line in stdout.splitlines() if line[:1].isalnum()]
    assert heads == ["N: removed", "N: ours", "N: base"]
    clone.git("checkout", "-q", "HEAD~")
    clone.git("reset", "-q", "--hard", "HEAD~")
    clone.git("merge", "-q", "--no-commit", "-s", "ours", "theirs")
    clone.commit(edited(edited(ADDED, ADD, 12, 1), REMOVE, 20, 0), "decided")
    stdout = clone.coral("log", "-n", "1").require(0).stdout
    assert stdout.endswith(
        " N: decided\n  dist-020\n    - `dist-020` is removed\n"
        "    - `patches:plugin_020` is removed\n"
    )


def test_the_history_as_data(clone: Clone) -> None:
    clone.commit(ADDED, "added \u202e<b>")
    newest, oldest = clone.coral("log", "--output-format", "json").require(0).json()["commits"]
    assert newest["subject"] == "added \u202e<b>"
    assert [change["code"] for change in newest["changes"]] == [
        "plugin-added",
        "distribution-added",
    ]
    assert newest["commit"] == clone.git("rev-parse", "HEAD").strip()
    assert oldest["path"] == "coral.lock"
    assert "added \\u202e<b>" in clone.coral("log").require(0).stdout


def test_a_commit_whose_lock_cannot_be_read(clone: Clone) -> None:
    clone.write("coral.lock", "<<<<<<< ours\n")
    clone.git("commit", "-qam", "broken")
    clone.commit(BASE, "mended")
    lines = clone.coral("log").require(0).stdout.splitlines()
    problem = "  the lock can't be read: the lock holds merge conflict markers"
    assert [lines[1], lines[4]] == [problem, problem]


def test_the_commit_that_brought_a_plugin_to_its_state(clone: Clone) -> None:
    clone.commit(ADDED, "added")
    clone.commit(REMOVED, "removed")
    plugin = next(each for each in REMOVED.plugins if each.id == "patches:plugin_015")
    others = tuple(each for each in REMOVED.plugins if each != plugin)
    changed = plugin.replace(optional=not plugin.optional)
    clone.commit(REMOVED.replace(plugins=(*others, changed)), "changed")
    names = clone.git("log", "--format=%h", "--abbrev=10").split()
    date = clone.git("log", "-1", "--format=%as").strip()
    word = "optional" if changed.optional else "no longer optional"
    risk = "" if changed.optional else " (no-longer-optional)"
    assert clone.coral("blame", "patches:plugin_015").require(0).stdout == (
        f"patches:plugin_015: {names[0]} {date} N: changed\n"
        f"  {'~' if changed.optional else '!'} `patches:plugin_015` is {word}{risk}\n"
        f"dist-015: {names[2]} {date} N: added\n"
        "  + `dist-015` is added\n"
    )
    assert clone.coral("blame", "dist-015", "HEAD~").require(0).stdout.startswith("dist-015: ")
    document = clone.coral("blame", "numpy", "--output-format", "json").require(0).json()
    assert document["entries"][0]["entry"] == "numpy"
    assert document["entries"][0]["commit"].startswith(names[3])
    assert clone.coral("blame", "nunpy").require(2).stderr == (
        "error: no such plugin or distribution in the lock: `nunpy`; did you mean `numpy`?\n"
        "  hint: name a plugin as the lock does, e.g. `patches:NAME`\n"
    )
