"""What a change means beyond the field that changed: its risks, and the plugins that it reaches."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from packaging.version import Version

from coral_lock.difference.model import (
    LEVELS,
    MAX_VIA,
    RISKS,
    Change,
    by_weight,
    literal,
)
from coral_lock.lockfile.entries import LockedDistribution
from coral_lock.lockfile.model import Lock

_MIN_LENGTH, _MAX_LENGTH = 4, 100
"""Of shorter names too many are one edit apart by chance; longer ones would take long."""

_SECTIONS = ("lock_version", "platform", "host", "targets", "distributions", "plugins", "excluded")


def assessed(changes: Iterable[Change], old: Lock, new: Lock) -> tuple[Change, ...]:
    """Return the changes with what the locks as a whole say about them, sorted for review.

    The riskiest come first; within a level the changes of the whole lock, then those of
    distributions with plugins and of their plugins, then those of what these require.
    """
    plugins = {plugin.distribution for lock in (old, new) for plugin in lock.plugins}
    found = [*_with_risks(changes, old, new, plugins), *_order_changes(old, new)]
    reached = {
        change.distribution
        for change in found
        if change.distribution is not None and change.place[0] == "distributions"
    } - plugins
    reach_before, reach_after = _reach(old, reached), _reach(new, reached)
    placed = []
    for change in found:
        name = change.distribution or ""
        via, count = reach_after.get(name) or reach_before.get(name) or ((), 0)
        placed.append(change.replace(via=via, via_count=count) if via else change)
    return tuple(sorted(placed, key=review_order))


def review_order(change: Change) -> tuple[int, int, str, int, str]:
    """Return the key that sorts changes for review."""
    return (
        LEVELS.index(change.level) if change.level else len(LEVELS),
        0 if change.distribution is None else 1 if not change.via else 2,
        change.distribution or "",
        _SECTIONS.index(change.place[0]),
        change.subject,
    )


def _with_risks(
    changes: Iterable[Change], old: Lock, new: Lock, plugins: set[str]
) -> Iterator[Change]:
    """Yield the changes with the risks that their field alone doesn't show."""
    before = {each.name: each for each in old.distributions}
    after = {each.name: each for each in new.distributions}
    resembled = _LookAlikes((*sorted(before), *(each.distribution for each in old.host.packages())))
    for change in changes:
        risks = list(change.risks)
        if change.code == "distribution-added":
            if change.subject not in plugins:
                risks.append(RISKS["new-distribution"])
            if known := resembled.of(change.subject):
                sentence = f"the name is one edit away from {literal(known)}"
                risks.append(RISKS["look-alike"].replace(sentence=sentence))
        elif change.code == "version-upgraded" and _is_major(change):
            risks.append(RISKS["major-version"])
        elif change.code == "digest-added":
            was, now = before[change.subject], after[change.subject]
            if _is_native(change.place[-1]) and _is_pure(was) and not _is_pure(now):
                risks.append(RISKS["native-wheel"])
        yield change.replace(risks=tuple(sorted(risks, key=by_weight))) if risks else change


def _is_major(change: Change) -> bool:
    """Whether an upgrade is one to a new major version; only PEP 440 versions are upgraded."""
    before, after = Version(str(change.before)), Version(str(change.after))
    return (before.epoch, before.major) < (after.epoch, after.major)


def _is_native(tag: str) -> bool:
    """Whether a wheel tag (PEP 425) names a platform."""
    return not tag.endswith("-any")


def _is_pure(distribution: LockedDistribution) -> bool:
    return bool(distribution.digests) and not any(map(_is_native, distribution.digests))


def _order_changes(old: Lock, new: Lock) -> Iterator[Change]:
    """Yield a change if plugins that both locks activate have another order."""
    orders = [[plugin.id for plugin in lock.activation_order()] for lock in (old, new)]
    common = set(orders[0]) & set(orders[1])
    before, after = ([each for each in order if each in common] for order in orders)
    moved = [index for index, pair in enumerate(zip(before, after)) if pair[0] != pair[1]]
    if moved:
        extent = slice(moved[0], moved[-1] + 1)
        yield Change(
            code="order-changed",
            subject="plugins",
            summary="the order of activation changed",
            place=("plugins",),
            before=list(before[extent]),
            after=list(after[extent]),
            risks=(RISKS["order-changed"],),
        )


def _reach(lock: Lock, names: set[str]) -> dict[str, tuple[tuple[str, ...], int]]:
    """Return what reaches each of these distributions, bounded, and how many do."""
    if not names:
        return {}
    sources: dict[str, list[str]] = {}
    for plugin in lock.plugins:
        sources.setdefault(plugin.distribution, []).append(plugin.id)
    labels = [plugin.id for plugin in lock.plugins] + ["host", "program"]
    bit_of = {label: 1 << index for index, label in enumerate(labels)}
    for package in lock.host.packages():
        sources.setdefault(package.distribution, []).append("host")
    requires = {}
    for each in lock.distributions:
        edges = {*each.requires, *(name for some in each.target_requires.values() for name in some)}
        requires[each.name] = sorted(edges)
        if each.program:
            sources.setdefault(each.name, []).append("program")
    # A set of labels is an integer, a bit for each, so that sets are joined at once.
    reach = {name: sum(bit_of[label] for label in some) for name, some in sources.items()}
    order, has_changed = _requirers_first(requires, sorted(reach)), True
    # The first round is enough but for what requires itself in the end.
    while has_changed:
        has_changed = False
        for name in order:
            for other in requires.get(name, ()):
                joined = reach.get(other, 0) | reach[name]
                if joined != reach.get(other, 0):
                    reach[other] = joined
                    has_changed = True
    return {
        name: (tuple(_first(bits, labels)), bits.bit_count())
        for name in sorted(names)
        if (bits := reach.get(name, 0))
    }


def _requirers_first(requires: Mapping[str, Sequence[str]], roots: Sequence[str]) -> list[str]:
    """Return what roots require, in the end; each behind all that requires it, but for circles."""
    left: list[str] = []
    entered = set[str]()
    for root in roots:
        path = [] if root in entered else [(root, iter(requires.get(root, ())))]
        entered.add(root)
        while path:
            name, others = path[-1]
            other = next((each for each in others if each not in entered), None)
            if other is None:
                left.append(name)
                path.pop()
            else:
                entered.add(other)
                path.append((other, iter(requires.get(other, ()))))
    return left[::-1]


def _first(bits: int, labels: Sequence[str]) -> Iterator[str]:
    for _ in range(MAX_VIA):
        if not bits:
            return
        lowest = bits & -bits
        yield labels[lowest.bit_length() - 1]
        bits ^= lowest


class _LookAlikes:
    """Finds the known name from which another one is a single edit away.

    An edit adds, drops or replaces a character, or swaps two neighbours. A digit that replaces
    another one is none: `cuda-11` and `cuda-12` are told apart. Two names that are one edit
    apart have a form in common once a character is dropped from each, or from one of them,
    which spares comparing every name with every other.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(dict.fromkeys(names))
        self._forms: dict[str, list[str]] = {}
        for name in self._names:
            if _MIN_LENGTH <= len(name) <= _MAX_LENGTH:
                for form in _forms(name):
                    self._forms.setdefault(form, []).append(name)

    def of(self, name: str) -> str | None:
        """Return the first known name that looks like another one, or None."""
        if name in self._names or not _MIN_LENGTH <= len(name) <= _MAX_LENGTH:
            return None
        near = {known for form in _forms(name) for known in self._forms.get(form, ())}
        return min((known for known in near if _is_one_edit(name, known)), default=None)


def _forms(name: str) -> set[str]:
    return {name, *(name[:index] + name[index + 1 :] for index in range(len(name)))}


def _is_one_edit(one: str, other: str) -> bool:
    different = (index for index, pair in enumerate(zip(one, other)) if pair[0] != pair[1])
    prefix = next(different, min(len(one), len(other)))
    left, right = one[prefix:], other[prefix:]
    if left[1:] == right[1:]:
        return not re.fullmatch("[0-9][0-9]", left[:1] + right[:1])
    return (
        left[1:] == right
        or left == right[1:]
        or (left[:2] == right[:2][::-1] and left[2:] == right[2:])
    )
