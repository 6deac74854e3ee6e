"""What plugins do when they run: at import, and when they are activated."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from coral_lock.author.project import DeclaredEntryPoint
from coral_lock.author.specs import BACKEND, PLUGIN, LearntEntryPoint
from coral_lock.author.subject import Subject
from coral_lock.canonical_json import Value
from coral_lock.child_process import ANSWERED, PRINTED, TOOK_LONGER, ChildEnd
from coral_lock.descriptor.model import Descriptor
from coral_lock.finding import WARNING, Finding
from coral_lock.inventory import EntryPoint, Reporter
from coral_lock.names import plugin_id
from coral_lock.plugin.facts import NO_TERMS, FactsError, PluginFacts, PluginTerms
from coral_lock.probe.run import answer_of, run_entry_point, specs_of

TIME_LIMIT = 10.0
"""The seconds that an interpreter may take."""

MAX_IMPORT_MS = 1000
"""How long an import may take: a device pays for it at every start."""

MAX_IMPORT_MEMORY_KIB = 200 * 1024
"""How much memory an import may add."""

DEFAULT_PLATFORMS = ("onnx", "rknn")
"""The platforms to activate on where a manifest names none."""

_MAX_SHOWN = 2000
_ENDS = "don't end the process, nor let a library crash it, while the module is imported"
_HINTS = {
    TOOK_LONGER: "move the work out of the module's top level into `activate`",
    PRINTED: "don't print while the module is imported: use `logging` instead",
    **dict.fromkeys(("ended", "exited", "was killed", ANSWERED), _ENDS),
}
"""What helps against an import that ends like this."""

_DEFAULT_HINT = "make it work with nothing installed but the distribution's requirements"
_CONFIGURED = ("services", "patches", "auto_patch_rknn", "auto_discover_backends", "extra_patches")
_PROGRAM = "coral_lock.author.run_child"


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """The result of importing an entry point in a fresh interpreter.

    Args:
        declared: the entry point.
        error: why there are no specs, as a phrase; None where there are.
        is_malformed: whether the import succeeded and a spec is invalid.
        import_ms: the milliseconds that the import took, without the host's own.
        import_memory_kib: how much memory it added at its peak; None where the system doesn't
            report it.
        output: the beginning of what was printed meanwhile.
        changes: the changes of what others rely on, each as a phrase.
        facts: those of the live specs.
        kinds: which of `PluginSpec` and `BackendAdapter` the live specs are.
    """

    declared: DeclaredEntryPoint
    error: str | None = None
    is_malformed: bool = False
    import_ms: float | None = None
    import_memory_kib: float | None = None
    output: str = ""
    changes: tuple[str, ...] = ()
    facts: tuple[PluginFacts, ...] = ()
    kinds: frozenset[str] = frozenset()

    def to_dict(self) -> dict[str, Value]:
        """Return its part of the JSON document."""
        fields = ("error", "import_ms", "import_memory_kib", "output")
        return {
            "entry_point": self.declared.entry_point.to_dict(),
            **{name: getattr(self, name) for name in fields},
            "changes": list(self.changes),
        }

    def __str__(self) -> str:
        measured = "failed" if self.import_ms is None else f"{self.import_ms:.1f} ms"
        if self.import_memory_kib is not None:
            measured += f", {self.import_memory_kib / 1024:.1f} MiB"
        return f"import {self.declared.entry_point.value}  {measured}"


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

    def to_dict(self) -> dict[str, Value]:
        """Return its part of the JSON document."""
        fields = ("plugin", "platform", "supported", "result", "reason", "duration_ms")
        return {name: getattr(self, name) for name in fields}

    def __str__(self) -> str:
        duration = "" if self.duration_ms is None else f", {self.duration_ms:.1f} ms"
        return f"activate {self.plugin} on {self.platform}  {self.result}{duration}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurements:
    """The results of running the plugins of a subject, in a fixed order.

    `configuration` names the sample that plugins were handed.
    """

    imports: tuple[Imported, ...]
    activations: tuple[Activated, ...]
    configuration: str

    def to_dict(self) -> dict[str, Value]:
        """Return its part of the JSON document."""
        return {
            "configuration": self.configuration,
            "imports": [imported.to_dict() for imported in self.imports],
            "activations": [activated.to_dict() for activated in self.activations],
        }


def run_trial(
    entry_point: EntryPoint,
    path: Sequence[str],
    *,
    plugin: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> ChildEnd:
    """Import an entry point in a fresh interpreter, and activate one of its plugins if asked.

    Args:
        entry_point: the entry point.
        path: the `sys.path` to import it with.
        plugin: the name of the plugin to activate, or None.
        config: the arguments of the `RuntimeConfig` that it is handed.
    """
    with tempfile.TemporaryDirectory(prefix="coral-check-") as directory:
        return run_entry_point(
            entry_point,
            path,
            time_limit=TIME_LIMIT,
            program=_PROGRAM,
            directory=directory,
            request={"plugin": plugin, "config": config},
        )


def measure(
    subject: Subject,
    path: Sequence[str],
    terms: Mapping[str, PluginTerms],
    reporter: Reporter | None = None,
) -> Measurements:
    """Run the plugins of a subject, each in fresh interpreters.

    Plugins that need environment variables which aren't set are only imported.

    Args:
        subject: what is checked.
        path: the `sys.path` to run them with.
        terms: the terms that the manifests declare of each plugin, by its id.
        reporter: is informed of each interpreter.
    """
    reporter = reporter or Reporter()
    sample = next((sample for sample in subject.samples if sample.descriptor), None)
    descriptor = (sample and sample.descriptor) or Descriptor(built_in_patches={}, requests=())
    imports: list[Imported] = []
    activations: list[Activated] = []
    for declared in subject.entry_points:
        entry_point = declared.entry_point
        reporter.probing(entry_point.value)
        imported = _imported(declared, run_trial(entry_point, path))
        imports.append(imported)
        for facts in imported.facts:
            identifier = plugin_id(entry_point.group, facts.name)
            own = terms.get(identifier, NO_TERMS)
            config = descriptor.runtime_config(own.default_config_overrides)
            handed = {name: getattr(config, name) for name in _CONFIGURED}
            for platform in () if _unset(own) else own.platforms or DEFAULT_PLATFORMS:
                configured = {**handed, "platform": platform}
                end = run_trial(entry_point, path, plugin=facts.name, config=configured)
                activations.append(_activated(identifier, declared, platform, end))
    reporter.finished()
    return Measurements(
        imports=tuple(imports),
        activations=tuple(activations),
        configuration="the defaults" if sample is None else sample.path,
    )


def _unset(terms: PluginTerms) -> list[str]:
    """Return the environment variables that a plugin needs and that aren't set."""
    return [each.name for each in terms.env if each.required and not os.environ.get(each.name)]


def _imported(declared: DeclaredEntryPoint, end: ChildEnd) -> Imported:
    """Return what a process answered, which the plugin's code could have forged."""
    answer = answer_of(end)
    start, stop = answer.get("printed", (0, 0))
    printed = end.output[start : min(stop, start + _MAX_SHOWN)]
    imported = Imported(
        declared=declared,
        import_ms=answer.get("import_ms"),
        import_memory_kib=answer.get("import_memory_kib"),
        output=printed.decode("utf-8", "replace"),
        changes=tuple(answer.get("changes", ())),
    )
    if "error" in answer:
        malformed = answer.get("malformed", False)
        return replace(imported, error=answer["error"], is_malformed=malformed)
    if "specs" not in answer:
        ending = end.ending or "ended before it answered"
        return replace(imported, error=f"importing `{declared.module}` {ending}")
    try:
        specs = specs_of(answer)
    except FactsError as wrong:
        return replace(imported, error=str(wrong), is_malformed=True)
    return replace(
        imported,
        facts=tuple(facts for facts, _ in specs),
        kinds=frozenset(BACKEND if is_backend else PLUGIN for _, is_backend in specs),
    )


def _activated(
    identifier: str, declared: DeclaredEntryPoint, platform: str, end: ChildEnd
) -> Activated:
    """Return what a process answered, which the plugin's code could have forged."""
    answer = answer_of(end)
    supported, activated = answer.get("supports"), answer.get("activate")
    result, reason = "failed", None
    if supported is False:
        result = "unsupported"
    elif activated is not None:
        result = "true" if activated else "false"
    elif "error" in answer:
        reason = answer["error"]
    else:
        reason = f"{answer.get('step')} {end.ending or 'ended the process'}"
    return Activated(
        plugin=identifier,
        declared=declared,
        platform=platform,
        supported=supported,
        result=result,
        reason=reason,
        is_no_bool=answer.get("is_no_bool", False),
        duration_ms=answer.get("duration_ms"),
    )


def with_live_facts(
    learnt: Iterable[LearntEntryPoint], measurements: Measurements
) -> tuple[LearntEntryPoint, ...]:
    """Return the entry points with the live specs where their sources are unreadable."""
    live = {imported.declared: imported for imported in measurements.imports}
    return tuple(
        replace(entry, facts=live[entry.declared].facts, kinds=live[entry.declared].kinds)
        if entry.is_unreadable
        else entry
        for entry in learnt
    )


def check_run(
    learnt: Iterable[LearntEntryPoint],
    measurements: Measurements,
    terms: Mapping[str, PluginTerms],
) -> Iterator[Finding]:
    """Yield the findings about running the plugins.

    Args:
        learnt: what the sources say of each entry point.
        measurements: the results of running them.
        terms: the terms that the manifests declare of each plugin, by its id.
    """
    entries = {entry.declared: entry for entry in learnt}
    for imported in measurements.imports:
        entry = entries[imported.declared]
        yield from _import_findings(imported, entry)
        live, stated = set(imported.facts), set(entry.facts)
        if live and stated and live != stated:
            yield entry.finding(
                "spec-unstable",
                f"`{imported.declared.entry_point.value}` yields other specs at run time than its "
                "source says",
                "make the spec the same wherever it is imported: a locked start refuses another",
                expected=_described(stated - live) or "nothing more",
                found=_described(live - stated) or "nothing more",
            )
        for facts in imported.facts:
            identifier = plugin_id(entry.declared.entry_point.group, facts.name)
            for name in _unset(terms.get(identifier, NO_TERMS)):
                yield entry.finding(
                    "env-missing",
                    f"`{identifier}` needs the environment variable `{name}`, so its activation "
                    "wasn't tried: a start would refuse it",
                    f"set `{name}`, and run the check again",
                    subject=identifier,
                    expected="a value",
                    found="nothing",
                    severity=WARNING,
                )
    for activated in measurements.activations:
        yield from _activation_findings(activated, entries[activated.declared])


def _import_findings(imported: Imported, entry: LearntEntryPoint) -> Iterator[Finding]:
    value = imported.declared.entry_point.value
    if imported.error is not None:
        code = "spec-malformed" if imported.is_malformed else "import-failed"
        what = "yields an invalid spec" if imported.is_malformed else "can't be imported"
        hints = (hint for word, hint in _HINTS.items() if f"` {word} " in imported.error)
        summary = f"`{value}` {what}: {imported.error}"
        yield entry.finding(code, summary, next(hints, _DEFAULT_HINT))
    for measured, limit, unit in (
        (imported.import_ms, MAX_IMPORT_MS, "ms"),
        (imported.import_memory_kib, MAX_IMPORT_MEMORY_KIB, "KiB"),
    ):
        if measured is not None and measured > limit:
            yield entry.finding(
                "costly-import",
                f"importing `{value}` is expensive, and a device pays for it at every start",
                "import large packages inside `activate`",
                expected=f"at most {limit} {unit}",
                found=f"{measured:.0f} {unit}",
            )
    if imported.output.strip():
        first = imported.output.strip().splitlines()[0]
        hint, found = "use `logging` instead", f"`{first[:100]}`"
        yield entry.finding("import-output", f"importing `{value}` prints", hint, found=found)
    for change in imported.changes:
        hint = "leave that to the program, or do it inside `activate`"
        yield entry.finding("import-side-effect", f"importing `{value}` {change}", hint)


def _described(specs: Iterable[PluginFacts]) -> str:
    return "; ".join(
        sorted(", ".join(f"{key} {getattr(each, key)!r}" for key in each._fields) for each in specs)
    )


def _activation_findings(activated: Activated, entry: LearntEntryPoint) -> Iterator[Finding]:
    on_platform = f"`{activated.plugin}` on the platform `{activated.platform}`"
    if activated.is_no_bool:
        yield entry.finding(
            "not-a-bool",
            f"{on_platform} doesn't return whether it works: {activated.reason}",
            "return `True` if it worked, else `False` or raise an exception",
            subject=activated.plugin,
            expected="`True` or `False`",
        )
    elif activated.result in ("false", "failed"):
        is_false = activated.result == "false"
        reason = "`activate` returned False" if is_false else activated.reason
        yield entry.finding(
            "activation-failed",
            f"{on_platform} failed: {reason}",
            "name the platforms where it works in `coral_plugin.yaml`, or pass a sample "
            "configuration that it works with",
            subject=activated.plugin,
            severity=WARNING if is_false else "",
        )
