"""Learning from the sources what each entry point yields, for the checks."""

from __future__ import annotations

from coral_lock.author.check.definitions import Definitions
from coral_lock.author.check.subject import BACKEND, PLUGIN, LearntEntryPoint
from coral_lock.plugin.facts import FactsError
from coral_lock.static.evaluation import evaluate
from coral_lock.static.source import NotEvaluableError, Sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from coral_lock.author.check.subject import DeclaredEntryPoint, Subject
    from coral_lock.inventory import EntryPoint

    ReadSource = Callable[[str], bytes | None]


def learn(subject: Subject, definitions: Definitions) -> tuple[LearntEntryPoint, ...]:
    """Return what the sources say of each entry point, in the order of their declaration."""
    sources = Sources(subject.read_source)
    learnt = [_learn(entry, subject, sources, definitions) for entry in subject.entry_points]
    del sources
    kinds = _kinds([each for each in learnt if each.refusal is None], subject.read_source)
    return tuple(each.replace(kinds=kinds.get(each.declared, each.kinds)) for each in learnt)


def _learn(
    declared: DeclaredEntryPoint, subject: Subject, sources: Sources, definitions: Definitions
) -> LearntEntryPoint:
    entry_point = declared.entry_point
    module, _, attribute = entry_point.value.partition(":")
    learnt = LearntEntryPoint(declared=declared, resolution=definitions.resolve(module, attribute))
    try:
        facts = evaluate(entry_point, sources)
    except FactsError as error:
        return learnt.replace(fault=str(error))
    except NotEvaluableError as error:
        where = declared.where
        if error.path and error.line:
            where = f"{subject.shown(error.path)}:{error.line}:1"
        return learnt.replace(refusal=error.reason, refusal_where=where)
    return learnt.replace(facts=facts)


def _kinds(
    learnt: Iterable[LearntEntryPoint], read_source: ReadSource
) -> dict[DeclaredEntryPoint, frozenset[str]]:
    """Return of which class the specs of evaluable entry points are; nothing where it is open.

    An evaluation says what a spec holds and not of which class it is. But where the sources
    stay evaluable with one class misspelt, no spec of that class is among what they yield.
    Where they don't with either, there may be specs of both, or the misspelt call is in the
    way of something else.
    """
    candidates: dict[DeclaredEntryPoint, set[str]] = {each.declared: set() for each in learnt}
    for kind in (BACKEND, PLUGIN):
        sources = Sources(_without(kind, read_source))
        for declared, kinds in candidates.items():
            if not _is_evaluable(declared.entry_point, sources):
                kinds.add(kind)
    # An `activate` function of the old style names no class, and stands for a `PluginSpec`.
    return {
        declared: frozenset() if len(kinds) > 1 else frozenset(kinds or {PLUGIN})
        for declared, kinds in candidates.items()
    }


def _is_evaluable(entry_point: EntryPoint, sources: Sources) -> bool:
    try:
        evaluate(entry_point, sources)
    except NotEvaluableError:
        return False
    except FactsError:
        return True
    return True


def _without(kind: str, read_source: ReadSource) -> ReadSource:
    name = kind.encode()

    def read(path: str) -> bytes | None:
        source = read_source(path)
        return None if source is None else source.replace(name, name[:-1] + b"_")

    return read
