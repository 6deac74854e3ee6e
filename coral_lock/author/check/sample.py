"""Do the sample configurations hold, and do they name the plugins by their right names?"""

from __future__ import annotations

from coral_lock.author.check.manifest import missed, near_miss
from coral_lock.document.mistakes import nearest
from coral_lock.finding import ERROR, Finding, sorted_findings
from coral_lock.names import plugin_id
from coral_lock.plugin.config import BUILT_IN_PATCHES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from coral_lock.author.check.subject import Subject
    from coral_lock.descriptor.model import PluginRequest

_SIMILAR = 0.5
"""How alike names have to be where nothing that is known has the name."""


def check_samples(subject: Subject, own: Collection[str]) -> tuple[Finding, ...]:
    """Return the findings about the sample configurations of a subject.

    Args:
        subject: what is checked.
        own: the ids of its plugins.
    """
    findings: list[Finding] = []
    for sample in subject.samples:
        findings.extend(
            Finding(
                code="sample-invalid",
                severity=ERROR,
                subject=subject.name,
                summary=f"a sample configuration is wrong: {problem.message}",
                expected=problem.expected,
                found=problem.found,
                where=problem.where or sample.path,
                hint=problem.hint,
            )
            for problem in sample.problems
        )
        for request in sample.descriptor.requests if sample.descriptor else ():
            identifier = plugin_id(request.group, request.name)
            is_host_s = request.group == "patches" and request.name in BUILT_IN_PATCHES
            if identifier not in own and not is_host_s:
                findings.extend(_misnamed(subject, request, own))
    return sorted_findings(findings)


def _misnamed(subject: Subject, request: PluginRequest, own: Collection[str]) -> Iterator[Finding]:
    identifier = plugin_id(request.group, request.name)
    found = tuple(near_miss(identifier, own, request.where, subject.name))
    if found:
        yield from found
        return
    names = {
        name: plugin_id(group, name)
        for group, _, name in (other.partition(":") for other in sorted(own))
        if group == request.group
    }
    similar = nearest(request.name, names, likeness=_SIMILAR)
    if similar is not None and identifier not in subject.others():
        summary = f"nothing that is known offers `{identifier}`, which a sample names"
        yield missed(identifier, names[similar], summary, request.where, subject.name)
