"""Is the manifest valid, does it agree with the code, and is it free of contradictions?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from coral_lock.author.project import DeclaredEntryPoint
from coral_lock.author.specs import LearntEntryPoint, is_version
from coral_lock.author.subject import Subject, finding, open_target
from coral_lock.document.node import nearest
from coral_lock.errors import DOES_NOT_HOLD, CoralLockError, InputError, ProblemsError
from coral_lock.finding import Finding
from coral_lock.lockfile.order import CycleError, activation_order
from coral_lock.manifest import ManifestPlugin, manifest_paths, read_manifest
from coral_lock.names import GROUPS, plugin_id, split_plugin_id
from coral_lock.plugin.config import BUILT_IN_PATCHES
from coral_lock.plugin.facts import MANIFEST_NAME

COMPILE_HINT = "run `coral-runtime manifest compile`"
_INCLUDE_HINT = "and configure the build back end to include the file in the wheel"
_VERSIONS = ("min_core_version", "min_inference_version")
_ALIKE = 0.8


@dataclass(frozen=True, kw_only=True, slots=True)
class ManifestFile:
    """A manifest: its path under the site root, what it declares, and what is wrong with it."""

    path: str
    plugins: tuple[ManifestPlugin, ...] = ()
    mistakes: tuple[CoralLockError, ...] = ()

    def of_entry_point(self, declared: DeclaredEntryPoint) -> tuple[ManifestPlugin, ...]:
        """Return the declared plugins of an entry point."""
        entry_point = declared.entry_point
        wanted = (entry_point.group, entry_point.value)
        return tuple(each for each in self.plugins if (each.group, each.entry_point) == wanted)


Manifests: TypeAlias = Mapping[str, ManifestFile]
"""The manifest of the module of each entry point, by its dotted name, where there is one."""


def read_manifests(subject: Subject) -> Manifests:
    """Return the manifests of the packages that the entry points of a subject name."""
    files: dict[str, ManifestFile | None] = {}
    found: dict[str, ManifestFile] = {}
    for declared in subject.entry_points:
        for path in manifest_paths(declared.module):
            if path not in files:
                files[path] = _read(subject, path)
            file = files[path]
            if file is not None:
                found[declared.module] = file
                break
    return found


def _read(subject: Subject, path: str) -> ManifestFile | None:
    try:
        content = subject.read_source(path)
        if content is None:
            return None
        plugins = read_manifest(content, subject.shown(path)).plugins
    except InputError as error:
        return ManifestFile(path=path, mistakes=(error,))
    except ProblemsError as error:
        return ManifestFile(path=path, mistakes=error.problems)
    return ManifestFile(path=path, plugins=plugins)


def plugins_of(manifests: Manifests) -> tuple[ManifestPlugin, ...]:
    """Return every plugin that manifests declare."""
    files = {file.path: file for file in manifests.values()}
    return tuple(plugin for file in files.values() for plugin in file.plugins)


def declared_plugins(source: str) -> tuple[ManifestPlugin, ...]:
    """Return the plugins that a wheel, an installed distribution or a project declares.

    Raises:
        InputError: it can't be read, or a manifest has a mistake.
        NoPluginError: it has no plugin (exit code 1).
        ProblemsError: manifests have several mistakes.
        CoralLockError: it ships no manifest (exit code 1).
    """
    with open_target(source) as subject:
        if not subject.entry_points:
            error = subject.problems[0]
            raise InputError(error.message, where=error.where, hint=error.hint)
        manifests = read_manifests(subject)
    files = {file.path: file for file in manifests.values()}
    mistakes = [mistake for file in files.values() for mistake in file.mistakes]
    if len(mistakes) == 1:
        raise mistakes[0]
    if mistakes:
        raise ProblemsError(f"the manifest has {len(mistakes)} mistakes", tuple(mistakes))
    if not plugins_of(manifests):
        missing = CoralLockError(
            f"`{subject.target}` ships no manifest", hint=f"in its project, {COMPILE_HINT}"
        )
        missing.exit_code = DOES_NOT_HOLD
        raise missing
    return plugins_of(manifests)


def check_manifests(
    subject: Subject, learnt: Iterable[LearntEntryPoint], manifests: Manifests
) -> Iterator[Finding]:
    """Yield the findings about the manifests of a subject."""
    without: dict[str, DeclaredEntryPoint] = {}
    for declared in subject.entry_points:
        if declared.module not in manifests:
            without.setdefault(declared.module.partition(".")[0], declared)
    for package, declared in without.items():
        yield finding(
            "manifest-missing",
            subject.name,
            f"the package `{package}` ships no `{MANIFEST_NAME}`",
            declared.where,
            f"{COMPILE_HINT}, {_INCLUDE_HINT}" if subject.files else COMPILE_HINT,
        )
    used = {file.path: file for file in manifests.values()}
    for path in subject.files:
        if path.endswith(f"/{MANIFEST_NAME}") and path not in used:
            yield finding(
                "manifest-misplaced",
                subject.name,
                "the manifest isn't in a package that an entry point names, so it is ignored",
                subject.shown(path),
                "move it into the top-level package that an entry point names",
            )
    for file in used.values():
        for error in file.mistakes:
            yield finding(
                "manifest-invalid",
                subject.name,
                error.message,
                error.where or subject.shown(file.path),
                error.hint,
                expected=error.expected,
                found=error.found,
            )
    for entry in learnt:
        if entry.declared.module in manifests:
            yield from _disagreements(subject, entry, manifests[entry.declared.module])
    plugins = plugins_of(manifests)
    known = {(each.entry_point.group, each.entry_point.value) for each in subject.entry_points}
    for plugin in plugins:
        if (plugin.group, plugin.entry_point) not in known:
            yield finding(
                "manifest-stale",
                plugin.id,
                f"the manifest declares `{plugin.id}` of an entry point that isn't declared",
                plugin.place,
                COMPILE_HINT,
                found=f"`{plugin.entry_point}`",
            )
    yield from _contradictions(plugins)


def _disagreements(
    subject: Subject, entry: LearntEntryPoint, file: ManifestFile
) -> Iterator[Finding]:
    """Yield where the manifest and the code of an entry point differ."""
    if file.mistakes:
        return

    def stale(identifier: str, summary: str, where: str, **details: str) -> Finding:
        hint = COMPILE_HINT
        if entry.refusal or entry.unresolved:
            # What can't be read from the source can't be compiled either.
            hint = f"correct {where} by hand"
        return finding("manifest-stale", identifier, summary, where, hint, **details)

    stated = {plugin.facts.name: plugin for plugin in file.of_entry_point(entry.declared)}
    yielded = {facts.name: facts for facts in entry.facts}
    value, shown = entry.declared.entry_point.value, subject.shown(file.path)
    if not stated and not yielded:
        summary = f"the manifest doesn't declare the plugins of the entry point `{value}`"
        yield stale(entry.declared.id, summary, shown)
    for name, facts in yielded.items():
        identifier = entry.id_of(facts)
        if name not in stated:
            yield stale(identifier, f"the manifest doesn't declare `{identifier}`", shown)
            continue
        plugin = stated[name]
        for field in ("description", *_VERSIONS):
            in_manifest, in_code = getattr(plugin.facts, field), getattr(facts, field)
            # An invalid version has a finding of its own, and no manifest can state it.
            is_invalid = field in _VERSIONS and in_code is not None and not is_version(in_code)
            if in_manifest != in_code and not is_invalid:
                yield stale(
                    identifier,
                    f"the manifest and the code of `{identifier}` differ in its {field}",
                    plugin.place,
                    expected=f"`{in_code}`" if in_code else "none",
                    found=f"`{in_manifest}`" if in_manifest else "none",
                )
    for name in stated.keys() - yielded.keys() if yielded else ():
        plugin = stated[name]
        summary = f"the manifest declares `{plugin.id}`, which `{value}` doesn't yield"
        yield stale(plugin.id, summary, plugin.place)


def _contradictions(plugins: tuple[ManifestPlugin, ...]) -> Iterator[Finding]:
    own = {plugin.id: plugin for plugin in plugins}
    before: dict[str, tuple[str, ...]] = {}
    for plugin in plugins:
        required = {relation.id for relation in plugin.terms.requires}
        conflicting = {relation.id for relation in plugin.terms.conflicts}
        named = {*plugin.terms.after, *required, *conflicting}
        earlier = {*plugin.terms.after, *required} - {plugin.id}
        if plugin.id in named:
            yield _contradiction(plugin, f"`{plugin.id}` names itself in its relations")
        for other in sorted(required - {plugin.id}):
            if other in conflicting or (
                other in own and plugin.id in {r.id for r in own[other].terms.conflicts}
            ):
                yield _contradiction(
                    plugin, f"`{plugin.id}` requires `{other}`, and conflicts with it"
                )
        late = {other for other in earlier if _order(other) > _order(plugin.id)}
        for other in sorted(late):
            yield _contradiction(
                plugin,
                f"`{plugin.id}` can't come after `{other}`: the groups are activated in the "
                f"order {', '.join(GROUPS)}",
            )
        for other in sorted(named - own.keys()):
            yield from _near_miss(other, own, plugin.place, plugin.id)
        before[plugin.id] = tuple(sorted(earlier - late))
    try:
        activation_order(before)
    except CycleError as error:
        yield _contradiction(own[error.cycle[0]], error.message)


def _order(identifier: str) -> int:
    return GROUPS.index(split_plugin_id(identifier)[0])


def _contradiction(plugin: ManifestPlugin, summary: str) -> Finding:
    hint = "remove one of the ids from `after`, `requires` or `conflicts`"
    return finding("manifest-contradiction", plugin.id, summary, plugin.place, hint)


def _near_miss(identifier: str, own: Iterable[str], where: str, subject: str) -> Iterator[Finding]:
    """Yield a finding if an id that isn't the distribution's own is nearly one of them."""
    similar = nearest(identifier, own, likeness=_ALIKE)
    if similar is not None:
        yield finding(
            "near-miss",
            subject,
            f"`{identifier}` is nearly the name of a plugin of this distribution",
            where,
            f"did you mean `{similar}`?",
            expected=f"`{similar}`",
            found=f"`{identifier}`",
        )


def check_samples(subject: Subject, own: Collection[str]) -> Iterator[Finding]:
    """Yield the findings about the sample configurations of a subject.

    Args:
        subject: what is checked.
        own: the ids of its plugins.
    """
    for sample in subject.samples:
        for problem in sample.problems:
            yield finding(
                "sample-invalid",
                subject.name,
                f"a sample configuration is invalid: {problem.message}",
                problem.where or sample.path,
                problem.hint,
                expected=problem.expected,
                found=problem.found,
            )
        for request in sample.descriptor.requests if sample.descriptor else ():
            identifier = plugin_id(request.group, request.name)
            is_host_s = request.group == "patches" and request.name in BUILT_IN_PATCHES
            if identifier not in own and not is_host_s:
                yield from _near_miss(identifier, own, request.where, subject.name)
