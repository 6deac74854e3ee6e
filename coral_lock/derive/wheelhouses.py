"""Opening a wheelhouse: one version of each distribution is chosen for all targets."""

from __future__ import annotations

import os

from coral_lock.choose.choice import choose
from coral_lock.derive.opening import WITHOUT_TARGET, Opened
from coral_lock.finding import ERROR, Finding, sorted_findings
from coral_lock.resolve.evidence import Evidence
from coral_lock.targets.environment import environment_of, this_environment
from coral_lock.targets.spelling import doubt_of_platform
from coral_lock.wheels.cache import WheelCache
from coral_lock.wheels.view import WheelhouseView
from coral_lock.wheels.wheelhouse import Wheelhouse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from coral_lock.descriptor.model import Descriptor, HostVersions
    from coral_lock.errors import BrokenDistributionError
    from coral_lock.inventory import FoundDistribution
    from coral_lock.targets.model import Target

_NEVER_RUN = "a wheel is never run: have it ship a manifest (`coral-runtime manifest compile`)"


def open_wheelhouse(
    directories: Sequence[str],
    targets: tuple[Target, ...],
    descriptor: Descriptor,
    *,
    told: HostVersions,
    kept: Mapping[str, str],
    use_cache: bool,
) -> Opened:
    """Open directories of wheels for targets, or for this interpreter where none is named.

    The arguments are those of `opening.open_place`.

    Raises:
        InputError: a directory can't be used.
    """
    cache = WheelCache() if use_cache else None
    wheelhouse = Wheelhouse(directories, cache=cache)
    environments = {target.name: environment_of(target) for target in targets} or {
        WITHOUT_TARGET: this_environment()
    }
    views = {
        name: WheelhouseView(wheelhouse, environment) for name, environment in environments.items()
    }
    evidence = Evidence()
    choice = choose(
        views,
        descriptor,
        core_version=told.core or descriptor.host_core,
        inference_version=told.inference or descriptor.host_inference,
        kept=kept,
        read_unfitting=_reader(wheelhouse),
        evidence=evidence,
    )
    broken = (_unnamed(error) for error in wheelhouse.broken)
    return Opened(
        targets=targets,
        inventories={name: view.chosen(choice.versions_for(name)) for name, view in views.items()},
        no_probe=_NEVER_RUN,
        findings=sorted_findings({*broken, *choice.findings}),
        choice=choice,
        evidence=evidence,
        notes=tuple(_notes([each for each in targets if each not in descriptor.targets], cache)),
    )


def _reader(wheelhouse: Wheelhouse) -> Callable[[str, str], FoundDistribution | None]:
    """Return what reads a wheel by its distribution and file name, whatever it fits."""

    def read(name: str, file_name: str) -> FoundDistribution | None:
        for wheels in wheelhouse.versions(name).values():
            for wheel in wheels:
                if wheel.file_name == file_name:
                    return wheelhouse.distribution(wheel)
        return None

    return read


def _notes(targets: Sequence[Target], cache: WheelCache | None) -> Iterator[str]:
    for target in targets:
        doubt = doubt_of_platform(target.platform)
        if doubt:
            yield doubt
    if cache is not None and cache.problem:
        yield f"every wheel is hashed anew: {cache.problem}"


def _unnamed(error: BrokenDistributionError) -> Finding:
    """Return the finding for a file that can't even be told to be some distribution's wheel."""
    return Finding(
        code=error.code,
        severity=ERROR,
        subject=os.path.basename(error.where or "wheels"),
        summary=error.message,
        where=error.where,
        hint=error.hint,
    )
