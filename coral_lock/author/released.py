"""The manifests of a released distribution: an installed one, or a wheel."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from coral_lock.budget import Allowance
from coral_lock.errors import (
    DOES_NOT_HOLD,
    BrokenDistributionError,
    CoralLockError,
    InputError,
)
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.inventory import BrokenDistribution, EntryPoint
from coral_lock.manifest.model import MAX_MANIFEST_BYTES, Manifest, manifest_paths
from coral_lock.manifest.reader import read_manifest
from coral_lock.names import normalized_name
from coral_lock.wheels.archive import WheelArchive
from coral_lock.wheels.metadata import read_distribution


def released_manifest(source: str, inventory: Callable[[], EnvironmentInventory]) -> Manifest:
    """Return the plugins that the manifests of a released distribution declare.

    Args:
        source: a wheel's file, or the name of an installed distribution.
        inventory: makes the inventory of what is installed.

    Raises:
        InputError: there is no such wheel or distribution, or a manifest can't be used.
        ProblemsError: a manifest has several mistakes.
        CoralLockError: it declares no plugin, or ships no manifest (exit code 1).
    """
    if source.endswith(".whl") or os.sep in source:
        return _of_wheel(source)
    return _of_distribution(source, inventory())


def _of_wheel(path: str) -> Manifest:
    if not os.path.exists(path):
        raise InputError("wheel not found", where=path)
    try:
        with WheelArchive(path) as wheel:
            entry_points = read_distribution(wheel).entry_points
            return _joined(
                path, path, entry_points, lambda member: wheel.read(member, MAX_MANIFEST_BYTES)
            )
    except BrokenDistributionError as error:
        raise InputError(error.message, where=error.where, hint=error.hint) from None


def _of_distribution(source: str, inventory: EnvironmentInventory) -> Manifest:
    name = normalized_name(source)
    distribution = inventory.find(name)
    if distribution is None:
        raise InputError(
            f"`{source}` is neither an installed distribution nor a wheel",
            expected="the name of an installed distribution, or a file `*.whl`",
            hint=f"install `{source}`, or pass its wheel",
        )
    if isinstance(distribution, BrokenDistribution):
        raise distribution.error
    return _joined(
        f"`{name}`",
        distribution.location,
        distribution.entry_points,
        lambda path: inventory.read_source(name, path),
    )


def _joined(
    subject: str,
    where: str,
    entry_points: Iterable[EntryPoint],
    read: Callable[[str], bytes | None],
) -> Manifest:
    """Return the plugins of every manifest that the entry points lead to."""
    read = Allowance().reading(read)
    modules = dict.fromkeys(point.value.partition(":")[0] for point in entry_points)
    if not modules:
        raise _nothing(f"{subject} declares no plugin", where, None)
    manifests: dict[str, Manifest] = {}
    for module in modules:
        for path in manifest_paths(module):
            content = None if path in manifests else read(path)
            if content is not None:
                manifests[path] = read_manifest(content, path)
            if path in manifests:
                break
    if not manifests:
        hint = "in its project, run `coral-runtime manifest compile`"
        raise _nothing(f"{subject} ships no manifest", where, hint)
    return Manifest(plugins=tuple(p for manifest in manifests.values() for p in manifest.plugins))


def _nothing(message: str, where: str, hint: str | None) -> CoralLockError:
    error = CoralLockError(message, where=where, hint=hint)
    error.exit_code = DOES_NOT_HOLD
    return error
