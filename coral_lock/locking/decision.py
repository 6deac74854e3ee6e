"""The host, and what is decided about each plugin as if there were no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from coral_lock.descriptor.model import Descriptor, HostVersions, PluginRequest
from coral_lock.document.node import dotted
from coral_lock.document.versions import is_same_version
from coral_lock.finding import CODES, ERROR, WARNING, Finding
from coral_lock.inventory import BrokenDistribution, Distribution, EntryPoint
from coral_lock.lockfile.entries import Host, HostPackage
from coral_lock.names import CORE_DISTRIBUTION, INFERENCE_DISTRIBUTIONS
from coral_lock.plugin.facts import NO_TERMS, PluginFacts, PluginTerms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.inventory import Inventory


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscoveredPlugin:
    """A plugin that an entry point offers.

    Args:
        id: the plugin's id; for one whose spec isn't known, made from the entry point's name.
        entry_point: where it was declared.
        distribution: who offers it.
        facts: its spec's fields, or None where they couldn't be learned.
        evidence: how they were learned, `manifest`, `static` or `probe`; None without facts.
        terms: what its manifest declares beyond the spec.
        problem: why it can't be used as it is, or None.
    """

    id: str
    entry_point: EntryPoint
    distribution: Distribution
    facts: PluginFacts | None = None
    evidence: str | None = None
    terms: PluginTerms = NO_TERMS
    problem: Finding | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What is decided for one plugin that was found.

    `reason` says why it isn't selected, and is None where it is. `is_compatible` is None
    where that isn't known. `problem` is what is broken about the plugin itself.
    """

    plugin: DiscoveredPlugin
    is_selected: bool
    is_compatible: bool | None
    reason: str | None = None
    problem: Finding | None = None


def request_for(plugin: DiscoveredPlugin, descriptor: Descriptor) -> PluginRequest | None:
    """Return what the descriptor says of a plugin, None if it doesn't name it."""
    return descriptor.request(plugin.entry_point.group, plugin.id.partition(":")[2])


def severity_of(request: PluginRequest | None) -> str:
    """Return how severe it is that a plugin can't be had: an error only where it is required."""
    is_required = request is not None and request.enabled and not request.optional
    return ERROR if is_required else WARNING


def place_of_after(request: PluginRequest, descriptor: Descriptor) -> str:
    """Return where the descriptor says after which plugins one comes."""
    key = dotted((request.group, request.name, "after"))
    return descriptor.origins.get(key, request.where)


def judge(
    plugin: DiscoveredPlugin,
    request: PluginRequest | None,
    descriptor: Descriptor,
    host: Host,
    findings: list[Finding],
) -> Decision:
    """Decide on one plugin as if no other offered its id.

    `request` is what the descriptor says of it; what is wrong is added to `findings`.
    """
    unmet, is_compatible = None, None
    if plugin.facts is not None:
        unmet = unmet_requirement(plugin.facts, host) or wrong_platform(
            plugin.terms, descriptor.platform
        )
        is_compatible = None if unmet and unmet.is_uncertain else unmet is None
    finding = plugin.problem or (_unmet_finding(plugin, request, unmet) if unmet else None)
    is_broken = finding is not None and CODES[finding.code].breaks_plugin
    reason = unwanted_reason(plugin, request, descriptor)
    if reason is None:
        if finding is None:
            return Decision(plugin=plugin, is_selected=True, is_compatible=is_compatible)
        reason = unmet.reason if unmet else CODES[finding.code].reason
        if request is not None and request.optional:
            finding = finding.replace(severity=WARNING)
        findings.append(finding)
    return Decision(
        plugin=plugin,
        is_selected=False,
        is_compatible=is_compatible,
        reason=reason,
        problem=finding if is_broken else None,
    )


def unwanted_reason(
    plugin: DiscoveredPlugin, request: PluginRequest | None, descriptor: Descriptor
) -> str | None:
    """Return why the descriptor doesn't want a plugin, or None."""
    if request is not None and not request.enabled:
        return "switched off by the descriptor"
    unloaded = descriptor.unloaded(plugin.entry_point.group)
    if unloaded is not None:
        return unloaded[1]
    if request is not None:
        if request.distribution not in (None, plugin.distribution.name):
            return f"the descriptor takes it from `{request.distribution}`"
        return None
    if descriptor.discover == "listed":
        return "not switched on, and `plugins.discover` is `listed`"
    return None


def _unmet_finding(
    plugin: DiscoveredPlugin, request: PluginRequest | None, unmet: UnmetRequirement
) -> Finding:
    is_error = unmet.is_uncertain or (request is not None and request.enabled)
    return Finding(
        code=unmet.code,
        severity=ERROR if is_error else WARNING,
        subject=plugin.id,
        summary=f"`{plugin.id}` of `{plugin.distribution.name}` {plugin.distribution.version} "
        + unmet.reason
        + ("" if is_error else ", so it is left out"),
        where=request.where if request else plugin.entry_point.value,
        hint=unmet.hint,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class UnmetRequirement:
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
    stated = [
        (role, required, package)
        for role, required, package in (
            ("core", facts.min_core_version, host.core),
            ("inference", facts.min_inference_version, host.inference),
        )
        if required is not None
    ]
    for role, required, _ in stated:
        try:
            Version(required)
        except InvalidVersion:
            field = f"min_{role}_version"
            return UnmetRequirement(
                code="invalid-requirement",
                reason=f"has the {field} `{required}`, which isn't a PEP 440 version",
                hint=f"have the plugin's author write {field} like `0.0.4`",
                is_uncertain=True,
            )
    return next(filter(None, (_unmet(*each) for each in stated)), None)


def wrong_platform(terms: PluginTerms, platform: str) -> UnmetRequirement | None:
    """Return why a plugin doesn't apply to a platform, or None if it does."""
    if not terms.platforms or platform in terms.platforms:
        return None
    return UnmetRequirement(
        code="wrong-platform",
        reason=f"applies to {', '.join(terms.platforms)} only, and the platform is {platform}",
        hint="switch it off, or lock for a platform that it applies to",
    )


def _unmet(role: str, required: str, package: HostPackage | None) -> UnmetRequirement | None:
    distribution = package.distribution if package else _DEFAULT_NAMES[role]
    if package is None:
        return UnmetRequirement(
            code="host-unknown",
            reason=f"requires {distribution} >= {required}, and no {role} host is there",
            hint=f"tell its version with `--{role}-version V`, or with "
            f'`host: {{{role}: "V"}}` in the descriptor, or add it',
            is_uncertain=True,
        )
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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Given:
    """A host's version that the user gives.

    `source` says how; `where` is its place, None for a flag; `hint` how to remove it.
    """

    version: str
    source: str
    where: str | None
    hint: str


def find_host(
    inventory: Inventory, given: HostVersions, descriptor: Descriptor
) -> tuple[Host, tuple[Finding, ...]]:
    """Return the host, and what is wrong with it.

    Args:
        inventory: where the host's distributions are, if they are.
        given: the versions that count where the inventory has none of a host.
        descriptor: its `host` gives the versions that aren't given here.
    """
    findings: list[Finding] = []
    core = _find(
        (CORE_DISTRIBUTION,),
        _given("core", given.core, descriptor.host_core, descriptor),
        inventory,
        findings,
    )
    inference = _find(
        INFERENCE_DISTRIBUTIONS,
        _given("inference", given.inference, descriptor.host_inference, descriptor),
        inventory,
        findings,
    )
    host = Host(core=core, inference=inference, python=inventory.python_version())
    return host, tuple(findings)


def _given(
    role: str, by_flag: str | None, by_descriptor: str | None, descriptor: Descriptor
) -> _Given | None:
    """Return the version that counts: a flag's, as the later source, or the descriptor's."""
    if by_flag:
        flag = f"`--{role}-version`"
        return _Given(
            version=by_flag,
            source=flag,
            where=None,
            hint=f"leave {flag} out, or provide that version",
        )
    if by_descriptor:
        key = f"host.{role}"
        return _Given(
            version=by_descriptor,
            source=f"`{key}` in the descriptor",
            where=descriptor.origins.get(key, key),
            hint=f"remove `{key}`, or provide that version",
        )
    return None


def _find(
    names: Sequence[str],
    given: _Given | None,
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
        return HostPackage(distribution=names[0], version=given.version) if given else None
    if given is not None and not is_same_version(given.version, found[0].version):
        findings.append(
            Finding(
                code="host-drift",
                subject=found[0].name,
                summary=f"{given.source} tells another version than the one that is there",
                expected=given.version,
                found=found[0].version,
                where=given.where or found[0].location,
                hint=given.hint,
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
