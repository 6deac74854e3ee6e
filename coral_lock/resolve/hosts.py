"""Which host an inventory holds, and what the command line says of it."""

from __future__ import annotations

from coral_lock.finding import ERROR, Finding
from coral_lock.inventory import BrokenDistribution
from coral_lock.lockfile.model import Host, HostPackage
from coral_lock.names import CORE_DISTRIBUTION, INFERENCE_DISTRIBUTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from coral_lock.inventory import Distribution, Inventory


def find_host(
    inventory: Inventory, core_version: str | None, inference_version: str | None
) -> tuple[Host, tuple[Finding, ...]]:
    """Return the host, and what is wrong with it.

    Args:
        inventory: where the host's distributions are, if they are.
        core_version: the version that counts where `coral-inference` isn't there.
        inference_version: likewise for `inference` under its four names.
    """
    findings: list[Finding] = []
    core = _find("core", (CORE_DISTRIBUTION,), core_version, inventory, findings)
    inference = _find("inference", INFERENCE_DISTRIBUTIONS, inference_version, inventory, findings)
    host = Host(core=core, inference=inference, python=inventory.python_version())
    return host, tuple(findings)


def _find(
    role: str,
    names: Sequence[str],
    told: str | None,
    inventory: Inventory,
    findings: list[Finding],
) -> HostPackage | None:
    found: list[Distribution] = []
    for name in names:
        distribution = inventory.find(name)
        if isinstance(distribution, BrokenDistribution):
            findings.append(broken_finding(distribution))
        elif distribution is not None:
            found.append(distribution)
    if len(found) > 1:
        findings.append(
            Finding(
                code="conflict",
                severity=ERROR,
                subject=found[0].name,
                summary="the inference host is installed under several names, "
                "which overwrite each other's files",
                expected="one of them",
                found=", ".join(f"{host.name} {host.version}" for host in found),
                hint="uninstall all of them, then install the one you want",
            )
        )
    if not found:
        return HostPackage(distribution=names[0], version=told) if told else None
    if told is not None and told != found[0].version:
        findings.append(
            Finding(
                code="host-drift",
                severity=ERROR,
                subject=found[0].name,
                summary=f"`--{role}-version` tells another version than the installed one",
                expected=told,
                found=found[0].version,
                where=found[0].location,
                hint=f"leave `--{role}-version` out, or install that version",
            )
        )
    return HostPackage(distribution=found[0].name, version=found[0].version)


def broken_finding(broken: BrokenDistribution) -> Finding:
    """Return the finding for a distribution that can't be used as it is."""
    return Finding(
        code=broken.error.code,
        severity=ERROR,
        subject=broken.name,
        summary=broken.error.message,
        where=broken.error.where or broken.location,
        hint=broken.error.hint,
    )
