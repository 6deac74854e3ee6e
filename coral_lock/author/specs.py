"""Do the entry points resolve, and are their specs well-formed, unique and of the right kind?"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from packaging.version import InvalidVersion, Version

from coral_lock.author.definitions import Definition, Definitions, UnresolvedError
from coral_lock.author.project import DeclaredEntryPoint
from coral_lock.author.subject import Subject, finding
from coral_lock.descriptor.model import OWN_SWITCHES
from coral_lock.errors import UnreadableSourceError
from coral_lock.finding import Finding
from coral_lock.names import plugin_id
from coral_lock.plugin.facts import FactsError, PluginFacts, facts_from_fields
from coral_lock.static.evaluation import evaluate_fields
from coral_lock.static.source import NotEvaluableError

BACKEND = "BackendAdapter"
PLUGIN = "PluginSpec"


@dataclass(frozen=True, kw_only=True, slots=True)
class LearntEntryPoint:
    """What the source says of an entry point, without running it.

    Args:
        declared: the entry point.
        where: the place of what it names, or else of its declaration.
        definition: what it names; None where only running it could tell.
        unresolved: why what it names isn't there, or None.
        facts: the specs that it yields; none where they aren't certain.
        kinds: which of `PluginSpec` and `BackendAdapter` it yields; nothing if that is unknown.
        fault: why its specs are certain and wrong, or None.
        refusal: why its specs aren't certain, or None.
        refusal_where: the place of that reason.
    """

    declared: DeclaredEntryPoint
    where: str
    definition: Definition | None = None
    unresolved: UnresolvedError | None = None
    facts: tuple[PluginFacts, ...] = ()
    kinds: frozenset[str] = frozenset()
    fault: str | None = None
    refusal: str | None = None
    refusal_where: str | None = None

    def id_of(self, facts: PluginFacts) -> str:
        """Return the id of one of its plugins."""
        return plugin_id(self.declared.entry_point.group, facts.name)


def learn(subject: Subject) -> tuple[LearntEntryPoint, ...]:
    """Return what the sources say of each entry point, in the order of their declaration."""
    definitions = Definitions(subject.read_source)
    learnt = []
    for declared in subject.entry_points:
        entry = LearntEntryPoint(declared=declared, where=declared.where)
        try:
            learnt.append(_learn(entry, subject, definitions))
        except UnreadableSourceError as error:
            where = error.where or declared.where
            learnt.append(replace(entry, refusal=error.message, refusal_where=where))
    return tuple(learnt)


def _learn(
    learnt: LearntEntryPoint, subject: Subject, definitions: Definitions
) -> LearntEntryPoint:
    declared = learnt.declared
    try:
        definition = definitions.find(declared.entry_point.value)
    except UnresolvedError as error:
        where = subject.place(error.path, error.line, error.column) or declared.where
        return replace(learnt, unresolved=error, where=where)
    if definition is not None:
        where = subject.place(definition.path, *definition.position())
        learnt = replace(learnt, definition=definition, where=where)
    try:
        specs = evaluate_fields(declared.entry_point, definitions.sources)
    except NotEvaluableError as error:
        where = subject.place(error.path, error.line) or learnt.where
        return replace(learnt, refusal=error.reason, refusal_where=where)
    learnt = replace(learnt, kinds=frozenset(kind for kind, _ in specs))
    try:
        return replace(learnt, facts=tuple(facts_from_fields(fields) for _, fields in specs))
    except FactsError as error:
        return replace(learnt, fault=str(error))


_PLACEHOLDERS = frozenset(
    {"description", "descriptionhere", "mydescription", "myplugin", "placeholder", "plugin"}
    | {"plugindescription", "shortdescription", "none", "na", "lorem", "loremipsum", "xxx"}
)
_UNFINISHED = ("todo", "fixme", "tbd", "xxx:")
_UNREADABLE_HINT = (
    "write the spec with literals and constants, or declare the plugin in `coral_plugin.yaml`"
)
_UNCHECKED_HINT = (
    "write the spec with literals and constants, or compare it with the manifest by "
    "`coral-runtime plugins check --run`, and correct the manifest by hand"
)
_KIND_OF_GROUP = {"backends": BACKEND, "patches": PLUGIN, "workflows": PLUGIN}


def check_specs(
    subject: Subject, learnt: Iterable[LearntEntryPoint], declared_by_manifest: Iterable[str] = ()
) -> Iterator[Finding]:
    """Yield the findings about the specs of the entry points.

    Args:
        subject: what is checked.
        learnt: what is known of each entry point.
        declared_by_manifest: the entry points, `<group>:<name>`, whose plugins a manifest
            declares.
    """
    covered = frozenset(declared_by_manifest)
    first: dict[str, str] = {}
    for entry in learnt:
        yield from _entry_findings(entry, entry.declared.id in covered)
        value = entry.declared.entry_point.value
        for facts in entry.facts:
            identifier = entry.id_of(facts)
            if identifier in first:
                yield finding(
                    "duplicate-plugin",
                    identifier,
                    f"`{identifier}` is yielded twice",
                    entry.where,
                    "give one of them another name, or declare one entry point only",
                    expected="each plugin once",
                    found=f"`{first[identifier]}` and `{value}`",
                )
            first.setdefault(identifier, value)
            yield from _facts_findings(subject, entry, facts)


def _entry_findings(entry: LearntEntryPoint, is_covered: bool) -> Iterator[Finding]:
    declared, where = entry.declared, entry.where
    group, value = declared.entry_point.group, declared.entry_point.value
    if entry.unresolved is not None:
        is_hidden = declared.module.partition(".")[0] in sys.stdlib_module_names
        hint = "give the package another name" if is_hidden else entry.unresolved.hint
        yield finding(
            "entry-point-unresolved",
            declared.id,
            f"the entry point `{value}` doesn't resolve: {entry.unresolved.reason}",
            where,
            hint or "correct the entry point or its module",
        )
    if entry.fault is not None:
        summary = f"the spec of `{value}` is malformed: {entry.fault}"
        yield finding("spec-malformed", declared.id, summary, where, "correct the field")
    if entry.refusal is not None:
        yield finding(
            "spec-unreadable",
            declared.id,
            f"the spec of `{value}` can't be read from its source: {entry.refusal}",
            entry.refusal_where,
            _UNCHECKED_HINT if is_covered else _UNREADABLE_HINT,
        )
    wanted = _KIND_OF_GROUP[group]
    for kind in sorted(entry.kinds - {wanted}):
        groups = " or ".join(f"`{name}`" for name, other in _KIND_OF_GROUP.items() if other == kind)
        yield finding(
            "wrong-kind",
            declared.id,
            f"the entry point yields a spec of the wrong kind for the group `{group}`",
            where,
            f"declare the entry point in the group {groups}, or yield a `{wanted}`",
            expected=f"a `{wanted}`",
            found=f"a `{kind}`",
        )
    if len(entry.facts) == 1 and entry.facts[0].name != declared.entry_point.name:
        yield finding(
            "name-differs",
            entry.id_of(entry.facts[0]),
            "the entry point and its plugin have different names",
            declared.where,
            "give the entry point the plugin's name",
            expected=f"`{entry.facts[0].name}`",
            found=f"`{declared.entry_point.name}`",
        )


def _facts_findings(
    subject: Subject, entry: LearntEntryPoint, facts: PluginFacts
) -> Iterator[Finding]:
    identifier = entry.id_of(facts)

    def place_of(text: str) -> str:
        if entry.definition is None:
            return entry.where
        return subject.place(entry.definition.path, *entry.definition.position(text))

    for field in ("min_core_version", "min_inference_version"):
        version = getattr(facts, field)
        if version is not None and not is_version(version):
            yield finding(
                "invalid-requirement",
                identifier,
                f"the {field} of `{identifier}` isn't a PEP 440 version",
                place_of(version),
                f"write {field} like `0.0.4`",
                expected="a version like `0.0.4`",
                found=f"`{version}`",
            )
    if facts.name in OWN_SWITCHES.get(entry.declared.entry_point.group, ()):
        yield finding(
            "reserved-name",
            identifier,
            f"`{facts.name}` is a reserved name in a descriptor, so the plugin couldn't be "
            "switched on or off",
            place_of(facts.name),
            "give the plugin another name",
        )
    problem = _description_problem(facts) if entry.kinds == {PLUGIN} else None
    if problem:
        yield finding(
            "poor-description",
            identifier,
            f"the description of `{identifier}` {problem}",
            place_of(facts.description or facts.name),
            "describe in one line what the plugin does, for `plugins list` and for reviewers",
            found=f"`{facts.description}`" if facts.description else None,
        )


def _description_problem(facts: PluginFacts) -> str | None:
    description = _letters(facts.description)
    if not description:
        return "is empty"
    if description.startswith(tuple(map(_letters, _UNFINISHED))) or description in _PLACEHOLDERS:
        return "is a placeholder"
    return "only repeats its name" if description == _letters(facts.name) else None


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def is_version(text: str) -> bool:
    """Whether a text is a PEP 440 version."""
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True
