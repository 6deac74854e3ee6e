"""Learning from the sources what each entry point yields, for the checks."""

from __future__ import annotations

from coral_lock.author.check.definitions import Definitions
from coral_lock.author.check.subject import BACKEND, PLUGIN, LearntEntryPoint
from coral_lock.plugin.facts import FactsError
from coral_lock.static.evaluation import NotEvaluableError, evaluate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from coral_lock.author.check.subject import DeclaredEntryPoint, Subject
    from coral_lock.inventory import EntryPoint

    ReadSource = Callable[[str], bytes | None]


def learn(subject: Subject, definitions: Definitions) -> tuple[LearntEntryPoint, ...]:
    """Return what the sources say of each entry point, in the order of their declaration."""
    return tuple(_learn(declared, subject, definitions) for declared in subject.entry_points)


def _learn(
    declared: DeclaredEntryPoint, subject: Subject, definitions: Definitions
) -> LearntEntryPoint:
    entry_point = declared.entry_point
    module, _, attribute = entry_point.value.partition(":")
    learnt = LearntEntryPoint(declared=declared, resolution=definitions.resolve(module, attribute))
    try:
        facts = evaluate(entry_point, subject.read_source)
    except FactsError as error:
        return learnt.replace(fault=str(error), kinds=_kinds(entry_point, subject.read_source))
    except NotEvaluableError as error:
        where = declared.where
        if error.path and error.line:
            where = f"{subject.shown(error.path)}:{error.line}:1"
        return learnt.replace(refusal=error.reason, refusal_where=where)
    return learnt.replace(facts=facts, kinds=_kinds(entry_point, subject.read_source))


def _kinds(entry_point: EntryPoint, read_source: ReadSource) -> frozenset[str]:
    """Return of which class the specs of an evaluable entry point are; nothing if it is open.

    An evaluation says what a spec holds and not of which class it is. But where the sources
    stay evaluable with one class misspelt, no spec of that class is among what they yield.
    Where they don't with either, there may be specs of both, or the misspelt call is in the
    way of something else.
    """
    candidates = {
        kind
        for kind in (BACKEND, PLUGIN)
        if not _is_evaluable(entry_point, _without(kind, read_source))
    }
    if len(candidates) > 1:
        return frozenset()
    # An `activate` function of the old style names no class, and stands for a `PluginSpec`.
    return frozenset(candidates or {PLUGIN})


def _is_evaluable(entry_point: EntryPoint, read_source: ReadSource) -> bool:
    try:
        evaluate(entry_point, read_source)
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
