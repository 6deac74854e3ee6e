"""Is the manifest valid, does it say what the code says, and can what it declares hold?"""

from __future__ import annotations

from coral_lock.author.check.specs import is_version
from coral_lock.document.node import nearest
from coral_lock.errors import InputError, ProblemsError
from coral_lock.finding import ERROR, WARNING, Finding, sorted_findings
from coral_lock.lockfile.order import CycleError, activation_order
from coral_lock.manifest.model import MANIFEST_NAME, manifest_paths
from coral_lock.manifest.reader import read_manifest
from coral_lock.names import GROUPS, plugin_id, split_plugin_id
from coral_lock.plugin.config import BUILT_IN_PATCHES
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from coral_lock.author.check.subject import DeclaredEntryPoint, LearntEntryPoint, Subject
    from coral_lock.descriptor.model import PluginRequest
    from coral_lock.manifest.model import Manifest, ManifestPlugin
    from coral_lock.plugin.facts import PluginFacts


COMPILE_HINT = "run `coral-runtime manifest compile`"
_INCLUDE_HINT = "and configure the build back end to include the file in the wheel"
_VERSIONS = ("min_core_version", "min_inference_version")
_FIELDS = ("description", *_VERSIONS)
_ALIKE = 0.8


class Manifests(Record):
    """The manifests of a subject.

    Args:
        by_path: what each of them declares, by its path under the site root.
        invalid: those that can't be used, and why.
        of_module: the manifest that counts for a module of an entry point, by its path;
            None where there is none.
    """

    by_path: Mapping[str, Manifest]
    invalid: Mapping[str, tuple[InputError, ...]]
    of_module: Mapping[str, str | None]

    def plugins(self) -> Iterator[ManifestPlugin]:
        """Yield every plugin that is declared."""
        for manifest in self.by_path.values():
            yield from manifest.plugins

    def of_entry_point(self, declared: DeclaredEntryPoint) -> tuple[ManifestPlugin, ...]:
        """Return what the manifest says of an entry point; nothing without a valid one."""
        manifest = self.by_path.get(self.of_module.get(declared.module) or "")
        if manifest is None:
            return ()
        return manifest.of_entry_point(declared.entry_point.group, declared.entry_point.value)


def read_manifests(subject: Subject) -> Manifests:
    """Return the manifests that the entry points of a subject lead to."""
    by_path: dict[str, Manifest] = {}
    invalid: dict[str, tuple[InputError, ...]] = {}
    of_module: dict[str, str | None] = {}
    for module in dict.fromkeys(declared.module for declared in subject.entry_points):
        of_module[module] = None
        for path in manifest_paths(module):
            content = subject.read_source(path)
            obstacle = subject.obstacle(path) if content is None else None
            if content is None and obstacle is None:
                continue
            of_module[module] = path
            if path in by_path or path in invalid:
                break
            if content is None:
                invalid[path] = (obstacle,) if obstacle else ()
                break
            try:
                by_path[path] = read_manifest(content, subject.shown(path))
            except InputError as error:
                invalid[path] = (error,)
            except ProblemsError as error:
                invalid[path] = tuple(e for e in error.problems if isinstance(e, InputError))
            break
    return Manifests(by_path=by_path, invalid=invalid, of_module=of_module)


def check_manifests(
    subject: Subject, learnt: Iterable[LearntEntryPoint], manifests: Manifests
) -> tuple[Finding, ...]:
    """Return the findings about the manifests of a subject."""
    findings: list[Finding] = [*_missing(subject, manifests), *_misplaced(subject, manifests)]
    for path, problems in manifests.invalid.items():
        findings.extend(_invalid(subject, path, error) for error in problems)
    for entry in learnt:
        findings.extend(_disagreements(subject, entry, manifests))
    declared = {(d.entry_point.group, d.entry_point.value) for d in subject.entry_points}
    for plugin in manifests.plugins():
        if (plugin.group, plugin.entry_point) not in declared:
            findings.append(
                _stale(
                    plugin.id,
                    f"the manifest declares `{plugin.id}` of an entry point that isn't declared",
                    plugin.place,
                    found=f"`{plugin.entry_point}`",
                )
            )
    findings.extend(_contradictions(tuple(manifests.plugins())))
    return sorted_findings(findings)


def _missing(subject: Subject, manifests: Manifests) -> Iterator[Finding]:
    told: set[str] = set()
    for declared in subject.entry_points:
        package = declared.module.partition(".")[0]
        if manifests.of_module[declared.module] is None and package not in told:
            told.add(package)
            yield Finding(
                code="manifest-missing",
                severity=WARNING,
                subject=subject.name,
                summary=f"the package `{package}` ships no `{MANIFEST_NAME}`",
                where=declared.where,
                hint=COMPILE_HINT if subject.layout is None else f"{COMPILE_HINT}, {_INCLUDE_HINT}",
            )


def _misplaced(subject: Subject, manifests: Manifests) -> Iterator[Finding]:
    used = set(manifests.of_module.values())
    for path in subject.layout.files if subject.layout else ():
        if path.rpartition("/")[2] == MANIFEST_NAME and path not in used:
            yield Finding(
                code="manifest-misplaced",
                severity=WARNING,
                subject=subject.name,
                summary="the manifest isn't in a package that an entry point names, so it is "
                "ignored",
                where=subject.shown(path),
                hint="move it into the top-level package that an entry point names",
            )


def _invalid(subject: Subject, path: str, error: InputError) -> Finding:
    return Finding(
        code="manifest-invalid",
        severity=ERROR,
        subject=subject.name,
        summary=error.message,
        expected=error.expected,
        found=error.found,
        where=error.where or subject.shown(path),
        hint=error.hint,
    )


def _disagreements(
    subject: Subject, entry: LearntEntryPoint, manifests: Manifests
) -> Iterator[Finding]:
    path = manifests.of_module[entry.declared.module]
    if path is None or path in manifests.invalid:
        return
    stated = {p.facts.name: p for p in manifests.of_entry_point(entry.declared)}
    yielded = {facts.name: facts for facts in entry.facts}
    value = entry.declared.entry_point.value
    if not stated and not yielded:
        summary = f"the manifest says nothing of the entry point `{value}`"
        yield _of_entry(entry, _stale(entry.declared.id, summary, subject.shown(path)))
    for name, facts in yielded.items():
        if name not in stated:
            summary = f"the manifest says nothing of `{entry.id_of(facts)}`"
            yield _of_entry(entry, _stale(entry.id_of(facts), summary, subject.shown(path)))
        else:
            for finding in _field_differences(stated[name], facts):
                yield _of_entry(entry, finding)
    for name in [name for name in stated if yielded and name not in yielded]:
        summary = f"the manifest declares `{stated[name].id}`, which `{value}` doesn't yield"
        yield _of_entry(entry, _stale(stated[name].id, summary, stated[name].place))


def _of_entry(entry: LearntEntryPoint, stale: Finding) -> Finding:
    """Return the finding with the hint that helps: what can't be read can't be compiled."""
    if entry.refusal is None:
        return stale
    where = stale.where or ""
    line, separator, column = where.rpartition(":")
    if separator and column.isdigit():
        where = line
    return stale.replace(hint=f"correct {where} by hand")


def _field_differences(stated: ManifestPlugin, facts: PluginFacts) -> Iterator[Finding]:
    for field in _FIELDS:
        said, is_so = getattr(stated.facts, field), getattr(facts, field)
        if field in _VERSIONS and is_so is not None and not is_version(is_so):
            # It has a finding of its own, and no manifest can say it.
            continue
        if said != is_so:
            yield _stale(
                stated.id,
                f"the manifest states another {field} of `{stated.id}` than its code",
                stated.place,
                expected=_shown(is_so),
                found=_shown(said),
            )


def _shown(value: str | None) -> str:
    return f"`{value}`" if value else "none"


def _stale(
    subject: str, summary: str, where: str, expected: str | None = None, found: str | None = None
) -> Finding:
    return Finding(
        code="manifest-stale",
        severity=ERROR,
        subject=subject,
        summary=summary,
        expected=expected,
        found=found,
        where=where,
        hint=COMPILE_HINT,
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
        for other in sorted(required):
            is_refused = other in conflicting or (
                other in own and plugin.id in {r.id for r in own[other].terms.conflicts}
            )
            if is_refused and other != plugin.id:
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
            yield from near_miss(other, own, plugin.place, plugin.id)
        before[plugin.id] = tuple(sorted(earlier - late))
    try:
        activation_order(before)
    except CycleError as error:
        yield _contradiction(own[error.cycle[0]], error.message)


def _order(identifier: str) -> int:
    return GROUPS.index(split_plugin_id(identifier)[0])


def _contradiction(plugin: ManifestPlugin, summary: str) -> Finding:
    return Finding(
        code="manifest-contradiction",
        severity=ERROR,
        subject=plugin.id,
        summary=summary,
        where=plugin.place,
        hint="take one of the ids out of `after`, `requires` or `conflicts`",
    )


def near_miss(identifier: str, own: Iterable[str], where: str, subject: str) -> Iterator[Finding]:
    """Yield a finding if an id that isn't the distribution's own is nearly one of them."""
    similar = nearest(identifier, own, likeness=_ALIKE)
    if similar is not None:
        summary = f"`{identifier}` is nearly the name of a plugin of this distribution"
        yield missed(identifier, similar, summary, where, subject)


def missed(identifier: str, similar: str, summary: str, where: str, subject: str) -> Finding:
    """Return the finding that one id stands where another may be meant."""
    return Finding(
        code="near-miss",
        severity=WARNING,
        subject=subject,
        summary=summary,
        expected=f"`{similar}`",
        found=f"`{identifier}`",
        where=where,
        hint=f"did you mean `{similar}`?",
    )


_SIMILAR = 0.5
"""How alike names have to be where nothing that is known has the name."""


def check_samples(subject: Subject, own: Collection[str]) -> tuple[Finding, ...]:
    """Return the findings about the sample configurations of a subject.

    Args:
        subject: what is checked.
        own: the ids of its plugins.
    """
    findings: list[Finding] = []
    for sample in subject.samples:
        findings.extend(
            Finding(
                code="sample-invalid",
                severity=ERROR,
                subject=subject.name,
                summary=f"a sample configuration is wrong: {problem.message}",
                expected=problem.expected,
                found=problem.found,
                where=problem.where or sample.path,
                hint=problem.hint,
            )
            for problem in sample.problems
        )
        for request in sample.descriptor.requests if sample.descriptor else ():
            identifier = plugin_id(request.group, request.name)
            is_host_s = request.group == "patches" and request.name in BUILT_IN_PATCHES
            if identifier not in own and not is_host_s:
                findings.extend(_misnamed(subject, request, own))
    return sorted_findings(findings)


def _misnamed(subject: Subject, request: PluginRequest, own: Collection[str]) -> Iterator[Finding]:
    identifier = plugin_id(request.group, request.name)
    found = tuple(near_miss(identifier, own, request.where, subject.name))
    if found:
        yield from found
        return
    names = {
        name: plugin_id(group, name)
        for group, _, name in (other.partition(":") for other in sorted(own))
        if group == request.group
    }
    similar = nearest(request.name, names, likeness=_SIMILAR)
    if similar is not None and identifier not in subject.others():
        summary = f"nothing that is known offers `{identifier}`, which a sample names"
        yield missed(identifier, names[similar], summary, request.where, subject.name)
