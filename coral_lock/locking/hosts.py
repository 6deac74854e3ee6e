"""Which host an inventory holds, and whether requirements on its version hold (PEP 440)."""

from __future__ import annotations

from coral_lock.document.versions import is_same_version
from coral_lock.finding import ERROR, Finding
from coral_lock.inventory import BrokenDistribution
from coral_lock.lockfile.entries import Host, HostPackage
from coral_lock.names import CORE_DISTRIBUTION, INFERENCE_DISTRIBUTIONS
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from coral_lock.descriptor.model import Descriptor
    from coral_lock.inventory import Distribution, Inventory
    from coral_lock.plugin.facts import PluginFacts
    from coral_lock.plugin.terms import PluginTerms


class UnmetRequirement(Record):
    """Why a plugin can't be said to fit. `is_uncertain` means that it isn't known."""

    code: str
    reason: str
    hint: str
    is_uncertain: bool = False


def unmet_requirement(facts: PluginFacts, host: Host) -> UnmetRequirement | None:
    """Return the first requirement of a plugin that the host doesn't meet, or None.

    A requirement that isn't a PEP 440 version is never taken for none, whether or not the
    host is known.
    """
    pairs = (
        ("core", "min_core_version", facts.min_core_version, host.core),
        ("inference", "min_inference_version", facts.min_inference_version, host.inference),
    )
    for field in pairs:
        if (invalid := _invalid(field[1], field[2])) is not None:
            return invalid
    for field in pairs:
        if (unmet := _unmet(*field)) is not None:
            return unmet
    return None


def wrong_platform(terms: PluginTerms, platform: str) -> UnmetRequirement | None:
    """Return why a plugin doesn't apply to a platform, or None if it does."""
    if not terms.platforms or platform in terms.platforms:
        return None
    return UnmetRequirement(
        code="wrong-platform",
        reason=f"applies to {', '.join(terms.platforms)} only, and the platform is {platform}",
        hint="switch it off, or lock for a platform that it applies to",
    )


def _invalid(field: str, required: str | None) -> UnmetRequirement | None:
    if required is None:
        return None
    from packaging.version import InvalidVersion, Version

    try:
        Version(required)
    except InvalidVersion:
        return UnmetRequirement(
            code="invalid-requirement",
            reason=f"has the {field} `{required}`, which isn't a PEP 440 version",
            hint=f"have the plugin's author write {field} like `0.0.4`",
            is_uncertain=True,
        )
    return None


def _unmet(
    role: str, field: str, required: str | None, package: HostPackage | None
) -> UnmetRequirement | None:
    if required is None:
        return None
    distribution = package.distribution if package else _DEFAULT_NAMES[role]
    if package is None:
        return UnmetRequirement(
            code="host-unknown",
            reason=f"requires {distribution} >= {required}, and no {role} host is there",
            hint=f"tell its version with `--{role}-version V`, or with "
            f'`host: {{{role}: "V"}}` in the descriptor, or add it',
            is_uncertain=True,
        )
    from packaging.version import InvalidVersion, Version

    try:
        found = Version(package.version)
    except InvalidVersion:
        return UnmetRequirement(
            code="host-unknown",
            reason=f"requires {distribution} >= {required}, and the {role} host's version "
            f"`{package.version}` isn't a PEP 440 version",
            hint=f"install a release of {distribution}",
            is_uncertain=True,
        )
    if found >= Version(required):
        return None
    is_early = found.is_prerelease and found.release >= Version(required).release
    return UnmetRequirement(
        code="incompatible",
        reason=f"requires {distribution} >= {required}, found {package.version}"
        + (", a pre-release that comes before it" if is_early else ""),
        hint=f"upgrade {distribution} to {required} or later, or take an older plugin",
    )


_DEFAULT_NAMES = {"core": "coral-inference", "inference": "inference"}


class _Told(Record):
    """A host's version that somebody told.

    `source` is who, in words; `where` its place, None for a flag; `hint` how to take it back.
    """

    version: str
    source: str
    where: str | None
    hint: str


def find_host(
    inventory: Inventory,
    core_version: str | None,
    inference_version: str | None,
    descriptor: Descriptor,
) -> tuple[Host, tuple[Finding, ...]]:
    """Return the host, and what is wrong with it.

    Args:
        inventory: where the host's distributions are, if they are.
        core_version: the version that counts where `coral-inference` isn't there.
        inference_version: likewise for `inference` under its four names.
        descriptor: its `host` tells the versions that aren't given here.
    """
    findings: list[Finding] = []
    core = _find(
        (CORE_DISTRIBUTION,),
        _told("core", core_version, descriptor.host_core, descriptor),
        inventory,
        findings,
    )
    inference = _find(
        INFERENCE_DISTRIBUTIONS,
        _told("inference", inference_version, descriptor.host_inference, descriptor),
        inventory,
        findings,
    )
    host = Host(core=core, inference=inference, python=inventory.python_version())
    return host, tuple(findings)


def _told(
    role: str, by_flag: str | None, by_descriptor: str | None, descriptor: Descriptor
) -> _Told | None:
    """Return the version that counts: a flag's, as the later source, or the descriptor's."""
    if by_flag:
        flag = f"`--{role}-version`"
        return _Told(
            version=by_flag,
            source=flag,
            where=None,
            hint=f"leave {flag} out, or provide that version",
        )
    if by_descriptor:
        key = f"host.{role}"
        return _Told(
            version=by_descriptor,
            source=f"`{key}` in the descriptor",
            where=descriptor.origins.get(key, key),
            hint=f"remove `{key}`, or provide that version",
        )
    return None


def _find(
    names: Sequence[str],
    told: _Told | None,
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
                summary="the inference host is there under several names, "
                "which overwrite each other's files",
                expected="one of them",
                found=", ".join(f"{host.name} {host.version}" for host in found),
                hint="keep one: uninstall all of them and install the one you want, "
                "or take the others' wheels away",
            )
        )
    if not found:
        return HostPackage(distribution=names[0], version=told.version) if told else None
    if told is not None and not is_same_version(told.version, found[0].version):
        findings.append(
            Finding(
                code="host-drift",
                severity=ERROR,
                subject=found[0].name,
                summary=f"{told.source} tells another version than the one that is there",
                expected=told.version,
                found=found[0].version,
                where=told.where or found[0].location,
                hint=told.hint,
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
