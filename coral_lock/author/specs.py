"""What the sources say of entry points: whether they resolve, and whether their specs are right."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from packaging.version import InvalidVersion, Version

from coral_lock.author.manifest_text import VERSION_KEYS
from coral_lock.author.project import DeclaredEntryPoint
from coral_lock.author.subject import Subject
from coral_lock.budget import OverBudgetError
from coral_lock.descriptor.model import OWN_SWITCHES
from coral_lock.document.node import nearest
from coral_lock.errors import UnreadableSourceError
from coral_lock.finding import Finding
from coral_lock.manifest import ManifestPlugin
from coral_lock.plugin.facts import FactsError, PluginFacts, facts_of_spec
from coral_lock.static.evaluation import evaluate_specs
from coral_lock.static.source import (
    BrokenModuleError,
    NotEvaluableError,
    SourceModule,
    Sources,
    start_of,
)

_DYNAMIC = (b"globals(", b"vars(", b"exec(", b"setattr(", b"sys.modules")
"""What can bind a module's names without naming them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Definition:
    """The syntax node that defines something, and the source of its module."""

    source: bytes
    module: SourceModule
    node: ast.AST

    def position(self, text: str | None = None) -> tuple[int, int]:
        """Return the line and the column, from 1.

        With `text` they are those of the first such string literal after the definition's start.
        """
        start = start_of(self.node)
        literals = (
            start_of(node)
            for node in ast.walk(self.module.tree)
            if text is not None and isinstance(node, ast.Constant) and node.value == text
        )
        line, offset = min((each for each in literals if each >= start), default=start)
        before = b"".join(self.source.split(b"\n", line)[line - 1 : line])[:offset]
        return line, len(before.decode("utf-8", "replace")) + 1


class UnresolvedError(NotEvaluableError):
    """An entry point names a module or an attribute that doesn't exist.

    `hint` says what may have been meant.
    """

    hint: str | None = None


class Definitions:
    """Finds what the modules of one distribution define.

    Args:
        read_source: takes a path relative to the site root, with slashes, and returns the
            content of that file of the distribution, or None.
    """

    def __init__(self, read_source: Callable[[str], bytes | None]) -> None:
        self.sources = Sources(read_source)
        self._read = read_source

    def find(self, reference: str) -> Definition | None:
        """Return what defines an object; None where only running the code can tell.

        Imports of the distribution's own modules are followed; an import of another's defines it.

        Args:
            reference: `module:attribute`; of names joined by dots the first one is found.

        Raises:
            UnresolvedError: the distribution has no such module, or it has no such attribute.
        """
        module, _, attribute = reference.partition(":")
        try:
            return self._find(self.sources.required_module(module), attribute.partition(".")[0])
        except BrokenModuleError as error:
            raise UnresolvedError(error.reason, error.path, error.line) from None
        except UnresolvedError:
            raise
        except (NotEvaluableError, OverBudgetError, RecursionError):
            return None

    def _find(self, module: SourceModule, name: str) -> Definition:
        """Return what defines a name of a module.

        Raises:
            UnresolvedError: nothing does.
            NotEvaluableError: only running the code can tell.
            RecursionError: the modules import the name from each other.
        """
        source = self._read(module.path) or b""
        for binding in module.scope.bindings.get(name, ())[-1:]:
            if isinstance(binding.node, ast.ImportFrom) and binding.alias is not None:
                base, imported = module.absolute(binding.node), binding.alias.name
                is_own = self.sources.module(base) or self.sources.module(base.partition(".")[0])
                if is_own and not self.sources.module(f"{base}.{imported}"):
                    return self._find(self.sources.required_module(base), imported)
            return Definition(source=source, module=module, node=binding.node)
        is_dynamic = "__getattr__" in module.scope.bindings or any(map(source.count, _DYNAMIC))
        if is_dynamic or module.scope.star_imports:
            module.refuse(f"`{name}` may be bound at run time")
        undefined = UnresolvedError(f"`{name}` isn't defined in `{module.name}`", module.path, 1)
        similar = nearest(name, module.scope.bindings)
        undefined.hint = f"did you mean `{module.name}:{similar}`?" if similar else None
        raise undefined


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

    @property
    def is_unreadable(self) -> bool:
        """Whether only running it tells what it yields, or whether it yields anything."""
        return self.refusal is not None or self.unresolved is not None

    @property
    def plugins(self) -> tuple[ManifestPlugin, ...]:
        """The plugins that it yields, as a manifest declares them; none where `facts` are."""
        group, value = self.declared.entry_point.group, self.declared.entry_point.value
        return tuple(
            ManifestPlugin(group=group, entry_point=value, facts=facts) for facts in self.facts
        )

    def declared_in(self, plugins: Iterable[ManifestPlugin]) -> tuple[ManifestPlugin, ...]:
        """Return the plugins of a manifest that are declared to come from it."""
        return tuple(each for each in plugins if each.is_of(self.declared.entry_point))

    def finding(self, code: str, summary: str, hint: str, **details: Any) -> Finding:
        """Return a finding about it at its place; `details` may say of what else, and where."""
        about = {"subject": self.declared.id, "where": self.where, **details}
        return Finding(code=code, summary=summary, hint=hint, **about)


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
        where = subject.place(error.path, error.line) or declared.where
        return replace(learnt, unresolved=error, where=where)
    if definition is not None:
        where = subject.place(definition.module.path, *definition.position())
        learnt = replace(learnt, definition=definition, where=where)
    try:
        specs = evaluate_specs(declared.entry_point, definitions.sources)
    except NotEvaluableError as error:
        where = subject.place(error.path, error.line) or learnt.where
        return replace(learnt, refusal=error.reason, refusal_where=where)
    learnt = replace(learnt, kinds=frozenset(type(spec).__name__ for spec in specs))
    try:
        return replace(learnt, facts=tuple(map(facts_of_spec, specs)))
    except FactsError as error:
        return replace(learnt, fault=str(error))


_UNFINISHED = ("todo", "fixme", "tbd", "placeholder", "lorem")
_KIND_OF_GROUP = {"backends": BACKEND, "patches": PLUGIN, "workflows": PLUGIN}


def check_specs(subject: Subject, learnt: Iterable[LearntEntryPoint]) -> Iterator[Finding]:
    """Yield the findings about the entry points of a subject and their specs."""
    first: dict[str, str] = {}
    for entry in learnt:
        yield from _entry_findings(entry)
        value = entry.declared.entry_point.value
        for plugin in entry.plugins:
            if plugin.id in first:
                yield entry.finding(
                    "duplicate-plugin",
                    f"`{plugin.id}` is yielded twice",
                    "give one of them another name, or declare one entry point only",
                    subject=plugin.id,
                    expected="each plugin once",
                    found=f"`{first[plugin.id]}` and `{value}`",
                )
            first.setdefault(plugin.id, value)
            yield from _facts_findings(subject, entry, plugin.id, plugin.facts)


def _entry_findings(entry: LearntEntryPoint) -> Iterator[Finding]:
    declared = entry.declared
    group, value = declared.entry_point.group, declared.entry_point.value
    if entry.unresolved is not None:
        yield entry.finding(
            "entry-point-unresolved",
            f"the entry point `{value}` doesn't resolve: {entry.unresolved.reason}",
            entry.unresolved.hint or "correct the entry point or its module",
        )
    if entry.fault is not None:
        summary = f"the spec of `{value}` is malformed: {entry.fault}"
        yield entry.finding("spec-malformed", summary, "correct the field")
    if entry.refusal is not None:
        yield entry.finding(
            "spec-unreadable",
            f"the spec of `{value}` can't be read from its source: {entry.refusal}",
            "write the spec with literals and constants, or declare the plugin in "
            "`coral_plugin.yaml` and compare them by `coral-runtime plugins check --run`",
            where=entry.refusal_where,
        )
    wanted = _KIND_OF_GROUP[group]
    for kind in sorted(entry.kinds - {wanted}):
        groups = " or ".join(f"`{name}`" for name, other in _KIND_OF_GROUP.items() if other == kind)
        yield entry.finding(
            "wrong-kind",
            f"the entry point yields a spec of the wrong kind for the group `{group}`",
            f"declare the entry point in the group {groups}, or yield a `{wanted}`",
            expected=f"a `{wanted}`",
            found=f"a `{kind}`",
        )
    if len(entry.facts) == 1 and entry.facts[0].name != declared.entry_point.name:
        yield entry.finding(
            "name-differs",
            "the entry point and its plugin have different names",
            "give the entry point the plugin's name",
            subject=entry.plugins[0].id,
            where=declared.where,
            expected=f"`{entry.facts[0].name}`",
            found=f"`{declared.entry_point.name}`",
        )


def _facts_findings(
    subject: Subject, entry: LearntEntryPoint, identifier: str, facts: PluginFacts
) -> Iterator[Finding]:
    def place_of(text: str) -> str:
        if entry.definition is None:
            return entry.where
        place = entry.definition.position(text)
        return subject.place(entry.definition.module.path, *place)

    for field in VERSION_KEYS:
        version = getattr(facts, field)
        if version is not None and not is_version(version):
            yield Finding(
                code="invalid-requirement",
                subject=identifier,
                summary=f"the {field} of `{identifier}` isn't a PEP 440 version",
                where=place_of(version),
                hint=f"write {field} like `0.0.4`",
                expected="a version like `0.0.4`",
                found=f"`{version}`",
            )
    if facts.name in OWN_SWITCHES.get(entry.declared.entry_point.group, ()):
        yield Finding(
            code="reserved-name",
            subject=identifier,
            summary=f"`{facts.name}` is a reserved name in a descriptor, so the plugin couldn't be "
            "switched on or off",
            where=place_of(facts.name),
            hint="give the plugin another name",
        )
    problem = _description_problem(facts) if entry.kinds == {PLUGIN} else None
    if problem:
        yield Finding(
            code="poor-description",
            subject=identifier,
            summary=f"the description of `{identifier}` {problem}",
            where=place_of(facts.description or facts.name),
            hint="describe in one line what the plugin does, for `plugins list` and for reviewers",
            found=f"`{facts.description}`" if facts.description else None,
        )


def _description_problem(facts: PluginFacts) -> str | None:
    description = _letters(facts.description)
    if not description:
        return "is empty"
    if description.startswith(_UNFINISHED):
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
