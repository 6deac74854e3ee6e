"""What plugins do when they run: at import, and when they are activated."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from coral_lock.author.check.specs import place
from coral_lock.author.check.subject import (
    BACKEND,
    PLUGIN,
    DeclaredEntryPoint,
    LearntEntryPoint,
    Subject,
    finding,
)
from coral_lock.child_process import PRINTED, TOOK_LONGER
from coral_lock.descriptor.model import DEFAULT_ORIGIN, Descriptor
from coral_lock.finding import WARNING, Finding
from coral_lock.inventory import EntryPoint
from coral_lock.names import plugin_id
from coral_lock.plugin.facts import FactsError, PluginFacts
from coral_lock.plugin.terms import NO_TERMS, PluginTerms, merged
from coral_lock.probe.run import answer_of, run_entry_point, specs_of
from coral_lock.reporter import Reporter

TIME_LIMIT = 10.0

MAX_IMPORT_MS = 1000
"""How long an import may take: a device pays for it at every start."""

MAX_IMPORT_MEMORY_KIB = 200 * 1024
"""How much memory an import may add."""

DEFAULT_PLATFORMS = ("onnx", "rknn")
"""The platforms to activate on where a manifest names none."""

DEFAULTS = "the defaults"
_MAX_SHOWN = 2000
_PROGRAM = "coral_lock.author.check.run_child"


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveSpec:
    """A spec as it is at run time, and its class of the two."""

    facts: PluginFacts
    kind: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """The result of importing an entry point in a fresh interpreter.

    Args:
        declared: the entry point.
        error: why there are no specs, as a phrase; None where there are.
        is_malformed: whether the import succeeded and a spec is invalid.
        import_ms: the milliseconds that the import took, without the host's own.
        peak_memory_kib: the peak memory of the process by then; None where the system
            doesn't report it.
        import_memory_kib: how much of it the import added; None likewise.
        output: the beginning of what was printed meanwhile.
        changes: the changes of what others rely on, each as a phrase.
        specs: the live specs.
        hint: what helps against the error, where its kind tells.
    """

    declared: DeclaredEntryPoint
    error: str | None = None
    is_malformed: bool = False
    import_ms: float | None = None
    peak_memory_kib: int | None = None
    import_memory_kib: int | None = None
    output: str = ""
    changes: tuple[str, ...] = ()
    specs: tuple[LiveSpec, ...] = ()
    hint: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Activated:
    """The result of activating a plugin in a fresh interpreter.

    Args:
        plugin: its id.
        declared: the entry point that yields it.
        platform: for which platform.
        supported: what `supports` answered; None where it has none or gave no bool.
        result: `true`, `false`, `unsupported`, or `failed`.
        reason: why it failed, as a phrase; None where it didn't.
        is_no_bool: whether it failed because a return value isn't a bool.
        duration_ms: the milliseconds that `supports` and `activate` took; None where they
            didn't end.
    """

    plugin: str
    declared: DeclaredEntryPoint
    platform: str
    supported: bool | None = None
    result: str
    reason: str | None = None
    is_no_bool: bool = False
    duration_ms: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Untried:
    """A plugin that wasn't activated, since environment variables that it needs aren't set."""

    plugin: str
    declared: DeclaredEntryPoint
    variables: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurements:
    """The results of running the plugins of a subject, in a fixed order."""

    imports: tuple[Imported, ...]
    activations: tuple[Activated, ...]
    configuration: str
    untried: tuple[Untried, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """The outcome of one run.

    Args:
        answer: the parts of the answer, joined; the plugin's code could have forged it.
        ending: how the process ended before it was done, as a phrase; None if it was done.
        output: everything that it printed, up to a limit.
    """

    answer: Mapping[str, Any]
    ending: str | None
    output: bytes

    def text(self, key: str) -> str | None:
        """Return a text of the answer, or None."""
        value = self.answer.get(key)
        return value if isinstance(value, str) else None

    def number(self, key: str) -> float | None:
        """Return a number of the answer, or None."""
        value = self.answer.get(key)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return value if is_number else None

    def count(self, key: str) -> int | None:
        """Return a whole number of the answer, or None."""
        value = self.number(key)
        return None if value is None else int(value)

    def printed(self) -> str:
        """Return the beginning of the output of the import."""
        bounds = self.answer.get("printed")
        if not (isinstance(bounds, list) and all(isinstance(bound, int) for bound in bounds)):
            return ""
        start, end = bounds
        return self.output[start : min(end, start + _MAX_SHOWN)].decode("utf-8", "replace")


def run_trial(
    entry_point: EntryPoint,
    path: Sequence[str],
    *,
    plugin: str | None = None,
    config: Mapping[str, Any] | None = None,
    time_limit: float = TIME_LIMIT,
) -> Trial:
    """Import an entry point in a fresh interpreter, and activate one of its plugins if asked.

    Args:
        entry_point: the entry point.
        path: the `sys.path` to import it with.
        plugin: the name of the plugin to activate, or None.
        config: the arguments of the `RuntimeConfig` that it is handed.
        time_limit: the seconds that all of it may take.
    """
    with tempfile.TemporaryDirectory(prefix="coral-check-") as directory:
        end = run_entry_point(
            entry_point,
            path,
            time_limit=time_limit,
            program=_PROGRAM,
            directory=directory,
            request={"plugin": plugin, "config": config},
        )
    return Trial(answer=answer_of(end), ending=end.ending, output=end.output)


def measure(
    subject: Subject,
    path: Sequence[str],
    terms: Mapping[str, PluginTerms],
    *,
    time_limit: float = TIME_LIMIT,
    reporter: Reporter | None = None,
) -> Measurements:
    """Run the plugins of a subject, each in fresh interpreters.

    Args:
        subject: what is checked.
        path: the `sys.path` to run them with.
        terms: the terms that the manifests declare of each plugin, by its id.
        time_limit: the seconds that each interpreter may take.
        reporter: is informed of each interpreter.
    """
    reporter = reporter or Reporter()
    sample = next((sample for sample in subject.samples if sample.descriptor), None)
    config = _config(None if sample is None else sample.descriptor)
    imports: list[Imported] = []
    activations: list[Activated] = []
    untried: list[Untried] = []
    for declared in subject.entry_points:
        entry_point = declared.entry_point
        reporter.probing(entry_point.value)
        imported = _imported(declared, run_trial(entry_point, path, time_limit=time_limit))
        imports.append(imported)
        for spec in imported.specs:
            identifier = plugin_id(entry_point.group, spec.facts.name)
            own = terms.get(identifier, NO_TERMS)
            unset = [v.name for v in own.env if v.required and not os.environ.get(v.name)]
            if unset:
                untried.append(
                    Untried(plugin=identifier, declared=declared, variables=tuple(unset))
                )
                continue
            for platform in own.platforms or DEFAULT_PLATFORMS:
                handed = merged(own.default_config_overrides, config)
                trial = run_trial(
                    entry_point,
                    path,
                    plugin=spec.facts.name,
                    config={**handed, "platform": platform},
                    time_limit=time_limit,
                )
                activations.append(_activated(identifier, declared, platform, trial))
    reporter.finished()
    return Measurements(
        imports=tuple(imports),
        activations=tuple(activations),
        configuration=DEFAULTS if sample is None else sample.path,
        untried=tuple(untried),
    )


def _config(descriptor: Descriptor | None) -> dict[str, Any]:
    """Return the arguments of the `RuntimeConfig` of a descriptor.

    Patches that the descriptor doesn't name are omitted, so that a manifest can switch them.
    """
    if descriptor is None:
        return {}
    config = descriptor.runtime_config()
    names = ("services", "auto_patch_rknn", "auto_discover_backends", "extra_patches")
    patches = {
        name: is_on
        for name, is_on in config.patches.items()
        if descriptor.request("patches", name) is not None
        or descriptor.origins.get(f"patches.{name}", DEFAULT_ORIGIN) != DEFAULT_ORIGIN
    }
    return {**{name: getattr(config, name) for name in names}, "patches": patches}


def _imported(declared: DeclaredEntryPoint, trial: Trial) -> Imported:
    error = trial.text("error")
    is_malformed = error is not None and trial.answer.get("malformed") is True
    hint = None
    if error is None and "specs" not in trial.answer:
        error = f"importing `{declared.module}` {trial.ending or 'ended before it answered'}"
        hint = _hint_for(trial.ending or "")
    changes = trial.answer.get("changes")
    specs: tuple[LiveSpec, ...] = ()
    if error is None:
        try:
            specs = tuple(
                LiveSpec(facts=facts, kind=BACKEND if is_backend else PLUGIN)
                for facts, is_backend in specs_of(trial.answer)
            )
        except FactsError as wrong:
            error, is_malformed = str(wrong), True
    return Imported(
        declared=declared,
        error=error,
        is_malformed=is_malformed,
        import_ms=trial.number("import_ms"),
        peak_memory_kib=trial.count("peak_memory_kib"),
        import_memory_kib=trial.count("import_memory_kib"),
        output=trial.printed(),
        changes=tuple(map(str, changes)) if isinstance(changes, list) else (),
        specs=specs,
        hint=hint,
    )


def _hint_for(ending: str) -> str:
    """Return the hint for an import that ended like this."""
    if ending.startswith(TOOK_LONGER):
        return "move the work out of the module's top level into `activate`"
    if ending.startswith(PRINTED):
        return "don't print while the module is imported: use `logging` instead"
    return "don't end the process, nor let a library crash it, while the module is imported"


def _activated(
    identifier: str, declared: DeclaredEntryPoint, platform: str, trial: Trial
) -> Activated:
    supports, result = trial.answer.get("supports"), trial.answer.get("activate")
    outcome = Activated(
        plugin=identifier,
        declared=declared,
        platform=platform,
        supported=supports if isinstance(supports, bool) else None,
        result="failed",
        duration_ms=trial.number("duration_ms"),
    )
    error = trial.text("error")
    if isinstance(supports, str):
        return replace(outcome, is_no_bool=True, reason=f"`supports` returned a {supports}")
    if supports is False:
        return replace(outcome, result="unsupported")
    if error is not None:
        return replace(outcome, reason=error)
    if isinstance(result, bool):
        return replace(outcome, result="true" if result else "false")
    if isinstance(result, str):
        return replace(outcome, is_no_bool=True, reason=f"`activate` returned a {result}")
    step = "`activate`" if trial.answer.get("activating") else "`supports`"
    return replace(outcome, reason=f"{step} {trial.ending or 'ended the process'}")


def with_live_facts(
    learnt: Iterable[LearntEntryPoint], measurements: Measurements
) -> tuple[LearntEntryPoint, ...]:
    """Return the entry points with the live specs where their sources are unreadable."""
    live = {imported.declared: imported.specs for imported in measurements.imports}
    completed = []
    for entry in learnt:
        specs = live.get(entry.declared, ())
        if specs and entry.refusal is not None:
            entry = replace(entry, facts=tuple(spec.facts for spec in specs))
        if specs and not entry.kinds:
            entry = replace(entry, kinds=frozenset(spec.kind for spec in specs))
        completed.append(entry)
    return tuple(completed)


def check_run(
    subject: Subject, learnt: Iterable[LearntEntryPoint], measurements: Measurements
) -> Iterator[Finding]:
    """Yield the findings about running the plugins.

    Args:
        subject: what is checked.
        learnt: what the sources say of each entry point.
        measurements: the results of running them.
    """
    entries = {entry.declared: entry for entry in learnt}
    places = {declared: place(subject, entry) for declared, entry in entries.items()}
    for imported in measurements.imports:
        where, entry = places[imported.declared], entries[imported.declared]
        yield from _import_findings(imported, where)
        if imported.specs and entry.facts:
            yield from _live_findings(imported, entry, where)
    for untried in measurements.untried:
        for name in untried.variables:
            yield finding(
                "env-missing",
                untried.plugin,
                f"`{untried.plugin}` needs the environment variable `{name}`, so its activation "
                "wasn't tried: a start would refuse it",
                places[untried.declared],
                f"set `{name}`, and run the check again",
                expected="a value",
                found="nothing",
                severity=WARNING,
            )
    for activated in measurements.activations:
        yield from _activation_findings(activated, places[activated.declared])


def _import_findings(imported: Imported, where: str) -> Iterator[Finding]:
    identifier, value = imported.declared.id, imported.declared.entry_point.value
    if imported.error is not None:
        code = "spec-malformed" if imported.is_malformed else "import-failed"
        what = "yields an invalid spec" if imported.is_malformed else "can't be imported"
        hint = "make it work with nothing installed but the distribution's requirements"
        summary = f"`{value}` {what}: {imported.error}"
        yield finding(code, identifier, summary, where, imported.hint or hint)
    for measured, limit, unit in (
        (imported.import_ms, MAX_IMPORT_MS, "ms"),
        (imported.import_memory_kib, MAX_IMPORT_MEMORY_KIB, "KiB"),
    ):
        if measured is not None and measured > limit:
            yield finding(
                "costly-import",
                identifier,
                f"importing `{value}` is expensive, and a device pays for it at every start",
                where,
                "import large packages inside `activate`",
                expected=f"at most {limit} {unit}",
                found=f"{measured:.0f} {unit}",
            )
    if imported.output.strip():
        first = imported.output.strip().splitlines()[0]
        yield finding(
            "import-output",
            identifier,
            f"importing `{value}` prints",
            where,
            "use `logging` instead",
            found=f"`{first[:100]}`",
        )
    for change in imported.changes:
        hint = "leave that to the program, or do it inside `activate`"
        summary = f"importing `{value}` {change}"
        yield finding("import-side-effect", identifier, summary, where, hint)


def _live_findings(imported: Imported, entry: LearntEntryPoint, where: str) -> Iterator[Finding]:
    """Yield where the live specs differ from those of the source."""
    group = entry.declared.entry_point.group
    stated = {entry.id_of(facts): facts for facts in entry.facts}
    live = {plugin_id(group, spec.facts.name): spec.facts for spec in imported.specs}
    differing = [
        (identifier, _described(stated[identifier]), _described(live[identifier]))
        for identifier in stated.keys() & live.keys()
        if stated[identifier] != live[identifier]
    ]
    if stated.keys() != live.keys():
        differing.append((entry.declared.id, _listed(stated), _listed(live)))
    for identifier, expected, found in differing:
        yield finding(
            "spec-unstable",
            identifier,
            f"the spec of `{identifier}` differs at run time from its source",
            where,
            "make the spec the same wherever it is imported: a locked start refuses another",
            expected=expected,
            found=found,
        )


def _described(facts: PluginFacts) -> str:
    return ", ".join(f"{field} {getattr(facts, field)!r}" for field in facts._fields)


def _listed(identifiers: Iterable[str]) -> str:
    return ", ".join(f"`{identifier}`" for identifier in sorted(identifiers)) or "nothing"


def _activation_findings(activated: Activated, where: str) -> Iterator[Finding]:
    on_platform = f"`{activated.plugin}` on the platform `{activated.platform}`"
    if activated.is_no_bool:
        yield finding(
            "not-a-bool",
            activated.plugin,
            f"{on_platform} doesn't return whether it works: {activated.reason}",
            where,
            "return `True` if it worked, else `False` or raise an exception",
            expected="`True` or `False`",
        )
    elif activated.result in ("false", "failed"):
        is_false = activated.result == "false"
        reason = "`activate` returned False" if is_false else activated.reason
        yield finding(
            "activation-failed",
            activated.plugin,
            f"{on_platform} failed: {reason}",
            where,
            "name the platforms where it works in `coral_plugin.yaml`, or pass a sample "
            "configuration that it works with",
            severity=WARNING if is_false else "",
        )
