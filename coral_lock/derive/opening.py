"""Opening the inventories of a place, wheelhouses among them: one for each target."""

from __future__ import annotations

import os
import sys

from coral_lock.derive.place import targets_of
from coral_lock.errors import InputError, UsageError
from coral_lock.finding import ERROR, Finding, sorted_findings
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.locking.discovery import NO_EXEC, Evidence
from coral_lock.probe.run import interpreter_probe
from coral_lock.record import Record
from coral_lock.resolver.choice import choose
from coral_lock.targets.environment import environment_of, this_environment
from coral_lock.targets.machine import matching_target, this_machine
from coral_lock.targets.option import doubt_of_platform
from coral_lock.wheels.cache import WheelCache
from coral_lock.wheels.inventory import WheelhouseView
from coral_lock.wheels.wheelhouse import Wheelhouse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from coral_lock.derive.place import Place, WantedTargets
    from coral_lock.descriptor.model import Descriptor, HostVersions
    from coral_lock.errors import BrokenDistributionError
    from coral_lock.inventory import FoundDistribution, Inventory
    from coral_lock.locking.discovery import Probe
    from coral_lock.resolver.choice import Choice
    from coral_lock.targets.machine import Machine
    from coral_lock.targets.model import Target


WITHOUT_TARGET = ""
"""Stands for a target's name where none is named."""

_NEVER_RUN = "an image of another machine is never run"


class Opened(Record):
    """The inventories of a place.

    Args:
        targets: what a lock of the whole place would be for, sorted by name.
        inventories: by target name, `WITHOUT_TARGET` where there are no targets; only of
            the targets that are looked at. An environment is that of one target alone.
        probe: learns specs by running plugins in a fresh interpreter, or None.
        no_probe: why nothing is run, where nothing is.
        findings: what is wrong with the place itself.
        choice: which versions were chosen, where there were several to choose from.
        evidence: what was learnt of distributions to choose among them.
        notes: what a user may want to know and that changes nothing.
        knows_machine: whether requirements can be evaluated for the machine that is meant.
    """

    targets: tuple[Target, ...]
    inventories: Mapping[str, Inventory]
    probe: Probe | None = None
    no_probe: str = NO_EXEC
    findings: tuple[Finding, ...] = ()
    choice: Choice | None = None
    evidence: Evidence | None = None
    notes: tuple[str, ...] = ()
    knows_machine: bool = True


def open_place(
    place: Place,
    descriptor: Descriptor,
    *,
    told: HostVersions,
    allow_exec: bool,
    kept: Mapping[str, str],
    use_cache: bool,
    needs_target: bool = True,
) -> Opened:
    """Open a place.

    Args:
        place: where to look.
        descriptor: what this runtime should run, and on which targets.
        told: the versions of hosts that the command line tells.
        allow_exec: whether plugins may be run in a fresh interpreter to learn about them.
        kept: the versions to keep where there are several to choose from, by name.
        use_cache: whether what is known of a wheel's bytes may come from the cache.
        needs_target: whether requirements are evaluated, so that it has to be known for
            which machine a directory is.

    Raises:
        CoralLockError: the place can't be opened, or it isn't clear for which target.
    """
    wanted = targets_of(place, descriptor)
    if place.wheels:
        opened = open_wheelhouse(
            place.wheels,
            wanted.every,
            descriptor,
            told=told,
            kept=kept,
            use_cache=use_cache,
        )
        names = wanted.looked_at or (WITHOUT_TARGET,)
        return opened.replace(inventories={name: opened.inventories[name] for name in names})
    if place.site_packages:
        return _open_directories(place.site_packages, wanted, needs_target)
    if place.python is not None:
        return _open_interpreter(place.python, wanted, allow_exec)
    probe = interpreter_probe(sys.path) if allow_exec else None
    return _opened(EnvironmentInventory(), this_machine(), wanted, probe)


def _open_interpreter(python: str, wanted: WantedTargets, allow_exec: bool) -> Opened:
    from coral_lock.probe.interpreter import ask_interpreter

    interpreter = ask_interpreter(python)
    inventory = EnvironmentInventory(interpreter.path, interpreter.environment)
    probe = interpreter_probe(interpreter.path, interpreter.executable) if allow_exec else None
    return _opened(inventory, interpreter.machine, wanted, probe)


def _open_directories(
    directories: tuple[str, ...], wanted: WantedTargets, needs_target: bool
) -> Opened:
    from coral_lock.installed.site_directories import checked_directories, python_of
    from coral_lock.targets.environment import environment_of, this_environment

    path = checked_directories(directories)
    targets = wanted.chosen()
    if len(targets) != 1 and not needs_target:
        inventory = EnvironmentInventory(path, this_environment(), is_image=True)
        return Opened(
            targets=(),
            inventories={WITHOUT_TARGET: inventory},
            no_probe=_NEVER_RUN,
            knows_machine=False,
        )
    if len(targets) != 1:
        names = ", ".join(target.name for target in targets)
        raise UsageError(
            "a directory can't tell which machine it is for",
            expected=f"one of the targets {names}" if targets else "a target",
            hint="name it with `--target NAME`"
            if targets
            else "name it with `--target python=3.10,platform=manylinux_2_31_aarch64`, or in "
            "the descriptor's `targets`",
        )
    python = python_of(path)
    if python not in (None, targets[0].language_version):
        raise InputError(
            f"the directory is for another Python than the target `{targets[0].name}`",
            expected=f"Python {targets[0].language_version}",
            found=f"Python {python}, as its path tells",
            where=path[0],
            hint="name the directory or the target that belongs to the other",
        )
    inventory = EnvironmentInventory(path, environment_of(targets[0]), is_image=True)
    return Opened(
        targets=wanted.every, inventories={targets[0].name: inventory}, no_probe=_NEVER_RUN
    )


def _opened(
    inventory: Inventory, machine: Machine, wanted: WantedTargets, probe: Probe | None
) -> Opened:
    """Return an environment as the inventory of the target that its machine is."""
    targets = wanted.chosen()
    if not targets:
        return Opened(targets=(), inventories={WITHOUT_TARGET: inventory}, probe=probe)
    target = matching_target(targets, machine)
    if target is not None:
        return Opened(targets=wanted.every, inventories={target.name: inventory}, probe=probe)
    finding = Finding(
        code="target-uncovered",
        severity=ERROR,
        subject="targets",
        summary="none of the targets is a machine like the one that is looked at",
        expected=", ".join(map(str, targets)),
        found=str(machine),
        hint="lock from a wheelhouse with `--wheels DIR`, or add this machine to `targets`",
    )
    return Opened(targets=wanted.every, inventories={}, findings=(finding,))


_WHEELS_NEVER_RUN = (
    "a wheel is never run: have it ship a manifest (`coral-runtime manifest compile`)"
)


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
        no_probe=_WHEELS_NEVER_RUN,
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
