"""Deriving the lock of a place, and whether an existing lock is still what would be derived."""

from __future__ import annotations

from coral_lock.derive.opening import WITHOUT_TARGET
from coral_lock.difference.compare import difference
from coral_lock.errors import UsageError
from coral_lock.finding import ERROR, Finding, has_errors, sorted_findings
from coral_lock.lockfile.parts import narrowed_digests, part_of
from coral_lock.locking.combination import combine
from coral_lock.locking.resolution import Resolution, resolve, survey
from coral_lock.locking.selection import is_unoffered, nearest_plugin
from coral_lock.names import base_id, nearest_id, normalized_name
from coral_lock.record import Record
from coral_lock.targets.wheel_tags import fits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from coral_lock.derive.opening import Opened
    from coral_lock.descriptor.model import Descriptor, HostVersions
    from coral_lock.difference.change import Change
    from coral_lock.lockfile.model import Lock
    from coral_lock.locking.resolution import Survey
    from coral_lock.reporter import Reporter
    from coral_lock.targets.model import Target


def kept_versions(lock: Lock | None, upgraded: Sequence[str]) -> dict[str, str]:
    """Return the versions of a lock's distributions that are to be kept, by name.

    Args:
        lock: the lock that is there, or None.
        upgraded: ids of plugins whose distributions aren't kept, or names of distributions.

    Raises:
        UsageError: the lock has no such plugin or distribution.
    """
    distributions: dict[str, str] = {}
    if lock is not None:
        distributions.update((plugin.id, plugin.distribution) for plugin in lock.plugins)
        for excluded in lock.excluded:
            distributions.setdefault(base_id(excluded.id), excluded.distribution)
        distributions.update((each.name, each.name) for each in lock.distributions)
    dropped = set()
    for identifier in upgraded:
        known = identifier if identifier in distributions else normalized_name(identifier)
        if known not in distributions:
            raise _unknown(identifier, distributions)
        dropped.add(distributions[known])
    if lock is None:
        return {}
    return {each.name: each.version for each in lock.distributions if each.name not in dropped}


def _unknown(identifier: str, known: Collection[str]) -> UsageError:
    near = _nearest(identifier, known) or nearest_id(identifier)
    return UsageError(
        f"the lock has no plugin and no distribution `{identifier}` to upgrade",
        expected="the id of one of its plugins, or the name of a distribution"
        if known
        else "a lock with plugins",
        hint=f"did you mean `{near}`?"
        if near
        else "see `coral-runtime plugins list`; what isn't in the lock is taken in its newest "
        "version anyway",
    )


def _nearest(identifier: str, known: Collection[str]) -> str | None:
    """Return what may be meant: what has no group, like a distribution, or like a plugin's name."""
    from difflib import get_close_matches

    plugins = [each for each in known if ":" in each]
    if ":" in identifier:
        return nearest_plugin(identifier, plugins)
    near = get_close_matches(normalized_name(identifier), sorted(set(known).difference(plugins)), 1)
    return near[0] if near else nearest_plugin(f":{identifier}", plugins)


_MISFITS = frozenset(
    {
        "host-unknown",
        "incompatible",
        "invalid-requirement",
        "manifest-invalid",
        "plugin-broken",
        "required-plugin-missing",
        "spec-unknown",
        "wrong-platform",
    }
)
"""What can be wrong with a plugin of one version by itself."""

_PLAINER = _MISFITS | {"conflict", "host-drift"}
"""What says more than that there is no solution."""

_CHOICES = frozenset({"no-solution", "requirement-unmet", "wrong-platform"})
"""What choosing says of a plugin that can't be had."""

_REFUSALS = frozenset({"conflict", "false-record", "wheel-malformed"})
"""What is said of a wheel that can't be used: nobody knows what it would offer."""

_OMISSIONS = frozenset({"conflict", "requirement-unmet"})
"""Why an optional plugin is left out."""


class Repeats:
    """Judges findings by what else is found.

    Args:
        opened: the place, with its own findings.
        found: the findings of all its targets.
    """

    def __init__(self, opened: Opened, found: Iterable[Finding]) -> None:
        of_choice = [each for each in opened.findings if each.code in _CHOICES | _REFUSALS]
        choice = opened.choice
        self._known = choice.known if choice else frozenset()
        self._weighed = choice.weighed if choice else frozenset()
        self._told = {each.subject for each in of_choice}
        self._refused = {each.subject for each in of_choice if _is_error(each)}
        self._is_anything_unread = any(
            each.code in _REFUSALS and _is_error(each) for each in opened.findings
        )
        self._plain = {
            each.subject for each in found if _is_error(each) and each.code in _PLAINER
        } - self._weighed

    def of_place(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """Yield the findings of the place that say something by themselves."""
        for finding in findings:
            if finding.code != "no-solution" or finding.subject not in self._plain:
                yield finding

    def of_target(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """Yield the findings of a target that aren't told by those of the place."""
        for finding in findings:
            if not self._is_told(finding):
                yield finding

    def _is_told(self, finding: Finding) -> bool:
        subject, is_error = finding.subject, _is_error(finding)
        if is_unoffered(finding):
            if is_error:
                return subject in self._refused or self._is_anything_unread
            return subject in self._told or subject in self._known
        if is_error:
            return finding.code in _MISFITS and subject in self._weighed
        return finding.code in _OMISSIONS and subject in self._told


def _is_error(finding: Finding) -> bool:
    return finding.severity == ERROR


class Derivation(Record):
    """What a place comes to.

    Args:
        opened: the place.
        lock: the whole lock; None where something stands in its way, or where the place
            is an environment and there are more targets than one.
        parts: the lock of each target that was looked at, by its name.
        findings: everything that is wrong or worth knowing, in a fixed order.
    """

    opened: Opened
    lock: Lock | None
    parts: Mapping[str, Lock]
    findings: tuple[Finding, ...]


def survey_all(
    opened: Opened, descriptor: Descriptor, told: HostVersions, reporter: Reporter
) -> dict[str, Survey]:
    """Find the plugins of each target and decide on each, by the target's name.

    What they require is followed, unless something is wrong with the place itself.
    """
    surveys = {
        name: survey(
            opened.inventories[name],
            descriptor,
            probe=opened.probe,
            no_probe=opened.no_probe,
            core_version=told.core,
            inference_version=told.inference,
            evidence=opened.evidence,
            reporter=reporter,
            is_installed=opened.choice is None,
            follows_requirements=opened.knows_machine and not has_errors(opened.findings),
        )
        for name in sorted(opened.inventories)
    }
    reporter.finished()
    return surveys


def derive(
    opened: Opened,
    descriptor: Descriptor,
    *,
    told: HostVersions,
    allow_editable: bool,
    reporter: Reporter,
) -> Derivation:
    """Derive the lock of a place that is open.

    Where the place itself is wrong, no file is hashed, and what the survey finds is told
    as well.
    """
    if has_errors(opened.findings):
        surveys = survey_all(opened, descriptor, told, reporter)
        found = {name: surveyed.findings for name, surveyed in surveys.items()}
        return Derivation(
            opened=opened,
            lock=None,
            parts={},
            findings=gathered_findings(opened, found),
        )
    resolutions = {
        name: _resolve(name, opened, descriptor, told, allow_editable, reporter)
        for name in sorted(opened.inventories)
    }
    found = {name: resolution.findings for name, resolution in resolutions.items()}
    findings = set(gathered_findings(opened, found))
    parts = {
        name: resolution.lock
        for name, resolution in resolutions.items()
        if resolution.lock is not None
    }
    lock = None
    if not has_errors(findings):
        lock, conflicts = _joined(opened, parts, descriptor)
        findings.update(conflicts)
    return Derivation(
        opened=opened,
        lock=None if has_errors(findings) else lock,
        parts=parts,
        findings=sorted_findings(findings),
    )


def _resolve(
    name: str,
    opened: Opened,
    descriptor: Descriptor,
    told: HostVersions,
    allow_editable: bool,
    reporter: Reporter,
) -> Resolution:
    inventory = opened.inventories[name]
    resolution = resolve(
        inventory,
        descriptor,
        probe=opened.probe,
        no_probe=opened.no_probe,
        core_version=told.core,
        inference_version=told.inference,
        allow_editable=allow_editable,
        evidence=opened.evidence,
        reporter=reporter,
        is_installed=opened.choice is None,
    )
    if resolution.lock is None:
        return resolution
    targets = [target for target in opened.targets if target.name == name]
    found = tuple(_unfitting(resolution.lock, targets))
    return Resolution(
        lock=None if has_errors(found) else resolution.lock,
        findings=sorted_findings((*resolution.findings, *found)),
    )


def _unfitting(lock: Lock, targets: Sequence[Target]) -> Iterator[Finding]:
    """Yield the distributions that were installed from wheels for another machine."""
    for target in targets:
        for distribution in lock.distributions:
            for tag in sorted(distribution.digests):
                if not fits(tag, target):
                    yield Finding(
                        code="platform-drift",
                        severity=ERROR,
                        subject=distribution.name,
                        summary=f"what is there of `{distribution.name}` is from a wheel for "
                        "another machine",
                        expected=str(target),
                        found=tag,
                        hint=f"install a wheel of `{distribution.name}` that fits, or name the "
                        "target that this is",
                    )


def _joined(
    opened: Opened, parts: Mapping[str, Lock], descriptor: Descriptor
) -> tuple[Lock | None, tuple[Finding, ...]]:
    """Return the whole lock; None where parts are missing, or can't go together."""
    if WITHOUT_TARGET in parts:
        return parts[WITHOUT_TARGET], ()
    if len(parts) < len(opened.targets):
        return None, ()
    return combine(parts, opened.targets, descriptor)


def gathered_findings(
    opened: Opened, found: Mapping[str, Iterable[Finding]]
) -> tuple[Finding, ...]:
    """Return the findings of a place and of all its targets, in a fixed order.

    One that isn't every target's says whose it is. What the place's own findings tell of a
    plugin isn't told again.

    Args:
        opened: the place.
        found: the findings of each target, by its name.
    """
    repeats = Repeats(opened, [each for findings in found.values() for each in findings])
    several = {name: set(repeats.of_target(findings)) for name, findings in found.items()}
    common = set.intersection(*several.values()) if several else set()
    gathered = {*repeats.of_place(opened.findings), *common}
    for name, findings in several.items():
        for finding in findings - common:
            gathered.add(finding.replace(summary=f"{finding.summary} (target `{name}`)"))
    return sorted_findings(gathered)


class Freshness(Record):
    """What would change about a lock.

    Args:
        changes: the changes, none if it is fresh.
        parts: the targets whose parts were looked at; none where the whole lock was.
        unchecked: the names of the other targets, sorted.
    """

    changes: tuple[Change, ...]
    parts: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()

    @property
    def is_fresh(self) -> bool:
        return not self.changes


def freshness_of(locked: Lock, derivation: Derivation) -> Freshness:
    """Compare a lock with what was derived.

    Args:
        locked: the lock that is there.
        derivation: what would be written now, without errors; its whole lock, or the parts
            of some of its targets.
    """
    if derivation.lock is not None:
        return Freshness(changes=difference(locked, derivation.lock))
    targets = derivation.opened.targets
    if locked.targets != targets:
        return Freshness(
            changes=difference(_of_nothing(locked, locked.targets), _of_nothing(locked, targets))
        )
    names = tuple(sorted(derivation.parts))
    # A change can hold a mapping, so that it can't be a key itself.
    changes: dict[str, Change] = {}
    for name in names:
        derived = derivation.parts[name]
        part = narrowed_digests(part_of(locked, name), derived)
        changes.update((repr(change), change) for change in difference(part, derived))
    return Freshness(
        changes=tuple(
            sorted(
                changes.values(),
                key=lambda change: (not change.is_alarming, change.distribution or ""),
            )
        ),
        parts=names,
        unchecked=tuple(target.name for target in targets if target.name not in names),
    )


def _of_nothing(lock: Lock, targets: tuple[Target, ...]) -> Lock:
    """Return a lock that differs from others made of the same one in its targets only."""
    return lock.replace(
        host=lock.host.replace(python=None if targets else lock.host.python),
        targets=targets,
        plugins=(),
        excluded=(),
        distributions=(),
    )
