"""Is the manifest valid, does it agree with the code, and is it free of contradictions?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from coral_lock.author.check.distribution import installed_subject, wheel_subject
from coral_lock.author.check.specs import is_version
from coral_lock.author.check.subject import (
    LearntEntryPoint,
    Subject,
    finding,
)
from coral_lock.author.project import DeclaredEntryPoint
from coral_lock.descriptor.model import PluginRequest
from coral_lock.document.node import nearest
from coral_lock.errors import DOES_NOT_HOLD, CoralLockError, InputError, ProblemsError
from coral_lock.finding import Finding
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.lockfile.order import CycleError, activation_order
from coral_lock.manifest import Manifest, ManifestPlugin, manifest_paths, read_manifest
from coral_lock.names import GROUPS, plugin_id, split_plugin_id
from coral_lock.plugin.config import BUILT_IN_PATCHES
from coral_lock.plugin.facts import MANIFEST_NAME

COMPILE_HINT = "run `coral-runtime manifest compile`"
_INCLUDE_HINT = "and configure the build back end to include the file in the wheel"
_VERSIONS = ("min_core_version", "min_inference_version")
_ALIKE = 0.8
_SIMILAR = 0.5
"""How alike names have to be where no known plugin has the name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifests:
    """The manifests of a subject.

    Args:
        by_path: what each of them declares, by its path under the site root.
        invalid: those that can't be used, and why.
        of_module: the path of the manifest for each module of an entry point; None where
            there is none.
    """

    by_path: Mapping[str, Manifest]
    invalid: Mapping[str, tuple[InputError, ...]]
    of_module: Mapping[str, str | None]

    def plugins(self) -> Iterator[ManifestPlugin]:
        """Yield every plugin that is declared."""
        for manifest in self.by_path.values():
            yield from manifest.plugins

    def of_entry_point(self, declared: DeclaredEntryPoint) -> tuple[ManifestPlugin, ...]:
        """Return the declared plugins of an entry point; none without a valid manifest."""
        manifest = self.by_path.get(self.of_module.get(declared.module) or "")
        if manifest is None:
            return ()
        return manifest.of_entry_point(declared.entry_point.group, declared.entry_point.value)


def read_manifests(subject: Subject) -> Manifests:
    """Return the manifests of the packages that the entry points of a subject name."""
    by_path: dict[str, Manifest] = {}
    invalid: dict[str, tuple[InputError, ...]] = {}
    of_module: dict[str, str | None] = {}
    for module in dict.fromkeys(declared.module for declared in subject.entry_points):
        of_module[module] = None
        for path in manifest_paths(module):
            if path not in by_path and path not in invalid:
                content = subject.read_source(path)
                obstacle = subject.obstacle(path) if content is None else None
                if obstacle is not None:
                    invalid[path] = (obstacle,)
                elif content is None:
                    continue
                else:
                    try:
                        by_path[path] = read_manifest(content, subject.shown(path))
                    except InputError as error:
                        invalid[path] = (error,)
                    except ProblemsError as error:
                        invalid[path] = tuple(
                            each for each in error.problems if isinstance(each, InputError)
                        )
            of_module[module] = path
            break
    return Manifests(by_path=by_path, invalid=invalid, of_module=of_module)


def declared_plugins(source: str) -> tuple[ManifestPlugin, ...]:
    """Return the plugins that a wheel or an installed distribution declares in its manifests.

    Raises:
        InputError: it can't be read, or a manifest has a mistake.
        NoPluginError: it has no plugin (exit code 1).
        ProblemsError: manifests have several mistakes.
        CoralLockError: it ships no manifest (exit code 1).
    """
    with ExitStack() as stack:
        if source.endswith(".whl"):
            subject = wheel_subject(source, stack)
        else:
            subject = installed_subject(source, EnvironmentInventory())
        return _declared_by(subject)


def _declared_by(subject: Subject) -> tuple[ManifestPlugin, ...]:
    if not subject.entry_points:
        error = subject.problems[0]
        raise InputError(error.message, where=error.where, hint=error.hint)
    manifests = read_manifests(subject)
    mistakes = [mistake for invalid in manifests.invalid.values() for mistake in invalid]
    if len(mistakes) == 1:
        raise mistakes[0]
    if mistakes:
        raise ProblemsError(f"the manifest has {len(mistakes)} mistakes", tuple(mistakes))
    plugins = tuple(manifests.plugins())
    if not plugins:
        missing = CoralLockError(
            f"`{subject.target}` ships no manifest", hint=f"in its project, {COMPILE_HINT}"
        )
        missing.exit_code = DOES_NOT_HOLD
        raise missing
    return plugins


def check_manifests(
    subject: Subject, learnt: Iterable[LearntEntryPoint], manifests: Manifests
) -> Iterator[Finding]:
    """Yield the findings about the manifests of a subject."""
    yield from _missing(subject, manifests)
    used = set(manifests.of_module.values())
    for path in subject.layout.files if subject.layout else ():
        if path.rpartition("/")[2] == MANIFEST_NAME and path not in used:
            yield finding(
                "manifest-misplaced",
                subject.name,
                "the manifest isn't in a package that an entry point names, so it is ignored",
                subject.shown(path),
                "move it into the top-level package that an entry point names",
            )
    for path, problems in manifests.invalid.items():
        for error in problems:
            yield finding(
                "manifest-invalid",
                subject.name,
                error.message,
                error.where or subject.shown(path),
                error.hint,
                expected=error.expected,
                found=error.found,
            )
    for entry in learnt:
        yield from _disagreements(subject, entry, manifests)
    declared = {(d.entry_point.group, d.entry_point.value) for d in subject.entry_points}
    for plugin in manifests.plugins():
        if (plugin.group, plugin.entry_point) not in declared:
            yield finding(
                "manifest-stale",
                plugin.id,
                f"the manifest declares `{plugin.id}` of an entry point that isn't declared",
                plugin.place,
                COMPILE_HINT,
                found=f"`{plugin.entry_point}`",
            )
    yield from _contradictions(tuple(manifests.plugins()))


def _missing(subject: Subject, manifests: Manifests) -> Iterator[Finding]:
    packages: dict[str, DeclaredEntryPoint] = {}
    for declared in subject.entry_points:
        if manifests.of_module[declared.module] is None:
            packages.setdefault(declared.module.partition(".")[0], declared)
    for package, declared in packages.items():
        yield finding(
            "manifest-missing",
            subject.name,
            f"the package `{package}` ships no `{MANIFEST_NAME}`",
            declared.where,
            COMPILE_HINT if subject.layout is None else f"{COMPILE_HINT}, {_INCLUDE_HINT}",
        )


def _disagreements(
    subject: Subject, entry: LearntEntryPoint, manifests: Manifests
) -> Iterator[Finding]:
    """Yield where the manifest and the code of an entry point differ."""
    path = manifests.of_module[entry.declared.module]
    if path is None or path in manifests.invalid:
        return

    def stale(
        identifier: str, summary: str, where: str, expected: str = "", found: str = ""
    ) -> Finding:
        hint = COMPILE_HINT
        if entry.refusal or entry.unresolved:
            # What can't be read from the source can't be compiled either.
            line, _, column = where.rpartition(":")
            hint = f"correct {line if column.isdigit() else where} by hand"
        return finding(
            "manifest-stale",
            identifier,
            summary,
            where,
            hint,
            expected=expected or None,
            found=found or None,
        )

    stated = {p.facts.name: p for p in manifests.of_entry_point(entry.declared)}
    yielded = {facts.name: facts for facts in entry.facts}
    value, shown = entry.declared.entry_point.value, subject.shown(path)
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
                summary = f"the manifest and the code of `{identifier}` differ in its {field}"
                expected, found = (
                    f"`{each}`" if each else "none" for each in (in_code, in_manifest)
                )
                yield stale(identifier, summary, plugin.place, expected, found)
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
        summary = f"`{identifier}` is nearly the name of a plugin of this distribution"
        yield _misspelt(identifier, similar, summary, where, subject)


def _misspelt(identifier: str, similar: str, summary: str, where: str, subject: str) -> Finding:
    return finding(
        "near-miss",
        subject,
        summary,
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
                yield from _misnamed(subject, request, own)


def _misnamed(subject: Subject, request: PluginRequest, own: Collection[str]) -> Iterator[Finding]:
    identifier = plugin_id(request.group, request.name)
    near = tuple(_near_miss(identifier, own, request.where, subject.name))
    if near:
        yield from near
        return
    names = {
        name: plugin_id(group, name)
        for group, _, name in (other.partition(":") for other in sorted(own))
        if group == request.group
    }
    similar = nearest(request.name, names, likeness=_SIMILAR)
    if similar is not None and identifier not in subject.others():
        summary = f"no known plugin is `{identifier}`, which a sample configuration names"
        yield _misspelt(identifier, names[similar], summary, request.where, subject.name)
