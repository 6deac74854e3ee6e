"""Merging two changes of one lock: a valid lock, each side changes something, and the outcome."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.lockfile.entries import LockedDistribution, LockedPlugin
from coral_lock.lockfile.merging import merge
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.text import read_lock, write_lock
from coral_lock.targets.model import Target
from tests.property.branches import ADD, EDIT, REMOVE, TARGETS, base_lock, edited
from tests.property.strategies import locks
from tests.support.locks import TAG, digest_of, lock_of_targets, sample_lock

NUMBERS = list(range(10, 90, 10))
seeds = st.integers(0, 1 << 20)


@given(st.permutations([*NUMBERS, *(number + 5 for number in NUMBERS)]), seeds, st.data())
def test_changes_of_different_entries_always_merge(
    order: list[int], seed: int, data: st.DataObject
) -> None:
    """Neighbours too, which no merge of text can put in order."""
    targets: tuple[Target, ...] = data.draw(st.sampled_from([(), TARGETS]))
    base = base_lock(NUMBERS, Random(seed), targets)
    sides = [base, base]
    both = base
    for number in order[: data.draw(st.integers(1, len(order)))]:
        operation = ADD if number % 10 else data.draw(st.sampled_from([EDIT, REMOVE]))
        edit = (operation, number, data.draw(seeds))
        side = data.draw(st.integers(0, 1))
        sides[side], both = edited(sides[side], *edit), edited(both, *edit)
    merged = merge(base, *sides)
    assert (merged.conflicts, merged.problem) == ((), None)
    assert merged.text == write_lock(both)
    assert merge(base, *reversed(sides)) == merged


@given(locks(), locks())
def test_where_one_side_changed_nothing_the_other_is_taken(base: Lock, changed: Lock) -> None:
    assert merge(base, base, changed).text == write_lock(changed)
    assert merge(base, changed, base).text == write_lock(changed)
    assert merge(base, changed, changed).text == write_lock(changed)
    assert merge(None, changed, changed).text == write_lock(changed)


@given(locks(), locks(), locks())
def test_any_three_locks_merge_or_conflict(base: Lock, ours: Lock, theirs: Lock) -> None:
    merged = merge(base, ours, theirs)
    if merged.conflicts:
        assert merged.text.count("<<<<<<< ours\n") == len(merged.conflicts)
    elif merged.problem is None:
        assert write_lock(read_lock(merged.text)) == merged.text


def versioned(version: str) -> Lock:
    lock = sample_lock()
    return lock.replace(
        distributions=tuple(
            each.replace(version=version) if each.name == "numpy" else each
            for each in lock.distributions
        )
    )


def without_numpy() -> Lock:
    lock = sample_lock()
    package, _, backend = lock.distributions
    return lock.replace(distributions=(package.replace(requires=()), backend))


NUMPY = """\
    "numpy": {{
      "version": "{}",
      "digests": {{
        "py3-none-any": "t1:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB="
      }},
      "requires": []
    }},
"""


@pytest.mark.parametrize(
    ("ours", "theirs", "conflicts", "part"),
    [
        (
            versioned("3.0"),
            versioned("4.0"),
            ("distributions.numpy",),
            "    },\n<<<<<<< ours\n" + NUMPY.format("3.0") + "=======\n" + NUMPY.format("4.0")
            + '>>>>>>> theirs\n    "rknn-backend": {\n',
        ),
        (
            versioned("3.0"),
            without_numpy(),
            ("distributions.numpy",),
            "    },\n<<<<<<< ours\n" + NUMPY.format("3.0") + "=======\n>>>>>>> theirs\n",
        ),
        (
            sample_lock().replace(platform="onnx"),
            sample_lock().replace(platform="cuda"),
            ("platform",),
            '<<<<<<< ours\n  "platform": "onnx",\n=======\n  "platform": "cuda",\n'
            ">>>>>>> theirs\n",
        ),
        (
            sample_lock().replace(host=sample_lock().host.replace(python="3.12")),
            sample_lock().replace(host=sample_lock().host.replace(python="3.13")),
            ("host.python",),
            '    },\n<<<<<<< ours\n    "python": "3.12"\n=======\n    "python": "3.13"\n'
            ">>>>>>> theirs\n  },\n",
        ),
    ],
)  # fmt: skip
def test_what_both_sides_changed_differently_is_marked(
    ours: Lock, theirs: Lock, conflicts: tuple[str, ...], part: str
) -> None:
    merged = merge(sample_lock(), ours, theirs)
    assert merged.conflicts == conflicts
    assert part in merged.text
    assert merged.text.count("<<<<<<<") == 1


def test_what_one_side_removed_and_the_other_requires_is_a_problem() -> None:
    lock = sample_lock()
    plugin = LockedPlugin(id="patches:new", distribution="new", entry_point="new:f")
    distribution = LockedDistribution(
        name="new", version="1", digests={TAG: digest_of("N")}, requires=("numpy",)
    )
    theirs = lock.replace(
        plugins=(*lock.plugins, plugin), distributions=(*lock.distributions, distribution)
    )
    merged = merge(lock, without_numpy(), theirs)
    assert merged.conflicts == ()
    assert merged.problem is not None
    assert merged.problem.path == "distributions.new.requires"


def test_targets_of_one_side_come_in_their_place() -> None:
    targeted = lock_of_targets()
    bare = sample_lock().replace(platform="onnx")
    merged = merge(sample_lock(), bare, targeted)
    assert merged.text == write_lock(targeted.replace(platform="onnx"))


def test_a_lock_that_looks_like_our_marks_breaks_nothing() -> None:
    lock = sample_lock()
    sides = [
        lock.replace(platform=f"\0conflict {number}").replace(
            host=lock.host.replace(python=f"3.{number}")
        )
        for number in (7, 8)
    ]
    merged = merge(lock, *sides)
    assert merged.conflicts == ("host.python", "platform")
    assert merged.text.count("=======\n") == 2
