"""Is this machine exactly what was reviewed? Plain data in, sorted findings out."""

from __future__ import annotations

from coral_lock.canonical_json import join_path
from coral_lock.finding import ERROR, WARNING, Finding, finding_of_error, sorted_findings
from coral_lock.names import HOST_DISTRIBUTIONS, requirement_name
from coral_lock.reserved import reserved_findings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from coral_lock.installed.files import FilesDigest
    from coral_lock.lockfile.entries import LockedDistribution
    from coral_lock.lockfile.model import Lock
    from coral_lock.verification.machine import InstalledState, MachineState
    from coral_lock.verification.origins import ModuleOrigin

_MAX_NAMED = 20
_RELOCK = "if this is wanted, deploy a reviewed lock with it, made by `coral-runtime lock`"
_REINSTALL = "install `{subject}=={version}` again, from a wheel you trust"
_REMOVE = "remove it, or uninstall what it belongs to"
_UNSET = (
    "unset it, or accept it in the descriptor, with a locked distribution that needs it: "
    "`distributions: {{NAME: {{accept: [{code}]}}}}`"
)
_FOREIGN_HOST = "`{module}` would be imported from a file that isn't the locked {role} host's"

_SUMMARIES = {
    "python-drift": "the lock was made for another version of Python",
    "host-unverified": "the version of the {role} host can't be verified: it was given on the "
    "command line or in the descriptor, and the distribution isn't installed",
    "host-drift": "the {role} host isn't the one that the lock was made for",
    "host-drift module": _FOREIGN_HOST,
    "module-shadowed host": _FOREIGN_HOST,
    "module-shadowed": "another file than the locked one would be imported as `{module}`",
    "module-shadowed parent": "importing `{module}` would run a file that nobody locked",
    "distribution-missing": "`{subject}` isn't installed",
    "duplicate-distribution": "`{subject}` is installed {count} times",
    "version-drift": "`{subject}` has another version than the lock",
    "requirement-unmet": "`{subject}` requires `{requirement}`, found nothing",
    "unpinned": "the lock holds no digest of `{subject}`, so its files weren't verified",
    "editable-install": "`{subject}` is an editable install, whose files aren't those of the lock",
    "unlocked-file": "unexpected file in a directory of `{subject}`: `{path}`",
    "unlocked-file claimed": "`{owner}`, which isn't verified, has a file in a directory of "
    "`{subject}`: `{path}`",
    "unlocked-file bytecode": "bytecode of no locked source is in `{subject}`: `{path}`",
    "unlocked-file outside": "`{path}` of `{subject}` isn't in the wheel that was locked",
    "file-missing": "`{path}` of `{subject}` is missing",
    "file-missing unreadable": "`{path}` of `{subject}` can't be read",
    "platform-drift": "the lock covers no wheel of `{subject}` like the one installed",
    "digest-mismatch": "`{path}` of `{subject}` isn't the file that was locked",
    "digest-mismatch more": "{count} more files of `{subject}` aren't what was locked",
    "digest-mismatch record": "`{path}` of `{subject}` isn't the file that its RECORD states",
    "digest-mismatch hidden": "`{subject}` isn't what was locked, and its RECORD hides which file "
    "changed",
    "digest-mismatch outside": "`{subject}` has other scripts, headers or data than the locked "
    "ones",
    "unpinned-file": "the lock holds no digest of the scripts, headers and data of `{subject}`, so "
    "they weren't verified",
    "unpinned-file absent": "the scripts, headers and data of `{subject}` are missing, so they "
    "can't be verified",
    "requires-drift": "`{subject}` requires other distributions than the lock says",
    "entry-point-drift": "`{distribution}` declares no such entry point",
    "foreign-target": "`{module}` isn't a module of `{distribution}`'s own files",
    "foreign-target absent": "`{module}` can't be imported from where `{distribution}` is",
    "unlocked-plugin": "`{subject}` declares plugins, and the lock doesn't name it",
    "unlocked-plugin added": "`{subject}` declares plugins, and the lock names it as one without "
    "any",
    "unlocked-startup": "`{subject}` runs at every start of Python, before anything is checked, "
    "and no locked distribution ships it",
    "shadowing-script": "`{subject}` is beside the commands, which would import it instead of the "
    "module of that name",
    "loader-path": "`{subject}` says where libraries are searched for first, and no lock covers "
    "what is there",
    "loader-preload": "`{subject}` puts libraries into every process, and no lock covers them",
}
"""What is said in each situation: a code, and a word behind it where a code has several.

What isn't here is said as of the code alone.
"""

_HINTS = {
    "python-drift": "start it with that Python, or lock for this one",
    "host-unverified": "install `{subject}=={version}`, so that it is checked",
    "host-drift": "install `{subject}=={version}`",
    "host-drift unlocked": _RELOCK,
    "host-drift module": "remove it, or find out which distribution it belongs to",
    "module-shadowed host": "remove it, or find out which distribution it belongs to",
    "module-shadowed": "remove that file, or take its directory off PYTHONPATH",
    "duplicate-distribution": "uninstall all of them, then install the locked version once",
    "version-drift": f"install `{{subject}}=={{version}}`; {_RELOCK}",
    "requirement-unmet": "add what meets it, then lock again and have the change reviewed",
    "unpinned": "lock it from a wheel",
    "unpinned plugin": "lock it from a wheel; `--integrity metadata` starts without it",
    "unlocked-file": "remove the file, and identify its source",
    "unlocked-file claimed": "add `{owner}` to `program.requires` in the descriptor, and re-lock "
    "with `coral-runtime lock`; or uninstall it",
    "unlocked-file bytecode": "remove that `__pycache__`; Python makes it again",
    "unlocked-file outside": "remove the file and identify its source; if the lock is older than "
    "`data_digests`, run `coral-runtime lock`",
    "platform-drift": "install a wheel that the lock covers, or lock for this machine",
    "unpinned-file": "lock it without the other distribution that overwrites them",
    "unpinned-file absent": _REINSTALL,
    "requires-drift": _RELOCK,
    "entry-point-drift": _RELOCK,
    "foreign-target": "the entry point must name a module that its own distribution ships",
    "foreign-target absent": "reinstall `{distribution}`",
    "unlocked-plugin": "uninstall `{subject}`, or run `coral-runtime lock` and have it reviewed",
    "unlocked-plugin added": "reinstall `{subject}` from a wheel you trust, or run `coral-runtime "
    "lock` and have it reviewed",
    "unlocked-startup": _REMOVE,
    "shadowing-script": _REMOVE,
    "loader-path": _UNSET,
    "loader-preload": _UNSET,
}
"""What helps, likewise; where the code isn't here either, to install the distribution again."""


def _finding(
    situation: str, subject: str, where: str | None, *compared: str | None, **values: object
) -> Finding:
    """Return the finding of a situation; `compared` are what was expected and found, if known."""
    expected, found, *_ = (*compared, None, None)
    code = situation.partition(" ")[0]
    summary = _SUMMARIES.get(situation) or _SUMMARIES[code]
    hint = _HINTS.get(situation) or _HINTS.get(code, _REINSTALL)
    return Finding(
        code=code,
        subject=subject,
        summary=summary.format(subject=subject, **values),
        expected=expected,
        found=found,
        where=where,
        hint=hint.format(subject=subject, **values),
    )


def findings_of(lock: Lock, machine: MachineState) -> tuple[Finding, ...]:
    """Return every deviation of the machine from the lock, in a fixed order."""
    hosts = {package.distribution for package in lock.host.packages()}
    providers = lock.plugin_distributions()
    findings = [*_host_findings(lock, machine), *_plugin_findings(lock, machine)]
    if machine.python != lock.host.python:
        versions = (f"Python {lock.host.python}", f"Python {machine.python}")
        findings.append(_finding("python-drift", "python", "host.python", *versions))
    for locked in lock.distributions:
        name, state = locked.name, machine.distributions[locked.name]
        must_be_pinned = name in providers and machine.integrity != "metadata"
        comparison = _Comparison(locked, state)
        findings += comparison.findings(name in hosts, must_be_pinned)
        findings += comparison.requires_findings(machine)
        if state.placed is not None:
            findings += reserved_findings(
                name,
                state.placed,
                provides_plugins=name in providers,
                accepted=locked.accepted,
            )
    for name, origins in machine.root_origins.items():
        for origin in origins:
            if origin.intruder is not None:
                findings.append(_shadow_finding(name, origin, origin.intruder))
            if origin.origin is not None and not origin.is_own:
                findings.append(_shadow_finding(name, origin, origin.origin))
    findings += _unlocked_findings(machine)
    findings += _loader_findings(lock, machine)
    return sorted_findings(set(findings))


def _host_findings(lock: Lock, machine: MachineState) -> Iterator[Finding]:
    """Compare the hosts and their modules; a host that was never installed may be absent."""
    locked = {distribution.name for distribution in lock.distributions}
    for role, package in (("core", lock.host.core), ("inference", lock.host.inference)):
        states = [machine.hosts[name] for name in HOST_DISTRIBUTIONS[role] if name in machine.hosts]
        where = join_path("host", role)
        installed = [(state.name, state.version) for state in states]
        found = ", ".join(map(_show_host, states)) or "none"
        module = machine.host_origins.get(role)
        is_shadowed = module is not None and not module.is_own
        if package is None:
            if states:
                name = states[0].name
                yield _finding("host-drift unlocked", name, where, "none", found, role=role)
            if module and is_shadowed and role == "core":
                name, place = module.module, module.origin
                details = ("no such module", place)
                yield _finding("host-drift module", name, place, *details, role=role, module=name)
            continue
        name, version = package.distribution, package.version
        expected = f"{name} {version}"
        values = {"role": role, "version": version}
        if not states and name not in locked:
            yield _finding("host-unverified", name, where, expected, found, **values)
        elif installed != [(name, version)]:
            yield _finding("host-drift", name, where, expected, found, **values)
        if module and is_shadowed:
            place, values = module.origin, {"role": role, "module": module.module}
            yield _finding("module-shadowed host", name, place, expected, place, **values)


def _show_host(state: InstalledState) -> str:
    if len(state.locations) > 1:
        return f"{state.name} in {len(state.locations)} copies"
    return f"{state.name} {state.version or 'of unknown version'}"


class _Comparison:
    """Compares what is installed of a distribution with what the lock says of it."""

    def __init__(self, locked: LockedDistribution, state: InstalledState) -> None:
        self.locked = locked
        self.state = state
        self.is_same_version = state.version == locked.version

    def _finding(self, situation: str, *compared: str | None, **values: object) -> Finding:
        """Return a finding about the distribution or, if there is a `path`, about that file."""
        name, path = self.locked.name, values.get("path")
        where = str(path) if path else join_path("distributions", name)
        return _finding(situation, name, where, *compared, version=self.locked.version, **values)

    def findings(self, is_host: bool, must_be_pinned: bool) -> Iterator[Finding]:
        locked, state = self.locked, self.state
        count = len(state.locations)
        if count == 0:
            if not is_host:
                yield self._finding("distribution-missing", locked.version, "nothing")
        elif count > 1:
            found = ", ".join(state.locations)
            yield self._finding("duplicate-distribution", "one copy", found, count=count)
        elif error := state.broken:
            finding = finding_of_error(error, error.code, locked.name)
            yield finding.replace(summary=f"`{locked.name}`: {error.message}")
        else:
            if not self.is_same_version and not is_host:
                yield self._finding("version-drift", locked.version, str(state.version))
            for each in state.lacking:
                yield self._finding("requirement-unmet", each, "nothing", requirement=each)
            if not locked.digests:
                if must_be_pinned:
                    yield self._finding("unpinned plugin").replace(severity=ERROR)
                else:
                    yield self._finding("unpinned")
            elif state.editable:
                expected = f"an installed wheel of version {locked.version}"
                found = f"an editable install of version {state.version}"
                yield self._finding("editable-install", expected, found)
            else:
                yield from self._file_findings()

    def _file_findings(self) -> Iterator[Finding]:
        locked, state = self.locked, self.state
        unowned = [path for path in state.strays if path not in state.owners]
        for path in unowned[:_MAX_NAMED]:
            yield self._finding("unlocked-file", path=path)
        for path in state.leftovers[:1]:
            yield self._finding("unlocked-file bytecode", path=path).replace(severity=WARNING)
        first = {owner: path for path, owner in reversed(state.owners.items())}
        for owner, path in sorted(first.items())[:_MAX_NAMED]:
            severity = ERROR if path in state.strays else WARNING
            finding = self._finding("unlocked-file claimed", path=path, owner=owner)
            yield finding.replace(severity=severity)
        if state.digest is not None:
            yield from self._digest_findings(state.digest)
        # Where no other file was hashed, nothing else would say that the tag isn't the locked one.
        is_comparable = state.tag in locked.digests or state.digest is None
        if state.outside and is_comparable and self.is_same_version:
            yield from self._outside_findings(state.outside)

    def _digest_findings(self, files: FilesDigest) -> Iterator[Finding]:
        """Yield what differs under the site root.

        Another version or another wheel has other bytes, which is no tampering; a file that
        contradicts its own RECORD is.
        """
        digests, tag = self.locked.digests, str(self.state.tag)
        expected = digests.get(tag)
        yield from self._absent_findings(files)
        if self.state.proved:
            yield from self._changed_findings(files, " or ".join(sorted(set(digests.values()))))
        elif files.missing or files.unreadable:
            return
        elif expected is None or not self.is_same_version:
            if self.is_same_version:
                yield self._finding("platform-drift", ", ".join(sorted(digests)), tag)
            for path in files.changed[:_MAX_NAMED]:
                yield self._finding("digest-mismatch record", path=path)
        elif files.digest != expected:
            yield from self._changed_findings(files, expected, "digest-mismatch hidden")

    def _outside_findings(self, files: FilesDigest) -> Iterator[Finding]:
        """Yield what differs of the scripts, headers and data of a wheel that the lock covers."""
        digests = self.locked.data_digests
        expected = (digests or {}).get(str(self.state.tag))
        absent = (*files.missing, *files.unreadable)
        if digests == {}:
            if files.hashes:
                yield self._finding("unpinned-file")
        elif expected is None:
            for path in (*files.hashes, *absent)[:_MAX_NAMED]:
                yield self._finding("unlocked-file outside", path=path)
        elif files.are_absent:
            yield self._finding("unpinned-file absent", expected, "none")
        elif absent:
            yield from self._absent_findings(files)
        elif files.digest != expected:
            yield from self._changed_findings(files, expected, "digest-mismatch outside")

    def _absent_findings(self, files: FilesDigest) -> Iterator[Finding]:
        absent = [("file-missing", path) for path in files.missing]
        absent += [("file-missing unreadable", path) for path in files.unreadable]
        for situation, path in absent[:_MAX_NAMED]:
            yield self._finding(situation, path=path)

    def _changed_findings(
        self, files: FilesDigest, expected: str, otherwise: str | None = None
    ) -> Iterator[Finding]:
        """Yield the files that changed; where none is known to have, the situation `otherwise`."""
        found = files.digest if files.hashes else "none"
        for path in files.changed[:_MAX_NAMED]:
            yield self._finding("digest-mismatch", expected, found, path=path)
        rest = len(files.changed) - _MAX_NAMED
        if rest > 0:
            yield self._finding("digest-mismatch more", None, found, count=rest)
        if otherwise and not files.changed:
            yield self._finding(otherwise, expected, found)

    def requires_findings(self, machine: MachineState) -> Iterator[Finding]:
        """Compare the names that a distribution requires with its METADATA.

        Markers aren't evaluated here: a requirement with one may be locked or not.
        """
        if not self.is_same_version:
            return
        locked, stated = self.locked, self.state.requires
        possible = {requirement_name(each) for each in stated}
        needed = {requirement_name(each) for each in stated if ";" not in each}
        needed = needed.intersection(machine.distributions) - {locked.name}
        extra = sorted(set(locked.requires) - possible)[:_MAX_NAMED]
        lacking = sorted(needed - set(locked.requires))[:_MAX_NAMED]
        if extra or lacking:
            found = [f"`{name}` isn't required" for name in extra]
            found += [f"`{name}` is required too" for name in lacking]
            yield _finding(
                "requires-drift",
                locked.name,
                join_path("distributions", locked.name) + ".requires",
                ", ".join(locked.requires) or "none",
                "; ".join(found),
            )


def _plugin_findings(lock: Lock, machine: MachineState) -> Iterator[Finding]:
    """Compare entry points with those of their group, and with where their modules come from."""
    declared: dict[tuple[str, str], set[str]] = {}
    for name, state in machine.distributions.items():
        for each in state.entry_points:
            declared.setdefault((name, each.group), set()).add(each.value)
    for plugin in lock.plugins:
        name, state = plugin.distribution, machine.distributions[plugin.distribution]
        if len(state.locations) != 1 or state.broken:
            continue
        where = join_path("plugins", plugin.id) + ".entry_point"
        values = declared.get((name, plugin.group), set())
        if plugin.entry_point not in values:
            more = f", and {len(values) - _MAX_NAMED} more" if len(values) > _MAX_NAMED else ""
            found = ", ".join(sorted(values)[:_MAX_NAMED]) + more or "none in this group"
            details = (where, plugin.entry_point, found)
            yield _finding("entry-point-drift", plugin.id, *details, distribution=name)
        origin = machine.entry_origins.get(plugin.id)
        if origin is None or origin.is_own:
            continue
        if origin.own_file and origin.origin:
            yield _shadow_finding(plugin.id, origin, origin.origin)
            continue
        yield _finding(
            "foreign-target absent" if origin.own_file else "foreign-target",
            plugin.id,
            origin.origin or where,
            origin.own_file or f"a file of {name}",
            origin.origin or "nothing",
            module=origin.module,
            distribution=name,
        )


def _shadow_finding(subject: str, origin: ModuleOrigin, place: str) -> Finding:
    situation = "module-shadowed" if place == origin.origin else "module-shadowed parent"
    return _finding(situation, subject, place, origin.own_file, place, module=origin.module)


def _unlocked_findings(machine: MachineState) -> Iterator[Finding]:
    """Yield the distributions and files that the lock isn't responsible for."""
    for name, place in machine.unlocked:
        is_locked = name in machine.distributions
        yield _finding("unlocked-plugin" + " added" * is_locked, name, place)
    for file in machine.unlocked_startup[:_MAX_NAMED]:
        yield _finding("unlocked-startup", file.name, file.place)
    shipped = {
        path.split("/")[1]
        for state in machine.distributions.values()
        for path in (state.placed.outside if state.placed else ())
        if path.startswith("scripts/")
    }
    scripts = [each for each in sorted(machine.shadowing_scripts.items()) if each[0] not in shipped]
    for name, place in scripts[:_MAX_NAMED]:
        yield _finding("shadowing-script", name, place)


def _loader_findings(lock: Lock, machine: MachineState) -> Iterator[Finding]:
    """Yield the variables that the loader heeds, unless they are accepted from a distribution."""
    accepted = {code for locked in lock.distributions for code in locked.accepted}
    for name, value in machine.loader_variables.items():
        code = "loader-path" if name.endswith("_PATH") else "loader-preload"
        if code not in accepted:
            yield _finding(code, name, None, "nothing", value, code=code)
