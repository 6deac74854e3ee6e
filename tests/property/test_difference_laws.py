"""What a difference says of locks as a whole, against what is found by trying everything."""

from __future__ import annotations

import string
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from coral_lock.difference.changes import difference
from coral_lock.difference.model import MAX_VIA, Change
from coral_lock.lockfile.entries import LockedDistribution
from coral_lock.lockfile.model import Lock
from coral_lock.names import is_normalized_name
from tests.property.strategies import locks
from tests.support.locks import TAG, digest_of, sample_lock


def sources(lock: Lock) -> dict[str, set[str]]:
    """Return the distributions from which plugins, hosts and the program start, by these."""
    found = {plugin.id: {plugin.distribution} for plugin in lock.plugins}
    found["host"] = {package.distribution for package in lock.host.packages()}
    found["program"] = {each.name for each in lock.distributions if each.program}
    return found


def reached_from(lock: Lock, names: set[str]) -> set[str]:
    """Return these distributions and what they require, step by step until nothing is new."""
    required = {
        each.name: set(each.requires).union(*each.target_requires.values())
        for each in lock.distributions
    }
    while more := {other for name in names for other in required.get(name, ())} - names:
        names = names | more
    return names


def reaching(lock: Lock, name: str) -> list[str]:
    """Return what reaches a distribution: plugins as they are in the lock, host and program."""
    return [
        source for source, starts in sources(lock).items() if name in reached_from(lock, starts)
    ]


@given(locks(), locks())
def test_via_is_what_reaches_the_distribution(old: Lock, new: Lock) -> None:
    with_plugins = {plugin.distribution for lock in (old, new) for plugin in lock.plugins}
    for change in difference(old, new):
        if change.place[0] == "distributions":
            name = str(change.distribution)
            expected = [] if name in with_plugins else reaching(new, name) or reaching(old, name)
            assert (list(change.via), change.via_count) == (expected[:MAX_VIA], len(expected))


@given(locks(), locks())
def test_the_order_changed_if_that_of_common_plugins_did(old: Lock, new: Lock) -> None:
    new = with_some_plugins_of(old, new)
    orders = [[plugin.id for plugin in lock.activation_order()] for lock in (old, new)]
    common = set(orders[0]) & set(orders[1])
    before, after = ([each for each in order if each in common] for order in orders)
    told = [change for change in difference(old, new) if change.code == "order-changed"]
    assert len(told) == (before != after)
    for change in told:
        assert undone(change, after) == before


def with_some_plugins_of(old: Lock, new: Lock) -> Lock:
    """Return a lock with the plugins of another one in which those after others changed places.

    Two locks that are drawn apart seldom have a plugin in common.
    """
    ids = sorted(plugin.id for plugin in old.plugins)
    plugins = []
    for plugin in old.plugins:
        group = [each for each in ids if each.partition(":")[0] == plugin.group]
        # The last ones come first: each waits for those behind it.
        after = tuple(each for each in group if each > plugin.id) if len(new.plugins) % 2 else ()
        plugins.append(plugin.replace(after=after))
    if old.targets:
        plugins = [plugin.replace(after=()) for plugin in plugins]
    return old.replace(plugins=tuple(plugins))


def undone(change: Change, order: list[str]) -> list[str]:
    """Return an order with the part that a change has after it put back as it was before it."""
    assert isinstance(change.before, list)
    assert isinstance(change.after, list)
    start = order.index(change.after[0])
    end = start + len(change.after)
    assert order[start:end] == change.after
    return [*order[:start], *change.before, *order[end:]]


def edits(name: str) -> Iterator[str]:
    """Yield everything that is a single edit away from a name."""
    letters = string.ascii_lowercase + string.digits + "-"
    for index in range(len(name) + 1):
        head, tail = name[:index], name[index:]
        yield from (head + letter + tail for letter in letters)
        if tail:
            yield head + tail[1:]
            yield from (
                head + letter + tail[1:]
                for letter in letters
                if letter != tail[0] and not (letter.isdigit() and tail[0].isdigit())
            )
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]


_ALPHABET = "ab12-"
_NAMES = st.text(_ALPHABET, min_size=2, max_size=6).filter(is_normalized_name)


@given(st.sets(_NAMES, min_size=1, max_size=8), _NAMES)
def test_a_look_alike_is_one_edit_away(known: set[str], name: str) -> None:
    nothing = sample_lock().replace(plugins=(), excluded=(), distributions=())
    old = nothing.replace(distributions=tuple(map(distribution, known)))
    new = nothing.replace(distributions=tuple(map(distribution, {*known, name})))
    near = sorted(each for each in known if each in set(edits(name)) and len(each) >= 4)
    sentences = [
        risk.sentence
        for change in difference(old, new)
        for risk in change.risks
        if risk.code == "look-alike"
    ]
    is_expected = name not in known and len(name) >= 4 and bool(near)
    expected = [f"the name is one edit away from `{near[0]}`"] if is_expected else []
    assert sentences == expected


def distribution(name: str) -> LockedDistribution:
    return LockedDistribution(name=name, version="1", digests={TAG: digest_of("A")})
