"""Telling once what choosing versions and looking at what was chosen both find."""

from __future__ import annotations

from coral_lock.finding import ERROR
from coral_lock.resolve.selection import is_unoffered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from coral_lock.derive.opening import Opened
    from coral_lock.finding import Finding

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
