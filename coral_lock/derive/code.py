"""The code behind the digests of two locks, read where it is at hand, and proved first."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from coral_lock.derive.place import Place, environment_at
from coral_lock.difference.code import CodeComparison, CodeSide, DistributionCode, code_changes
from coral_lock.difference.model import Change, literal
from coral_lock.errors import BrokenDistributionError, UnreadableSourceError
from coral_lock.finding import Finding, sorted_findings
from coral_lock.installed.digest import stated_hash
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.installed.outside import data_digest
from coral_lock.inventory import Distribution, Reporter
from coral_lock.lockfile.entries import LockedDistribution
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.parts import with_tags
from coral_lock.wheels.locked import find_locked_wheels
from coral_lock.wheels.wheelhouse import WheelCache, Wheelhouse


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedCode:
    """What the code behind two locks differs in.

    Attributes:
        code: the distributions that are new or have other files, in the order of the changes of
            the locks, first those with plugins.
        changes: the changes of the locks, and with them the risks of the code.
        findings: which distributions aren't what the locks say, so that they weren't compared.
    """

    code: tuple[DistributionCode, ...]
    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    """A distribution that is new or has other files: the wheel tags of which this is so."""

    old: LockedDistribution | None
    new: LockedDistribution
    tags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """What a place has of a lock's distributions, by their names."""

    sides: dict[str, dict[str, CodeSide]] = field(default_factory=dict)
    unseen: dict[str, list[str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def miss(self, name: str, reason: str) -> None:
        self.unseen.setdefault(name, []).append(reason)


def compare_code(
    old: Lock,
    new: Lock,
    changes: Sequence[Change],
    places: tuple[Place, Place],
    reporter: Reporter,
) -> ComparedCode:
    """Compare the files of every distribution that is new or has other digests.

    Args:
        old: the lock before.
        new: the lock after.
        changes: what `difference` says of them.
        places: where the files of each are: wheels, an environment, or directories.
        reporter: where progress goes.

    Raises:
        CoralLockError: a place can't be opened.
    """
    wanted = list(_wanted(old, new, changes))
    before = [
        with_tags(each.old, {_counterpart(tag, each.old) for tag in each.tags})
        for each in wanted
        if each.old is not None
    ]
    after = [with_tags(each.new, set(each.tags)) for each in wanted]
    found = [
        _look_up(place, lock, some, reporter)
        for place, lock, some in zip(places, (old, new), (before, after), strict=True)
    ]
    comparison = CodeComparison()
    compared = []
    risks: list[Change] = []
    for each in wanted:
        name = each.new.name
        pairs = list(_pairs(each, *(side.sides.get(name, {}) for side in found)))
        unseen = [
            f"{word} side: {reason}"
            for word, side in zip(("old", "new"), found)
            for reason in side.unseen.get(name, ())
        ]
        if pairs or unseen:
            old_version = each.old.version if each.old else None
            code, found_risks = comparison.compare(
                name, old_version, each.new.version, pairs, unseen
            )
            compared.append(code)
            risks += found_risks
    return ComparedCode(
        code=tuple(compared),
        changes=code_changes(risks, changes),
        findings=sorted_findings([finding for side in found for finding in side.findings]),
    )


def _wanted(old: Lock, new: Lock, changes: Sequence[Change]) -> Iterator[_Wanted]:
    """Yield the distributions to compare in the order of the changes, first those with plugins."""
    before = {each.name: each for each in old.distributions}
    after = {each.name: each for each in new.distributions}
    ordered = sorted(changes, key=lambda change: bool(change.via))
    named = (change.distribution for change in ordered)
    for name in dict.fromkeys(name for name in named if name in after):
        assert name is not None
        was, now = before.get(name), after[name]
        tags = tuple(
            tag
            for tag in sorted(now.digests)
            if was is None or _pinned(was, tag) != _pinned(now, tag)
        )
        if tags or (was is None and not now.digests) or (was and was.digests and not now.digests):
            yield _Wanted(old=was, new=now, tags=tags)


def _pinned(distribution: LockedDistribution, tag: str) -> tuple[str | None, str | None]:
    data = distribution.data_digests
    return distribution.digests.get(tag), None if data is None else data.get(tag, "none")


def _counterpart(tag: str, old: LockedDistribution) -> str:
    """Return the wheel tag with which one of the new lock is compared: the most similar one."""
    if tag in old.digests or not old.digests:
        return tag
    return difflib.get_close_matches(tag, sorted(old.digests), n=1, cutoff=0)[0]


def _pairs(
    wanted: _Wanted, before: Mapping[str, CodeSide], after: Mapping[str, CodeSide]
) -> Iterator[tuple[CodeSide | None, CodeSide]]:
    for tag in wanted.tags:
        if tag not in after:
            continue
        if wanted.old is None:
            yield None, after[tag]
        elif before:
            # An environment has only one wheel of it.
            yield before.get(_counterpart(tag, wanted.old)) or before[min(before)], after[tag]


def _look_up(
    place: Place, lock: Lock, wanted: Sequence[LockedDistribution], reporter: Reporter
) -> _Found:
    if place.wheels:
        return _in_wheels(place.wheels, wanted, reporter)
    return _in_environment(environment_at(place), lock, wanted, reporter)


def _in_wheels(
    directories: Sequence[str], wanted: Sequence[LockedDistribution], reporter: Reporter
) -> _Found:
    wheelhouse = Wheelhouse(directories, cache=WheelCache())
    files, findings = find_locked_wheels(wanted, wheelhouse, reporter)
    found = _Found()
    for each in findings:
        if each.code == "digest-mismatch":
            found.findings.append(each)
        else:
            wanted_tag = f", {literal(each.expected)}" if each.expected else ""
            found.miss(each.subject, each.summary + wanted_tag)
    for distribution in wanted:
        wheels = wheelhouse.wheels_of(distribution.name, distribution.version)
        for tag, file in files[distribution.name] if distribution.digests else ():
            wheel = next(wheel for wheel in wheels if wheel.path == file.path)
            contents = wheelhouse.contents(wheel)
            if not isinstance(contents, BrokenDistributionError):
                found.sides.setdefault(distribution.name, {})[tag] = CodeSide(
                    files=contents.files,
                    outside=contents.outside,
                    commands=contents.commands,
                    read=_reading(partial(wheelhouse.read_source, wheel), wheel.path),
                )
    return found


def _in_environment(
    inventory: EnvironmentInventory,
    lock: Lock,
    wanted: Sequence[LockedDistribution],
    reporter: Reporter,
) -> _Found:
    found = _Found()
    usable = [each for each in wanted if _is_usable(each, inventory, found)]
    # The files of the others may lie in the same directories; they aren't hashed.
    others = {each.name for each in lock.distributions if inventory.find(each.name)}
    names = dict.fromkeys([each.name for each in usable] + sorted(others))
    for each, (name, outcome) in zip(usable, inventory.digests(list(names), reporter)):
        known = inventory.find(name)
        place = known.location if known else name
        try:
            if isinstance(outcome, BrokenDistributionError):
                raise outcome
            ((tag, digest),) = outcome.items()
            outside = inventory.outside_hashes(name)
        except BrokenDistributionError as error:
            found.findings.append(_mismatch(each, error.message, error.where or place))
            continue
        if tag not in each.digests:
            found.miss(name, f"the wheel tag of what is installed is {literal(tag)}")
            continue
        data = (each.data_digests or {}).get(tag)
        if digest != each.digests[tag]:
            found.findings.append(_mismatch(each, "", place, each.digests[tag], digest))
        elif (
            outside is not None
            and each.data_digests != {}
            and (actual := data_digest(outside) if outside else None) != data
        ):
            what = "its scripts, headers or data are others"
            found.findings.append(_mismatch(each, what, place, data or "none", actual or "none"))
        else:
            if outside is None and data:
                found.miss(name, "scripts, headers and data aren't there")
            stated = inventory.stated(name)
            found.sides[name] = {
                tag: CodeSide(
                    files={path: stated_hash(row) or "" for path, row in stated.files.items()},
                    outside=outside or {},
                    commands=stated.commands,
                    read=_reading(partial(inventory.read_source, name), place),
                )
            }
    return found


def _is_usable(wanted: LockedDistribution, inventory: EnvironmentInventory, found: _Found) -> bool:
    """Whether a distribution is there in the version and with the digests that can be proved."""
    installed = inventory.find(wanted.name)
    reason = None
    if not wanted.digests:
        reason = "the lock has no digest that proves its files"
    elif installed is None:
        reason = "it isn't installed"
    elif isinstance(installed, Distribution) and installed.editable:
        reason = "it is an editable install, so its bytes aren't fixed"
    elif isinstance(installed, Distribution) and installed.version != wanted.version:
        reason = f"{literal(installed.version)} is installed, not {literal(wanted.version)}"
    if reason:
        found.miss(wanted.name, reason)
    return reason is None


def _mismatch(
    locked: LockedDistribution,
    what: str,
    where: str,
    expected: str | None = None,
    found: str | None = None,
) -> Finding:
    return Finding(
        code="digest-mismatch",
        subject=locked.name,
        summary=f"the files of `{locked.name}` {locked.version} aren't those that were locked"
        + (f": {what}" if what else ""),
        expected=expected,
        found=found,
        where=where,
        hint=f"install `{locked.name}` from the wheel that was locked, and find out who changed it",
    )


def _reading(read: Callable[..., bytes | None], where: str) -> Callable[[str], bytes]:
    """Return a function that returns the content of a file, whatever the source of the files."""

    def content(path: str) -> bytes:
        found = read(path=path)
        if found is None:
            raise UnreadableSourceError("it is missing", where=where)
        return found

    return content
