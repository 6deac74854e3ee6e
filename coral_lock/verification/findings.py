"""Is this machine exactly what was reviewed? Plain data in, sorted findings out."""

from __future__ import annotations

from coral_lock.canonical_json import join_path
from coral_lock.finding import ERROR, WARNING, Finding, sorted_findings
from coral_lock.names import requirement_name
from coral_lock.reserved import reserved_findings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from coral_lock.installed.files import FilesDigest
    from coral_lock.lockfile.entries import HostPackage, LockedDistribution, LockedPlugin
    from coral_lock.lockfile.model import Lock
    from coral_lock.verification.import_origins import ModuleOrigin
    from coral_lock.verification.machine import InstalledState, MachineState

_RELOCK = "if this is wanted, run `coral-runtime lock` and have the change reviewed"
_REMOVE = "remove it, or uninstall what it belongs to"
_MAX_NAMED = 20


def findings_of(lock: Lock, machine: MachineState) -> tuple[Finding, ...]:
    """Return every deviation of the machine from the lock, in a fixed order."""
    hosts = {package.distribution for package in lock.host.packages()}
    providers = lock.plugin_distributions()
    findings = [*_python_findings(lock, machine), *_host_findings(lock, machine)]
    for locked in lock.distributions:
        name, state = locked.name, machine.distributions[locked.name]
        must_be_pinned = name in providers and machine.integrity != "metadata"
        findings += _distribution_findings(locked, state, name in hosts, must_be_pinned)
        findings += _requires_findings(locked, state, machine)
        if state.placed is not None:
            findings += reserved_findings(
                name,
                state.placed,
                provides_plugins=name in providers,
                accepted=locked.accepted,
            )
    for name, origins in machine.root_origins.items():
        for origin in origins:
            for place in (origin.intruder, None if origin.is_own else origin.origin):
                if place is not None:
                    findings.append(_shadow_finding(name, origin, place))
    declared: dict[tuple[str, str], frozenset[str]] = {}
    for plugin in lock.plugins:
        key = (plugin.distribution, plugin.group)
        if key not in declared:
            points = machine.distributions[plugin.distribution].entry_points
            declared[key] = frozenset(each.value for each in points if each.group == plugin.group)
        findings += _plugin_findings(plugin, machine, declared[key])
    findings += _unlocked_findings(machine)
    return sorted_findings(set(findings))


def _python_findings(lock: Lock, machine: MachineState) -> Iterator[Finding]:
    if machine.python != lock.host.python:
        yield Finding(
            code="python-drift",
            subject="python",
            summary="the lock was made for another version of Python",
            expected=f"Python {lock.host.python}",
            found=f"Python {machine.python}",
            where="host.python",
            hint="start it with that Python, or lock for this one",
        )


def _host_findings(lock: Lock, machine: MachineState) -> Iterator[Finding]:
    """Compare the hosts and their modules; a host that was never installed may be absent."""
    locked = {distribution.name for distribution in lock.distributions}
    for role, package in (("core", lock.host.core), ("inference", lock.host.inference)):
        states = [
            machine.hosts[name]
            for name in sorted(machine.hosts)
            if (name == "coral-inference") is (role == "core")
        ]
        expected = f"{package.distribution} {package.version}" if package else "none"
        found = ", ".join(map(_show_host, states)) or "none"
        where = join_path("host", role)
        if package and not states and package.distribution not in locked:
            yield Finding(
                code="host-unverified",
                subject=package.distribution,
                summary=f"the version of the {role} host can't be verified: it was given on the "
                "command line or in the descriptor, and the distribution isn't installed",
                expected=expected,
                found=found,
                where=where,
                hint=f"install `{package.distribution}=={package.version}`, so that it is checked",
            )
        elif not _is_host(package, states):
            yield Finding(
                code="host-drift",
                subject=package.distribution if package else states[0].name,
                summary=f"the {role} host isn't the one that the lock was made for",
                expected=expected,
                found=found,
                where=where,
                hint=f"install `{package.distribution}=={package.version}`" if package else _RELOCK,
            )
        module = machine.host_origins.get(role)
        if module and not module.is_own and (role == "core" or package):
            yield Finding(
                code="module-shadowed" if package else "host-drift",
                subject=package.distribution if package else module.module,
                summary=f"`{module.module}` would be imported from a file that isn't the locked "
                f"{role} host's",
                expected=expected if package else "no such module",
                found=module.origin,
                where=module.origin,
                hint="remove it, or find out which distribution it belongs to",
            )


def _show_host(state: InstalledState) -> str:
    if len(state.locations) > 1:
        return f"{state.name} in {len(state.locations)} copies"
    return f"{state.name} {state.version or 'of unknown version'}"


def _is_host(package: HostPackage | None, states: Sequence[InstalledState]) -> bool:
    found = [(state.name, state.version) for state in states]
    return found == ([(package.distribution, package.version)] if package else [])


def _distribution_findings(
    locked: LockedDistribution, state: InstalledState, is_host: bool, must_be_pinned: bool
) -> Iterator[Finding]:
    name, version = locked.name, locked.version
    about = _about(locked)
    if not state.locations:
        if not is_host:
            summary = f"`{name}` isn't installed"
            yield about("distribution-missing", summary, expected=version, found="nothing")
    elif len(state.locations) > 1:
        yield about(
            "duplicate-distribution",
            f"`{name}` is installed {len(state.locations)} times",
            expected="one copy",
            found=", ".join(state.locations),
            hint="uninstall all of them, then install the locked version once",
        )
    elif state.broken:
        error = state.broken
        summary = f"`{name}`: {error.message}"
        yield about(error.code, summary, where=error.where, hint=error.hint)
    else:
        if state.version != version and not is_host:
            yield about(
                "version-drift",
                f"`{name}` has another version than the lock",
                expected=version,
                found=str(state.version),
                hint=f"install `{name}=={version}`; {_RELOCK}",
            )
        for requirement in state.lacking:
            yield about(
                "requirement-unmet",
                f"`{name}` requires `{requirement}`, found nothing",
                expected=requirement,
                found="nothing",
                hint="add what meets it, then lock again and have the change reviewed",
            )
        if not locked.digests:
            yield about(
                "unpinned",
                f"the lock holds no digest of `{name}`, so its files weren't verified",
                severity=ERROR if must_be_pinned else WARNING,
                hint="lock it from a wheel"
                + ("; `--integrity metadata` starts without it" if must_be_pinned else ""),
            )
        elif state.editable:
            yield about(
                "editable-install",
                f"`{name}` is an editable install, whose files aren't those of the lock",
                expected=f"an installed wheel of version {version}",
                found=f"an editable install of version {state.version}",
            )
        else:
            yield from _stray_findings(locked, state)
            if state.digest is not None:
                yield from _digest_findings(locked, state, state.digest)
            yield from _outside_findings(locked, state)


def _about(locked: LockedDistribution) -> Callable[..., Finding]:
    """Return a maker of findings about a distribution, by default with the hint to reinstall it."""
    defaults = {
        "where": join_path("distributions", locked.name),
        "hint": f"install `{locked.name}=={locked.version}` again, from a wheel you trust",
    }

    def about(code: str, summary: str, **details: Any) -> Finding:
        given = {field: value for field, value in details.items() if value is not None}
        return Finding(code=code, subject=locked.name, summary=summary, **{**defaults, **given})

    return about


def _stray_findings(locked: LockedDistribution, state: InstalledState) -> Iterator[Finding]:
    about = _about(locked)
    for path in state.strays[:_MAX_NAMED]:
        yield about(
            "unlocked-file",
            f"unexpected file in a directory of `{locked.name}`: `{path}`",
            where=path,
            hint="remove the file, and identify its source",
        )
    for path in state.claimed[:_MAX_NAMED]:
        yield about(
            "unlocked-file",
            f"a distribution that isn't locked has a file in a directory of `{locked.name}`: "
            f"`{path}`",
            where=path,
            hint="lock that distribution too, or start with `coral-runtime init --locked --closed`",
            severity=WARNING,
        )


def _digest_findings(
    locked: LockedDistribution, state: InstalledState, files: FilesDigest
) -> Iterator[Finding]:
    """Yield what differs under the site root.

    Another version or another wheel has other bytes, which is no tampering; a file that
    contradicts its own RECORD is.
    """
    about, name, expected = _about(locked), locked.name, locked.digests.get(str(state.tag))
    yield from _absent_findings(locked, files.missing, files.unreadable)
    if state.proved:
        expected = " or ".join(sorted(set(locked.digests.values())))
        yield from _changed_findings(locked, files.changed, expected, files.digest)
        return
    if not files.is_complete:
        return
    if state.version == locked.version and expected is None:
        yield about(
            "platform-drift",
            f"the lock covers no wheel of `{name}` like the one installed",
            expected=", ".join(sorted(locked.digests)),
            found=str(state.tag),
            hint="install a wheel that the lock covers, or lock for this machine",
        )
    if state.version != locked.version or expected is None:
        for path in files.changed[:_MAX_NAMED]:
            summary = f"`{path}` of `{name}` isn't the file that its RECORD states"
            yield about("digest-mismatch", summary, where=path)
    elif files.digest != expected:
        yield from _changed_findings(locked, files.changed, expected, files.digest)
        if not files.changed:
            summary = f"`{name}` isn't what was locked, and its RECORD hides which file changed"
            yield about("digest-mismatch", summary, expected=expected, found=files.digest)


def _outside_findings(locked: LockedDistribution, state: InstalledState) -> Iterator[Finding]:
    """Yield what differs of the scripts, headers and data of a wheel that the lock covers."""
    about, name, files = _about(locked), locked.name, state.outside
    if files is None or state.tag not in locked.digests or state.version != locked.version:
        return
    expected = (locked.data_digests or {}).get(str(state.tag))
    absent = (*files.missing, *files.unreadable)
    if locked.data_digests == {}:
        if files.hashes:
            yield about(
                "unpinned-file",
                f"the lock holds no digest of the scripts, headers and data of `{name}`, so "
                "they weren't verified",
                hint="lock it without the other distribution that overwrites them",
            )
    elif expected is None:
        for path in (*files.hashes, *absent)[:_MAX_NAMED]:
            yield about(
                "unlocked-file",
                f"`{path}` of `{name}` isn't in the wheel that was locked",
                where=path,
                hint="remove the file and identify its source; if the lock is older than "
                "`data_digests`, run `coral-runtime lock`",
            )
    elif not (files.hashes or absent):
        yield about(
            "digest-mismatch",
            f"the scripts, headers and data of `{name}` aren't those that were locked: its "
            "RECORD lists none",
            expected=expected,
            found="none",
        )
    elif files.are_absent:
        yield about(
            "unpinned-file",
            f"the scripts, headers and data of `{name}` are missing, so they can't be verified",
            expected=expected,
            found="none",
        )
    elif absent:
        yield from _absent_findings(locked, files.missing, files.unreadable)
    elif files.digest != expected:
        yield from _changed_findings(locked, files.changed, expected, files.digest)
        if not files.changed:
            summary = f"`{name}` has other scripts, headers or data than the locked ones"
            yield about("digest-mismatch", summary, expected=expected, found=files.digest)


def _absent_findings(
    locked: LockedDistribution, missing: Iterable[str], unreadable: Iterable[str]
) -> Iterator[Finding]:
    about = _about(locked)
    problems = [(path, "is missing") for path in missing]
    problems += [(path, "can't be read") for path in unreadable]
    for path, problem in problems[:_MAX_NAMED]:
        yield about("file-missing", f"`{path}` of `{locked.name}` {problem}", where=path)


def _changed_findings(
    locked: LockedDistribution, changed: Sequence[str], expected: str | None, found: str
) -> Iterator[Finding]:
    about, rest = _about(locked), len(changed) - _MAX_NAMED
    for path in changed[:_MAX_NAMED]:
        summary = f"`{path}` of `{locked.name}` isn't the file that was locked"
        yield about("digest-mismatch", summary, expected=expected, found=found, where=path)
    if rest > 0:
        summary = f"{rest} more files of `{locked.name}` aren't what was locked"
        yield about("digest-mismatch", summary, found=found)


def _requires_findings(
    locked: LockedDistribution, state: InstalledState, machine: MachineState
) -> Iterator[Finding]:
    """Compare the names that a distribution requires with its METADATA.

    Markers aren't evaluated here: a requirement with one may be locked or not.
    """
    if state.version != locked.version:
        return
    possible = {requirement_name(each) for each in state.requires}
    needed = {requirement_name(each) for each in state.requires if ";" not in each}
    needed = needed.intersection(machine.distributions) - {locked.name}
    extra = sorted(set(locked.requires) - possible)
    lacking = sorted(needed - set(locked.requires))
    if extra or lacking:
        yield Finding(
            code="requires-drift",
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


def _plugin_findings(
    plugin: LockedPlugin, machine: MachineState, declared: frozenset[str]
) -> Iterator[Finding]:
    """Yield what is wrong with a plugin; `declared` are the entry points of its group."""
    state = machine.distributions[plugin.distribution]
    if len(state.locations) != 1 or state.broken:
        return
    where = join_path("plugins", plugin.id) + ".entry_point"
    if plugin.entry_point not in declared:
        more = f", and {len(declared) - _MAX_NAMED} more" if len(declared) > _MAX_NAMED else ""
        yield Finding(
            code="entry-point-drift",
            subject=plugin.id,
            summary=f"`{plugin.distribution}` declares no such entry point",
            expected=plugin.entry_point,
            found=", ".join(sorted(declared)[:_MAX_NAMED]) + more or "none in this group",
            where=where,
            hint=_RELOCK,
        )
    origin = machine.entry_origins.get(plugin.id)
    if origin is None or origin.is_own:
        return
    if origin.own_file is None:
        yield Finding(
            code="foreign-target",
            subject=plugin.id,
            summary=f"`{origin.module}` isn't a module of `{plugin.distribution}`'s own files",
            expected=f"a file of {plugin.distribution}",
            found=origin.origin or "nothing",
            where=origin.origin or where,
            hint="the entry point must name a module that its own distribution ships",
        )
    elif origin.origin is None:
        yield Finding(
            code="foreign-target",
            subject=plugin.id,
            summary=f"`{origin.module}` can't be imported from where `{plugin.distribution}` is",
            expected=origin.own_file,
            found="nothing",
            where=where,
            hint=f"reinstall `{plugin.distribution}`",
        )
    else:
        yield _shadow_finding(plugin.id, origin, origin.origin)


def _shadow_finding(subject: str, origin: ModuleOrigin, place: str) -> Finding:
    return Finding(
        code="module-shadowed",
        subject=subject,
        summary=f"another file than the locked one would be imported as `{origin.module}`"
        if place == origin.origin
        else f"importing `{origin.module}` would run a file that nobody locked",
        expected=origin.own_file,
        found=place,
        where=place,
        hint="remove that file, or take its directory off PYTHONPATH",
    )


def _unlocked_findings(machine: MachineState) -> Iterator[Finding]:
    """Yield the distributions and files that the lock isn't responsible for."""
    for name, place in machine.unlocked:
        yield Finding(
            code="unlocked-plugin",
            subject=name,
            summary=f"`{name}` declares plugins, and the lock doesn't name it",
            where=place,
            hint=f"uninstall `{name}`, or run `coral-runtime lock` and have it reviewed",
        )
    for file in machine.unlocked_startup[:_MAX_NAMED]:
        yield Finding(
            code="unlocked-startup",
            subject=file.name,
            summary=f"`{file.name}` runs at every start of Python, before anything is checked, "
            "and no locked distribution ships it",
            where=file.place,
            hint=_REMOVE,
        )
    shipped = {
        path.split("/")[1]
        for state in machine.distributions.values()
        for path in (state.placed.outside if state.placed else ())
        if path.startswith("scripts/")
    }
    scripts = [each for each in sorted(machine.shadowing_scripts.items()) if each[0] not in shipped]
    for name, place in scripts[:_MAX_NAMED]:
        yield Finding(
            code="shadowing-script",
            subject=name,
            summary=f"`{name}` is beside the commands, which would import it instead of the module "
            "of that name",
            where=place,
            hint=_REMOVE,
        )
