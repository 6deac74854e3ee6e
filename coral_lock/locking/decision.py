"""The host, and what is decided about each plugin as if there were no other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from packaging.version import InvalidVersion, Version

from coral_lock.descriptor.model import Descriptor, PluginRequest
from coral_lock.document.formats import is_same_version
from coral_lock.document.node import dotted
from coral_lock.finding import CODES, ERROR, WARNING, Finding, finding_of_error
from coral_lock.inventory import BrokenDistribution, Distribution, EntryPoint, Inventory
from coral_lock.lockfile.entries import Host, HostPackage
from coral_lock.names import HOST_DISTRIBUTIONS
from coral_lock.plugin.facts import NO_TERMS, PluginFacts, PluginTerms, leaves
from coral_lock.record import Record


class DiscoveredPlugin(Record):
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


class Decision(Record):
    """What is decided for one plugin that was found.

    Args:
        plugin: the plugin.
        request: what the descriptor says of it, None if it doesn't name it.
        is_wanted: whether the descriptor doesn't exclude it.
        is_compatible: whether it fits the host; None where that isn't known.
        reason: why it isn't selected; None where it is.
        finding: why it can't be used on this host, or on any, even where it isn't wanted.
    """

    plugin: DiscoveredPlugin
    request: PluginRequest | None
    is_wanted: bool
    is_compatible: bool | None
    reason: str | None = None
    finding: Finding | None = None

    @property
    def is_selected(self) -> bool:
        return self.reason is None

    @property
    def is_optional(self) -> bool:
        return self.request is not None and self.request.optional

    @property
    def where(self) -> str | None:
        """The place in the descriptor that names the plugin, if any."""
        return self.request.where if self.request else None

    @property
    def problem(self) -> Finding | None:
        """What is broken about the plugin itself."""
        return self.finding if self.finding and CODES[self.finding.code].breaks_plugin else None


def severity_of(request: PluginRequest | None) -> str:
    """Return how severe it is that a plugin can't be had: an error only where it is required."""
    is_required = request is not None and request.enabled and not request.optional
    return ERROR if is_required else WARNING


def place_of_after(request: PluginRequest, descriptor: Descriptor) -> str:
    """Return where the descriptor says after which plugins one comes."""
    key = dotted((request.group, request.name, "after"))
    return descriptor.origins.get(key, request.where)


def judge(plugin: DiscoveredPlugin, descriptor: Descriptor, host: Host) -> Decision:
    """Decide on one plugin as if no other offered its id."""
    request = descriptor.request(plugin.id)
    unmet = unmet_requirement(plugin, descriptor.platform, host)
    finding = plugin.problem or (_unmet_finding(plugin, request, unmet) if unmet else None)
    reason = unwanted_reason(plugin.id, plugin.distribution.name, descriptor)
    is_wanted = reason is None
    if finding is not None and is_wanted:
        reason = unmet.reason if unmet else CODES[finding.code].reason
        if request is not None and request.optional:
            finding = finding.replace(severity=WARNING)
    is_unknown = plugin.facts is None or (unmet is not None and unmet.is_uncertain)
    return Decision(
        plugin=plugin,
        request=request,
        is_wanted=is_wanted,
        is_compatible=None if is_unknown else unmet is None,
        reason=reason,
        finding=finding,
    )


def unwanted_reason(identifier: str, distribution: str, descriptor: Descriptor) -> str | None:
    """Return why the descriptor doesn't want a plugin of a distribution, or None."""
    request = descriptor.request(identifier)
    if request is not None and not request.enabled:
        return "switched off by the descriptor"
    unloaded = descriptor.unloaded(identifier.partition(":")[0])
    if unloaded is not None:
        return unloaded[1]
    if request is not None:
        if request.distribution not in (None, distribution):
            return f"the descriptor takes it from `{request.distribution}`"
        return None
    if descriptor.discover == "listed":
        return "not switched on, and `plugins.discover` is `listed`"
    return None


class UnmetRequirement(Record):
    """Why a plugin can't be said to fit."""

    code: str
    reason: str
    hint: str

    @property
    def is_uncertain(self) -> bool:
        """Whether it isn't known if the plugin fits."""
        return self.code in ("host-unknown", "invalid-requirement")


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


def unmet_requirement(
    plugin: DiscoveredPlugin, platform: str, host: Host
) -> UnmetRequirement | None:
    """Return the first requirement of a plugin that platform or host don't meet, or None.

    A requirement that isn't a PEP 440 version is never taken for none, whether or not the
    host is known. Nothing is known of a plugin without facts.
    """
    if plugin.facts is None:
        return None
    stated = [(role, getattr(plugin.facts, f"min_{role}_version")) for role in HOST_DISTRIBUTIONS]
    found = (_unmet(role, text, getattr(host, role)) for role, text in stated if text is not None)
    unmet = sorted(filter(None, found), key=lambda each: each.code != "invalid-requirement")
    if unmet:
        return unmet[0]
    platforms = plugin.terms.platforms
    if not platforms or platform in platforms:
        return None
    return UnmetRequirement(
        code="wrong-platform",
        reason=f"applies to {', '.join(platforms)} only, and the platform is {platform}",
        hint="switch it off, or lock for a platform that it applies to",
    )


def _unmet(role: str, required: str, package: HostPackage | None) -> UnmetRequirement | None:
    least = parsed_version(required)
    if least is None:
        field = f"min_{role}_version"
        return UnmetRequirement(
            code="invalid-requirement",
            reason=f"has the {field} `{required}`, which isn't a PEP 440 version",
            hint=f"have the plugin's author write {field} like `0.0.4`",
        )
    distribution = package.distribution if package else HOST_DISTRIBUTIONS[role][0]
    requires = f"requires {distribution} >= {required}"
    if package is None:
        return UnmetRequirement(
            code="host-unknown",
            reason=f"{requires}, and no {role} host is there",
            hint=f"pass its version with `--{role}-version V`, set `host: {{{role}: "
            '"V"}` in the descriptor, or add it',
        )
    found = parsed_version(package.version)
    if found is None:
        return UnmetRequirement(
            code="host-unknown",
            reason=f"{requires}, and the {role} host's version `{package.version}` isn't a PEP 440 "
            "version",
            hint=f"install a release of {distribution}",
        )
    if found >= least:
        return None
    is_early = found.is_prerelease and found.release >= least.release
    return UnmetRequirement(
        code="incompatible",
        reason=f"{requires}, found {package.version}"
        + (", a pre-release that comes before it" if is_early else ""),
        hint=f"upgrade {distribution} to {required} or later, or take an older plugin",
    )


@lru_cache(maxsize=1 << 16)
def parsed_version(text: str) -> Version | None:
    """Return a version, None where the text isn't one (PEP 440)."""
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _least(version: str | None) -> str:
    """Return a requirement on a host's version: `>= 0.0.4`, or `any`."""
    return f">= {version}" if version else "any"


def _listed_hosts(host: Host) -> str:
    """Return the hosts that are known, with their versions: `coral-inference 0.0.4`."""
    known = ", ".join(f"{each.distribution} {each.version}" for each in host.packages())
    return known or "no host is known"


def details_of(decision: Decision, host: Host) -> Iterator[tuple[str, str]]:
    """Yield what there is to say of a plugin and of what was decided, with a label each."""
    plugin, facts = decision.plugin, decision.plugin.facts
    yield "entry point", f"{plugin.entry_point.name} = {plugin.entry_point.value}"
    if facts:
        core, inference = _least(facts.min_core_version), _least(facts.min_inference_version)
        answer = {True: "yes", False: "no", None: "unknown"}[decision.is_compatible]
        yield "requires", f"core {core}, inference {inference}"
        yield "compatible", f"{answer} ({_listed_hosts(host)})"
    yield from _terms(plugin.terms)
    if decision.reason:
        yield "reason", decision.reason
    yield "source", plugin.evidence or "unknown"


def _terms(terms: PluginTerms) -> Iterator[tuple[str, str]]:
    """Yield what a manifest declares beyond the spec; nothing of what it leaves out."""
    if terms.platforms:
        yield "platforms", ", ".join(terms.platforms)
    if terms.after:
        yield "after", ", ".join(terms.after)
    for label, relations in (("needs", terms.requires), ("conflicts", terms.conflicts)):
        for relation in relations:
            yield label, f"{relation.id}: {relation.reason}"
    if terms.default_config_overrides:
        paths = sorted(path for path, _ in leaves(terms.default_config_overrides))
        yield "configures", ", ".join(map(".".join, paths))
    for variable in terms.env:
        must = ", must be set" if variable.required else ""
        note = f": {variable.description}" if variable.description else ""
        yield "reads", f"{variable.name}{must}{note}"
    if terms.homepage:
        yield "homepage", terms.homepage


def find_host(inventory: Inventory, descriptor: Descriptor) -> tuple[Host, tuple[Finding, ...]]:
    """Return the host, and what is wrong with it.

    Args:
        inventory: where the host's distributions are, if they are.
        descriptor: gives the versions that count where the inventory has none of a host.
    """
    findings: list[Finding] = []
    core, inference = (_find(role, inventory, descriptor, findings) for role in HOST_DISTRIBUTIONS)
    host = Host(core=core, inference=inference, python=inventory.python_version())
    return host, tuple(findings)


def _find(
    role: str, inventory: Inventory, descriptor: Descriptor, findings: list[Finding]
) -> HostPackage | None:
    names = HOST_DISTRIBUTIONS[role]
    given: str | None = getattr(descriptor, f"host_{role}")
    found: list[Distribution] = []
    for distribution in map(inventory.find, names):
        if isinstance(distribution, BrokenDistribution):
            findings.append(broken_finding(distribution))
        elif distribution is not None:
            found.append(distribution)
    if len(found) > 1:
        findings.append(
            Finding(
                code="conflict",
                subject=found[0].name,
                summary=f"the {role} host is there under several names, "
                "which overwrite each other's files",
                expected="one of them",
                found=", ".join(f"{host.name} {host.version}" for host in found),
                hint="keep one: uninstall all of them and install the one you want, "
                "or take the others' wheels away",
            )
        )
    if not found:
        return HostPackage(distribution=names[0], version=given) if given else None
    if given is not None and not is_same_version(given, found[0].version):
        findings.append(
            Finding(
                code="host-drift",
                subject=found[0].name,
                summary=f"the given version of the {role} host isn't the one that was found",
                expected=given,
                found=found[0].version,
                where=descriptor.origins.get(f"host.{role}"),
                hint="give that version, or none",
            )
        )
    return HostPackage(distribution=found[0].name, version=found[0].version)


def broken_finding(broken: BrokenDistribution) -> Finding:
    """Return the finding for a distribution that can't be used as it is."""
    finding = finding_of_error(broken.error, broken.error.code, broken.name)
    return finding.replace(severity=ERROR, where=finding.where or broken.location)
