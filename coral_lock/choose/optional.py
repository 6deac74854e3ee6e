"""Which optional plugins are given up so that everything else can be had."""

from __future__ import annotations

from itertools import islice

from coral_lock.choose.causes import causes_of
from coral_lock.choose.explanation import explained
from coral_lock.choose.planning import plan
from coral_lock.finding import WARNING
from coral_lock.names import split_plugin_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from coral_lock.choose.planning import Parts, Plan
    from coral_lock.descriptor.model import Descriptor
    from coral_lock.finding import Finding

    Unit = tuple[str, str]
    """An optional plugin, and a target for which it is wanted."""


def plan_without_the_impossible(parts: Parts) -> Plan:
    """Return the plan that leaves out optional plugins where it has to, and no others.

    They are looked at in their order, by id and target, and each stays with which there
    still is a solution; so none that is left out could be there besides. Where there is no
    solution even without all of them, that is what it comes to.

    Args:
        parts: what the problem is made of.
    """
    whole = plan(parts)
    units = parts.offers.optional()
    if whole.outcome.is_solved or not units:
        return whole
    without = plan(parts, frozenset(units))
    return _with_half(parts, without, units) if without.outcome.is_solved else without


def _with_half(parts: Parts, solved: Plan, units: Sequence[Unit]) -> Plan:
    """Return a solved plan with those of some plugins put back that can be, not being all."""
    if len(units) > 1:
        middle = len(units) // 2
        for half in (units[:middle], units[middle:]):
            attempt = plan(parts, solved.left_out.difference(half))
            solved = attempt if attempt.outcome.is_solved else _with_half(parts, solved, half)
    return solved


def explained_omissions(parts: Parts, chosen: Plan, descriptor: Descriptor) -> Iterator[Finding]:
    """Yield a warning for each optional plugin that is left out: why it can't be had.

    Args:
        parts: what the problem is made of.
        chosen: the plan that leaves some out.
        descriptor: what is wanted.
    """
    for identifier in sorted({identifier for identifier, _ in chosen.left_out}):
        targets = [target for other, target in sorted(chosen.left_out) if other == identifier]
        there = [target for other, target in parts.offers.optional() if other == identifier]
        units = {(identifier, target) for target in targets}
        place = f" for {' and '.join(f'`{each}`' for each in targets)}" if targets != there else ""
        request = descriptor.request(*split_plugin_id(identifier))
        for finding in _reasons(parts, chosen.left_out - units, descriptor):
            yield finding.replace(
                severity=WARNING,
                subject=identifier,
                summary=f"{finding.summary}; the optional `{identifier}` is left out{place}",
                where=request.where if request else None,
            )


def _reasons(
    parts: Parts, left_out: frozenset[Unit], descriptor: Descriptor
) -> tuple[Finding, ...]:
    """Return the first reason why no less can be left out."""
    attempt = plan(parts, left_out)
    causes = tuple(islice(causes_of(attempt.problem, attempt.outcome), 1))
    return explained(causes, attempt.wants, parts.releases, descriptor).findings[:1]
