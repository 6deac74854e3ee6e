"""Whether a plugin's version requirements hold on a host (PEP 440)."""

from __future__ import annotations

from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.lockfile.model import Host, HostPackage
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
