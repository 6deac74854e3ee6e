"""Is the manifest valid, does it agree with the code, and is it free of contradictions?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from coral_lock.author.manifest_text import DERIVED_KEYS, VERSION_KEYS, plugin_document
from coral_lock.author.project import DeclaredEntryPoint
from coral_lock.author.specs import LearntEntryPoint, is_version
from coral_lock.author.subject import Subject, open_target
from coral_lock.document.node import nearest
from coral_lock.errors import (
    DOES_NOT_HOLD,
    CoralLockError,
    InputError,
    ProblemsError,
    raise_together,
)
from coral_lock.finding import Finding, finding_of_error
from coral_lock.lockfile.order import CycleError, activation_order
from coral_lock.manifest import ManifestPlugin, manifest_paths, read_manifest
from coral_lock.names import GROUPS, split_plugin_id
from coral_lock.plugin.config import BUILT_IN_PATCHES
from coral_lock.plugin.facts import MANIFEST_NAME

COMPILE_HINT = "run `coral-runtime manifest compile`"
_INCLUDE_HINT = "and configure the build back end to include the file in the wheel"
_ALIKE = 0.8


@dataclass(frozen=True, kw_only=True, slots=True)
class ManifestFile:
    """A manifest: its path under the site root, what it declares, and what is wrong with it."""

    path: str
    plugins: tuple[ManifestPlugin, ...] = ()
    mistakes: tuple[CoralLockError, ...] = ()


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
        plugins = read_manifest(content, subject.shown(path))
    except (InputError, ProblemsError) as error:
        return ManifestFile(path=path, mistakes=getattr(error, "problems", (error,)))
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
            raise subject.problems[0]
        manifests = read_manifests(subject)
    files = {file.path: file for file in manifests.values()}
    mistakes = [mistake for file in files.values() for mistake in file.mistakes]
    raise_together(mistakes, "the manifest")
    if not plugins_of(manifests):
        missing = CoralLockError(
            f"`{subject.target}` ships no manifest", hint=f"in its project, {COMPILE_HINT}"
        )
        missing.exit_code = DOES_NOT_HOLD
        raise missing
    return plugins_of(manifests)


def check_manifests(
    subject: Subject, learnt: Sequence[LearntEntryPoint], manifests: Manifests
) -> Iterator[Finding]:
    """Yield the findings about the manifests of a subject."""
    without: dict[str, DeclaredEntryPoint] = {}
    for declared in subject.entry_points:
        if declared.module not in manifests:
            without.setdefault(declared.module.partition(".")[0], declared)
    for package, declared in without.items():
        yield Finding(
            code="manifest-missing",
            subject=subject.name,
            summary=f"the package `{package}` ships no `{MANIFEST_NAME}`",
            where=declared.where,
            hint=f"{COMPILE_HINT}, {_INCLUDE_HINT}" if subject.files else COMPILE_HINT,
        )
    used = {file.path: file for file in manifests.values()}
    for path in subject.files:
        if path.endswith(f"/{MANIFEST_NAME}") and path not in used:
            yield Finding(
                code="manifest-misplaced",
                subject=subject.name,
                summary="the manifest isn't in a package that an entry point names, so it is "
                "ignored",
                where=subject.shown(path),
                hint="move it into the top-level package that an entry point names",
            )
    for file in used.values():
        for error in file.mistakes:
            yield finding_of_error(error, "manifest-invalid", subject.name)
        if not file.mistakes:
            entries = [each for each in learnt if manifests.get(each.declared.module) is file]
            yield from _disagreements(subject, entries, file)
    yield from _contradictions(plugins_of(manifests))


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """A manifest beside the code.

    Args:
        successors: for each plugin of the manifest what it would be if it were up to date;
            None where no entry point yields it.
        missing: the plugins that only the code has.
    """

    successors: tuple[ManifestPlugin | None, ...]
    missing: tuple[ManifestPlugin, ...]


def compare(written: Sequence[ManifestPlugin], entries: Sequence[LearntEntryPoint]) -> Comparison:
    """Compare the plugins of a manifest with what the code says of its entry points.

    Plugins are the same if their ids are, or if they are the only ones that remain of an entry
    point: those were renamed. Where the code doesn't say what an entry point yields, the
    manifest is right.
    """
    in_code: dict[str, ManifestPlugin] = {}
    for plugin in (plugin for entry in entries for plugin in entry.plugins):
        in_code.setdefault(plugin.id, plugin)
    successors = {plugin.id: in_code[plugin.id] for plugin in written if plugin.id in in_code}
    for entry in entries:
        old = [each for each in entry.declared_in(written) if each.id not in in_code]
        new = [each for each in entry.plugins if each.id not in successors]
        if len(old) == len(new) == 1:
            successors[old[0].id] = new[0]
        if not entry.facts:
            successors |= {plugin.id: plugin for plugin in entry.declared_in(written)}
    used = {plugin.id for plugin in successors.values()}
    return Comparison(
        successors=tuple(
            successors[each.id].replace(terms=each.terms, place=each.place)
            if each.id in successors
            else None
            for each in written
        ),
        missing=tuple(plugin for plugin in in_code.values() if plugin.id not in used),
    )


def _disagreements(
    subject: Subject, entries: Sequence[LearntEntryPoint], file: ManifestFile
) -> Iterator[Finding]:
    """Yield where a manifest and the code of its entry points differ."""
    comparison = compare(file.plugins, entries)
    unreadable = [entry.declared.entry_point for entry in entries if entry.is_unreadable]
    by_hand = {(entry_point.group, entry_point.value) for entry_point in unreadable}
    shown = subject.shown(file.path)

    def stale(
        of: ManifestPlugin, summary: str, expected: str | None = None, found: str | None = None
    ) -> Finding:
        where = of.place or shown
        # What can't be read from the source can't be compiled either.
        is_by_hand = (of.group, of.entry_point) in by_hand
        return Finding(
            code="manifest-stale",
            subject=of.id,
            summary=summary,
            where=where,
            hint=f"correct {where} by hand" if is_by_hand else COMPILE_HINT,
            expected=expected,
            found=found,
        )

    for entry in entries:
        if entry.is_unreadable and not (entry.facts or entry.declared_in(file.plugins)):
            value = entry.declared.entry_point.value
            yield Finding(
                code="manifest-stale",
                subject=entry.declared.id,
                summary=f"the manifest doesn't declare the plugins of the entry point `{value}`",
                where=shown,
                hint=f"correct {shown} by hand",
            )
    for plugin in comparison.missing:
        yield stale(plugin, f"the manifest doesn't declare `{plugin.id}`")
    for plugin, successor in zip(file.plugins, comparison.successors, strict=True):
        if successor is None:
            summary = f"the manifest declares `{plugin.id}`, which no entry point yields"
            yield stale(plugin, summary, found=f"`{plugin.entry_point}`")
            continue
        stated, yielded = plugin_document(plugin), plugin_document(successor)
        for key in DERIVED_KEYS:
            expected, found = yielded.get(key), stated.get(key)
            # An invalid version has a finding of its own, and no manifest can state it.
            is_invalid = key in VERSION_KEYS and expected is not None and not is_version(expected)
            if expected != found and not is_invalid:
                yield stale(
                    plugin,
                    f"the manifest and the code of `{successor.id}` differ in its {key}",
                    expected=f"`{expected}`" if expected else "none",
                    found=f"`{found}`" if found else "none",
                )


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
    return Finding(
        code="manifest-contradiction",
        subject=plugin.id,
        summary=summary,
        where=plugin.place,
        hint=hint,
    )


def _near_miss(identifier: str, own: Iterable[str], where: str, subject: str) -> Iterator[Finding]:
    """Yield a finding if an id that isn't the distribution's own is nearly one of them."""
    similar = nearest(identifier, own, likeness=_ALIKE)
    if similar is not None:
        yield Finding(
            code="near-miss",
            subject=subject,
            summary=f"`{identifier}` is nearly the name of a plugin of this distribution",
            where=where,
            hint=f"did you mean `{similar}`?",
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
            yield finding_of_error(problem, "sample-invalid", subject.name)
        for request in sample.descriptor.requests if sample.descriptor else ():
            identifier = request.id
            is_host_s = request.group == "patches" and request.name in BUILT_IN_PATCHES
            if identifier not in own and not is_host_s:
                yield from _near_miss(identifier, own, request.where, subject.name)
