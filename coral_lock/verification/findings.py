"""Is this machine exactly what was reviewed? Plain data in, sorted findings out."""

from __future__ import annotations

from coral_lock.canonical_json import join_path
from coral_lock.finding import ERROR, WARNING, Finding, sorted_findings
from coral_lock.names import requirement_name
from coral_lock.reserved import reserved_findings
from coral_lock.verification.other_files import data_findings, startup_findings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from coral_lock.installed.files import FilesDigest
    from coral_lock.lockfile.model import HostPackage, Lock, LockedDistribution, LockedPlugin
    from coral_lock.verification.import_origins import TargetState
    from coral_lock.verification.machine import InstalledState, MachineState

_REINSTALL = "install `{name}=={version}` again, from a wheel you trust"
_RELOCK = "if this is wanted, run `coral-runtime lock` and have the change reviewed"
_MAX_NAMED = 20


def findings_of(lock: Lock, machine: MachineState) -> tuple[Finding, ...]:
    """Return every deviation of the machine from the lock, in a fixed order."""
    findings: list[Finding] = []
    findings.extend(_python_findings(lock, machine))
    findings.extend(_host_findings(lock, machine))
    findings.extend(_host_module_findings(lock, machine))
    hosts = {package.distribution for package in lock.host.packages()}
    names = frozenset(machine.distributions)
    providers = lock.plugin_distributions()
    must_be_pinned = () if machine.integrity == "metadata" else providers
    for distribution in lock.distributions:
        name = distribution.name
        state = machine.distributions[name]
        findings.extend(
            _distribution_findings(distribution, state, name in hosts, name in must_be_pinned)
        )
        findings.extend(_requires_findings(distribution, state, names))
        if state.placed is not None:
            findings.extend(
                reserved_findings(
                    name,
                    state.placed,
                    provides_plugins=name in providers,
                    accepted=distribution.accepted,
                )
            )
    for name in sorted(machine.root_targets):
        findings.extend(_root_findings(name, machine.root_targets[name]))
    declared: dict[tuple[str, str], frozenset[str]] = {}
    for plugin in lock.plugins:
        key = (plugin.distribution, plugin.group)
        if key not in declared:
            declared[key] = _declared(*key, machine)
        findings.extend(_plugin_findings(plugin, machine, declared[key]))
    for unlocked in machine.unlocked:
        findings.append(
            Finding(
                code="unlocked-plugin",
                severity=ERROR,
                subject=unlocked.name,
                summary=f"`{unlocked.name}` declares plugins, and the lock doesn't name it",
                where=unlocked.location,
                hint=f"uninstall `{unlocked.name}`, or run `coral-runtime lock` "
                "and have it reviewed",
            )
        )
    told = {
        path.split("/")[1]
        for state in machine.distributions.values()
        for path in (state.placed.outside if state.placed else ())
        if path.startswith("scripts/")
    }
    scripts = {name: at for name, at in machine.shadowing_scripts.items() if name not in told}
    findings.extend(startup_findings(machine.unlocked_startup, scripts))
    return sorted_findings(set(findings))


def _python_findings(lock: Lock, machine: MachineState) -> Iterator[Finding]:
    if machine.python != lock.host.python:
        yield Finding(
            code="python-drift",
            severity=ERROR,
            subject="python",
            summary="the interpreter isn't the one that the lock was made for",
            expected=f"Python {lock.host.python}",
            found=f"Python {machine.python}",
            where="host.python",
            hint="start it with that Python, or lock for this one",
        )


def _host_findings(lock: Lock, machine: MachineState) -> Iterator[Finding]:
    """Compare the hosts; one that the lock was only told of may be absent."""
    seen_at_lock = {distribution.name for distribution in lock.distributions}
    for place, package, names in (
        ("core", lock.host.core, ["coral-inference"]),
        ("inference", lock.host.inference, [n for n in machine.hosts if n != "coral-inference"]),
    ):
        states = [(name, machine.hosts[name]) for name in sorted(names) if name in machine.hosts]
        expected = f"{package.distribution} {package.version}" if package else "none"
        found = ", ".join(_show_host(name, state) for name, state in states) or "none"
        if package and not states and package.distribution not in seen_at_lock:
            yield Finding(
                code="host-unverified",
                severity=WARNING,
                subject=package.distribution,
                summary=f"the {place} host's version can't be verified: it was told to the lock, "
                "and this machine has no such distribution",
                expected=expected,
                found=found,
                where=join_path("host", place),
                hint=f"install `{package.distribution}=={package.version}`, so that it is checked",
            )
        elif not _is_host(package, states):
            yield Finding(
                code="host-drift",
                severity=ERROR,
                subject=package.distribution if package else states[0][0],
                summary=f"the {place} host isn't the one that the lock was made for",
                expected=expected,
                found=found,
                where=join_path("host", place),
                hint=f"install `{package.distribution}=={package.version}`" if package else _RELOCK,
            )


def _host_module_findings(lock: Lock, machine: MachineState) -> Iterator[Finding]:
    """Find a host's module that isn't the locked host's, where the lock has an opinion."""
    for role, package in (("core", lock.host.core), ("inference", lock.host.inference)):
        found = machine.host_modules.get(role)
        if found is None or found.is_own or (role == "inference" and package is None):
            continue
        yield Finding(
            code="module-shadowed" if package else "host-drift",
            severity=ERROR,
            subject=package.distribution if package else found.module,
            summary=f"`{found.module}` would be imported from a file that isn't the locked "
            f"{role} host's",
            expected=f"{package.distribution} {package.version}" if package else "no such module",
            found=found.place,
            where=found.place,
            hint="remove it, or find out which distribution brought it",
        )


def _show_host(name: str, state: InstalledState) -> str:
    if len(state.locations) > 1:
        return f"{name} in {len(state.locations)} copies"
    return f"{name} {state.version or 'of unknown version'}"


def _is_host(package: HostPackage | None, states: list[tuple[str, InstalledState]]) -> bool:
    if package is None:
        return not states
    return [(name, state.version) for name, state in states] == [
        (package.distribution, package.version)
    ]


def _distribution_findings(
    locked: LockedDistribution, state: InstalledState, is_host: bool, must_be_pinned: bool
) -> Iterator[Finding]:
    place = join_path("distributions", locked.name)
    reinstall = _REINSTALL.format(name=locked.name, version=locked.version)

    def finding(code: str, summary: str, **details: str) -> Finding:
        severity = WARNING if code == "unpinned" and not must_be_pinned else ERROR
        values = {"where": place, "hint": reinstall, "severity": severity, **details}
        return Finding(code=code, subject=locked.name, summary=summary, **values)

    if not state.locations:
        if not is_host:
            yield finding(
                "distribution-missing",
                f"`{locked.name}` isn't installed",
                expected=locked.version,
                found="nothing",
            )
        return
    if len(state.locations) > 1:
        yield finding(
            "duplicate-distribution",
            f"`{locked.name}` is installed {len(state.locations)} times",
            expected="one copy",
            found=", ".join(state.locations),
            hint="uninstall all of them, then install the locked version once",
        )
        return
    if state.broken:
        yield finding(
            state.broken.code,
            f"`{locked.name}`: {state.broken.message}",
            where=state.broken.where or place,
            hint=state.broken.hint or reinstall,
        )
        return
    if state.version != locked.version and not is_host:
        yield finding(
            "version-drift",
            f"`{locked.name}` has another version than the lock",
            expected=locked.version,
            found=str(state.version),
            hint=f"install `{locked.name}=={locked.version}`; {_RELOCK}",
        )
    for requirement in state.lacking:
        yield finding(
            "requirement-unmet",
            f"`{locked.name}` requires `{requirement}`, found nothing",
            expected=requirement,
            found="nothing",
            hint="add what meets it, then lock again and have the change reviewed",
        )
    if not locked.digests:
        yield finding(
            "unpinned",
            f"the lock holds no digest of `{locked.name}`, so its bytes weren't verified",
            hint="lock it from a wheel"
            + ("; `--integrity metadata` starts without it" if must_be_pinned else ""),
        )
    elif state.editable:
        yield finding(
            "editable-install",
            f"`{locked.name}` is an editable install, whose bytes aren't those of the lock",
            expected=f"an installed wheel of version {locked.version}",
            found=f"an editable install of version {state.version}",
        )
    else:
        yield from _byte_findings(locked, state, finding)
        yield from data_findings(locked, state)


def _byte_findings(
    locked: LockedDistribution, state: InstalledState, finding: Finder
) -> Iterator[Finding]:
    for path in state.strays[:_MAX_NAMED]:
        yield finding(
            "unlocked-file",
            f"unexpected file in a directory of `{locked.name}`: `{path}`",
            where=path,
            hint="remove the file, and find out where it comes from",
        )
    for path in state.claimed[:_MAX_NAMED]:
        yield finding(
            "unlocked-file",
            f"a distribution that isn't locked has a file in a directory of `{locked.name}`: "
            f"`{path}`",
            severity=WARNING,
            where=path,
            hint="lock that distribution too, or start with `coral-runtime init --locked --closed`",
        )
    if state.files is None:
        return
    for path in state.files.missing[:_MAX_NAMED]:
        yield finding(
            "file-missing", f"`{path}` of `{locked.name}` is missing or unreadable", where=path
        )
    if state.is_proved:
        for path in state.files.changed[:_MAX_NAMED]:
            yield finding(
                "digest-mismatch",
                f"`{path}` of `{locked.name}` isn't the file that was locked",
                expected=" or ".join(sorted(set(locked.digests.values()))),
                found=state.files.digest,
                where=path,
            )
        yield from _more_changed(locked, state.files, finding)
        return
    if state.files.missing:
        return
    if state.version != locked.version:
        yield from _contradicting_files(locked, state.files, finding)
        return
    expected = locked.digests.get(str(state.tag))
    if expected is None:
        yield finding(
            "platform-drift",
            f"the lock covers no wheel of `{locked.name}` like the one installed",
            expected=", ".join(sorted(locked.digests)),
            found=str(state.tag),
            hint="install a wheel that the lock covers, or lock for this machine",
        )
        yield from _contradicting_files(locked, state.files, finding)
    elif state.files.digest != expected:
        yield from _changed_files(locked, state, expected, finding)


def _more_changed(
    locked: LockedDistribution, files: FilesDigest, finding: Finder
) -> Iterator[Finding]:
    rest = len(files.changed) - _MAX_NAMED
    if rest > 0:
        yield finding(
            "digest-mismatch",
            f"{rest} more files of `{locked.name}` aren't what was locked",
            found=files.digest,
        )


def _requires_findings(
    locked: LockedDistribution, state: InstalledState, names: frozenset[str]
) -> Iterator[Finding]:
    """Compare the names that a distribution requires with its METADATA.

    Markers aren't evaluated here: a requirement with one may be locked or not.
    """
    if state.version != locked.version:
        return
    possible = {requirement_name(each) for each in state.requires}
    needed = {requirement_name(each) for each in state.requires if ";" not in each}
    needed = needed.intersection(names) - {locked.name}
    extra = sorted(set(locked.requires) - possible)
    lacking = sorted(needed - set(locked.requires))
    if extra or lacking:
        yield Finding(
            code="requires-drift",
            severity=ERROR,
            subject=locked.name,
            summary=f"`{locked.name}` requires other distributions than the lock says",
            expected=", ".join(locked.requires) or "none",
            found="; ".join(
                [f"`{name}` isn't required" for name in extra[:_MAX_NAMED]]
                + [f"`{name}` is required too" for name in lacking[:_MAX_NAMED]]
            ),
            where=join_path("distributions", locked.name) + ".requires",
            hint=_RELOCK,
        )


def _contradicting_files(
    locked: LockedDistribution, files: FilesDigest, finding: Finder
) -> Iterator[Finding]:
    """Yield the files that aren't even what their own RECORD states.

    Another version or another wheel has other bytes, which is no tampering; a file that
    contradicts its RECORD is.
    """
    for path in files.changed[:_MAX_NAMED]:
        yield finding(
            "digest-mismatch",
            f"`{path}` of `{locked.name}` isn't the file that its RECORD states",
            where=path,
        )


def _changed_files(
    locked: LockedDistribution, state: InstalledState, expected: str, finding: Finder
) -> Iterator[Finding]:
    assert state.files is not None
    changed = state.files.changed
    for path in changed[:_MAX_NAMED]:
        yield finding(
            "digest-mismatch",
            f"`{path}` of `{locked.name}` isn't the file that was locked",
            expected=expected,
            found=state.files.digest,
            where=path,
        )
    yield from _more_changed(locked, state.files, finding)
    if not changed:
        yield finding(
            "digest-mismatch",
            f"`{locked.name}` isn't what was locked, and its RECORD hides which file changed",
            expected=expected,
            found=state.files.digest,
        )


def _declared(distribution: str, group: str, machine: MachineState) -> frozenset[str]:
    entry_points = machine.distributions[distribution].entry_points
    return frozenset(each.value for each in entry_points if each.group == group)


def _plugin_findings(
    plugin: LockedPlugin, machine: MachineState, declared: frozenset[str]
) -> Iterator[Finding]:
    """Yield what is wrong with a plugin; `declared` are the entry points of its group."""
    state = machine.distributions[plugin.distribution]
    if len(state.locations) != 1 or state.broken:
        return
    if plugin.entry_point not in declared:
        yield Finding(
            code="entry-point-drift",
            severity=ERROR,
            subject=plugin.id,
            summary=f"`{plugin.distribution}` declares no such entry point",
            expected=plugin.entry_point,
            found=_named(declared) or "none in this group",
            where=join_path("plugins", plugin.id) + ".entry_point",
            hint=_RELOCK,
        )
    target = machine.entry_targets.get(plugin.id)
    if target is not None and not target.is_own:
        yield _entry_finding(plugin, target)


def _named(names: frozenset[str]) -> str:
    more = f", and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(sorted(names)[:_MAX_NAMED]) + more


def _root_findings(name: str, targets: Iterable[TargetState]) -> Iterator[Finding]:
    for target in targets:
        for place in (target.intruder, None if target.is_own else target.origin):
            if place is not None:
                yield _shadow_finding(name, target, place)


def _shadow_finding(subject: str, target: TargetState, place: str) -> Finding:
    return Finding(
        code="module-shadowed",
        severity=ERROR,
        subject=subject,
        summary=f"another file than the locked one would be imported as `{target.module}`"
        if place == target.origin
        else f"importing `{target.module}` would run a file that nobody locked",
        expected=target.own_file,
        found=place,
        where=place,
        hint="remove that file, or take its directory off PYTHONPATH and out of the way",
    )


def _entry_finding(plugin: LockedPlugin, target: TargetState) -> Finding:
    if target.own_file is not None and target.origin is not None:
        return _shadow_finding(plugin.id, target, target.origin)
    is_foreign = target.own_file is None
    return Finding(
        code="foreign-target",
        severity=ERROR,
        subject=plugin.id,
        summary=f"`{target.module}` isn't a module of `{plugin.distribution}`'s own files"
        if is_foreign
        else f"`{target.module}` can't be imported from where `{plugin.distribution}` lies",
        expected=target.own_file or f"a file of {plugin.distribution}",
        found=target.origin or "nothing",
        where=target.origin or join_path("plugins", plugin.id) + ".entry_point",
        hint="the entry point must name a module that its own distribution ships"
        if is_foreign
        else f"reinstall `{plugin.distribution}`",
    )


if TYPE_CHECKING:
    from typing import Protocol

    class Finder(Protocol):
        def __call__(self, code: str, summary: str, **details: str) -> Finding: ...
