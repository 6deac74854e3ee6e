"""From wheels that exist in memory only to a lock, as from a wheelhouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coral_lock.derive.locking import Derivation, derive
from coral_lock.derive.opening import Opened
from coral_lock.descriptor.model import Descriptor
from coral_lock.finding import Finding
from coral_lock.inventory import Reporter
from coral_lock.locking.discovery import Evidence
from coral_lock.resolver import Choice, choose
from coral_lock.targets.model import Target

from .universe import PYTHON, Plugin, Wheel, sources, wheel

TARGETS = ("new", "old")
PYTHONS = {"new": "3.11.0", "old": "3.10.0"}


def acme(
    label: str,
    *requires: str,
    needs: Sequence[str] = (),
    conflicts: Sequence[str] = (),
    core: str | None = None,
    python: str | None = None,
    targets: Sequence[str] | None = None,
    broken: bool = False,
) -> Wheel:
    """Return a wheel of `acme-<letter>` that offers `patches:<letter>`."""
    plugin = Plugin(
        id=f"patches:{label.partition(' ')[0]}",
        core=core,
        requires=tuple(needs),
        conflicts=tuple(conflicts),
    )
    return wheel(
        f"acme-{label}", *requires, plugins=[plugin], python=python, targets=targets, broken=broken
    )


def chosen(
    wanted: Descriptor,
    *wheels: Wheel,
    targets: Sequence[str] = ("",),
    kept: Mapping[str, str] | None = None,
) -> Choice:
    """Choose among wheels for targets, of which `old` has another Python."""
    return choose(
        sources(*wheels, targets=targets, pythons=PYTHONS),
        wanted,
        kept=kept or {},
    )


def derived(
    wanted: Descriptor, *wheels: Wheel, targets: Sequence[str] = ("",)
) -> tuple[Choice, Derivation]:
    """Choose among wheels and derive the lock of all the targets."""
    choice = chosen(wanted, *wheels, targets=targets)
    there = sources(*wheels, targets=targets, pythons=PYTHONS)
    opened = Opened(
        evidence=Evidence(),
        targets=tuple(
            Target(
                name=name,
                python=PYTHONS.get(name, PYTHON).rpartition(".")[0],
                platform="linux_x86_64",
            )
            for name in targets
            if name
        ),
        inventories={name: there[name].chosen(choice.by_target[name]) for name in targets},
        findings=choice.findings,
        choice=choice,
    )
    derivation = derive(opened, wanted, allow_editable=False, reporter=Reporter())
    return choice, derivation


def told(findings: Sequence[Finding]) -> list[tuple[str, str, str]]:
    """Return the severity, the code and the subject of findings."""
    return [(each.severity, each.code, each.subject) for each in findings]


def verdicts(choice: Choice, name: str) -> dict[str, str]:
    """Return what came of each version of a distribution."""
    return dict(choice.considered(name))
