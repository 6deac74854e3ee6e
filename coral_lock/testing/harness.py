"""Activating plugins in a test as a start does, in this process or in a fresh one."""

from __future__ import annotations

import io
import json
import os
import pickle
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from coral_lock import canonical_json
from coral_lock.child_process import PRINTED, TOOK_LONGER, run_child
from coral_lock.finding import ERROR, Finding, has_errors
from coral_lock.inventory import EntryPoint
from coral_lock.names import GROUPS, is_object_reference
from coral_lock.plugin.config import RuntimeConfig
from coral_lock.plugin.spec import RuntimeShim
from coral_lock.record import Record
from coral_lock.start.gate import activate
from coral_lock.start.report import (
    ACTIVATED,
    FAILED,
    NOT_RUN,
    REFUSED,
    ActivationReport,
    PluginOutcome,
    StartPlan,
    VerifiedLock,
)
from coral_lock.testing.candidates import (
    Candidates,
    entry_point_candidates,
    installed_candidates,
)

_AUTHORS_HINTS = {
    "activation-failed": None,
    "spec-drift": "if a manifest is stale, run `coral-runtime manifest compile`",
}
"""What helps the author of a plugin, where a finding's own hint is for an operator."""


TIME_LIMIT = 60.0
_MAX_OUTPUT = 1 << 26
_CHILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child.py")


@dataclass(frozen=True, kw_only=True, slots=True)
class Activation:
    """The outcome of an activation.

    `report` is the report, as `coral-runtime init` prints it. From a fresh interpreter,
    `stdout` is all that it printed there, which is the report's document and nothing else,
    and `stderr` what the plugins printed; in process, both are empty, and pytest's `capfd`
    knows what was printed.
    """

    report: ActivationReport
    stdout: str = ""
    stderr: str = ""

    def outcome(self, identifier: str) -> PluginOutcome:
        """Return what became of the plugin of that id.

        Raises:
            AssertionError: no such plugin was to be activated.
        """
        for outcome in self.report.plugins:
            if outcome.id == identifier:
                return outcome
        known = ", ".join(f"`{outcome.id}`" for outcome in self.report.plugins) or "none"
        raise AssertionError(f"`{identifier}` wasn't to be activated; what was: {known}")

    def assert_activated(self, identifier: str) -> None:
        """Insist that a plugin is active.

        Raises:
            AssertionError: it isn't; the message says why.
        """
        __tracebackhide__ = True
        outcome = self.outcome(identifier)
        if outcome.status != ACTIVATED:
            raise AssertionError(self._account(outcome, "isn't active"))

    def assert_failed(self, identifier: str, reason_contains: str = "") -> None:
        """Insist that a plugin failed, or wasn't let start, with a reason.

        Args:
            identifier: the plugin's id.
            reason_contains: a text that the reason contains.

        Raises:
            AssertionError: it is active, or there is another reason.
        """
        __tracebackhide__ = True
        outcome = self.outcome(identifier)
        if outcome.status not in (FAILED, REFUSED, NOT_RUN):
            raise AssertionError(self._account(outcome, "didn't fail"))
        if reason_contains not in (outcome.reason or ""):
            raise AssertionError(self._account(outcome, f"didn't fail for `{reason_contains}`"))

    def _account(self, outcome: PluginOutcome, what: str) -> str:
        reason = f": {outcome.reason}" if outcome.reason else ""
        lines = [f"`{outcome.id}` {what}; it is {outcome.status}{reason}"]
        for finding in self.report.findings:
            if finding.subject != outcome.id or not outcome.reason:
                lines.append(f"{finding.severity}[{finding.code}]: {finding.summary}")
            hint = _AUTHORS_HINTS.get(finding.code, finding.hint)
            if hint:
                lines.append(f"  hint: {hint}")
        if self.stderr:
            lines.append(f"It printed:\n{self.stderr.rstrip()}")
        return "\n".join(lines)


class ProcessState:
    """What an activation changes in a process, as it was at construction.

    That is the environment variables, `sys.path`, `sys.meta_path`, and which of a plugin's
    own modules are imported. Other modules that a plugin imports stay, since many extension
    modules can't be imported twice; and what it changes in them, such as in the host, can't
    be known.
    """

    def __init__(self) -> None:
        self._environment = dict(os.environ)
        self._path = list(sys.path)
        self._meta_path = list(sys.meta_path)
        self._modules = frozenset(sys.modules)
        self._packages: set[str] = set()

    def note_modules(self, modules: Iterable[str]) -> None:
        """Remember modules of plugins: what is imported of their top-level packages goes."""
        self._packages.update(module.partition(".")[0] for module in modules)

    def restore(self) -> None:
        """Put back what was there at construction."""
        os.environ.clear()
        os.environ.update(self._environment)
        sys.path[:] = self._path
        sys.meta_path[:] = self._meta_path
        for name in [name for name in sys.modules if name not in self._modules]:
            if name.partition(".")[0] in self._packages or _is_stand_in(name):
                _forget(name)


def _is_stand_in(name: str) -> bool:
    """Whether a module is one that coral-lock served in place of the host's."""
    return isinstance(getattr(sys.modules[name], "__loader__", None), RuntimeShim)


def _forget(name: str) -> None:
    """Remove a module, also from its package, where `from package import` would find it."""
    module = sys.modules.pop(name)
    parent, _, child = name.rpartition(".")
    if getattr(sys.modules.get(parent), child, None) is module:
        delattr(sys.modules[parent], child)


class _Pickler(pickle.Pickler):
    """Pickles records, too, which refuse to be set attribute by attribute."""

    def reducer_override(self, value: object) -> Any:
        if isinstance(value, Record):
            fields = {field: getattr(value, field) for field in value._fields}
            return partial(type(value), **fields), ()
        return NotImplemented


def activate_freshly(plan: StartPlan, time_limit: float) -> Activation:
    """Activate plugins in a fresh interpreter, which prints as `coral-runtime init` does.

    Where it ends without a report, or takes too long, each plugin has failed, with that as
    the reason.

    Args:
        plan: what to activate; its configuration can be pickled.
        time_limit: the seconds that it may take.

    Raises:
        ValueError: the configuration can't be pickled.
    """
    content = io.BytesIO()
    pickle.dump([os.path.abspath(entry) for entry in sys.path], content)
    try:
        _Pickler(content).dump(plan)
    except Exception as error:
        raise ValueError(
            f"a fresh interpreter can't be handed this configuration: {error}"
        ) from None
    end = run_child(
        (sys.executable, "-I", _CHILD),
        time_limit=time_limit,
        environment=os.environ,
        directory=os.getcwd(),
        memory_limit=None,
        content=content.getvalue(),
        most_output=_MAX_OUTPUT,
        errors_apart=True,
    )
    stdout, stderr = end.output.decode("utf-8", "replace"), end.errors.decode("utf-8", "replace")
    ending = end.ending or "exited with code 0"
    report = None if ending.startswith((TOOK_LONGER, PRINTED)) else _read_report(stdout)
    if report is None:
        report = _without_report(plan, f"the interpreter {ending} before it could report")
    return Activation(report=report, stdout=stdout, stderr=stderr)


def _read_report(text: str) -> ActivationReport | None:
    """Return the report that a document holds, or None if there is no document."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    state = document["state"]
    return ActivationReport(
        outcome=document["outcome"],
        lock=VerifiedLock(**document["lock"]) if document["lock"] else None,
        platform=state["platform"],
        plugins=tuple(PluginOutcome(**outcome) for outcome in document["plugins"]),
        patches_enabled=state["patches_enabled"],
        findings=tuple(Finding(**finding) for finding in document["findings"]),
        log_messages=tuple(document["log_messages"]),
    )


def _without_report(plan: StartPlan, reason: str) -> ActivationReport:
    outcomes = tuple(each.replace(status=FAILED, reason=reason) for each in plan.not_run())
    findings = (
        Finding(
            code="activation-failed",
            severity=ERROR,
            subject=plugin.id,
            summary=f"`{plugin.id}` failed: {reason}",
            where=plugin.entry_point,
        )
        for plugin in plan.plugins
    )
    return plan.report(FAILED, outcomes, findings)


class ActivationHarness:
    """Activates plugins as `coral-runtime init --locked` does; the fixture `coral_activation`.

    What a plugin is, is learned without running it, as `coral-runtime lock` does: from its
    manifest, its source, or a probe. Then its live spec must equal that, and `activate` is
    called. The host's own discovery is off. Nothing is verified by digests, so an editable
    install can be tested.

    In process, these are put back at the end of the test: environment variables,
    `sys.path`, `sys.meta_path`, and `sys.modules` without the plugins' own modules that
    were imported since. Other modules stay imported, and what plugins change in them stays
    changed: where that matters, use a fresh interpreter.

    Args:
        state: remembers what is to be put back.
    """

    def __init__(self, state: ProcessState) -> None:
        self._state = state

    def __call__(
        self,
        *plugins: str,
        entry_point: str | None = None,
        group: str = "patches",
        name: str | None = None,
        config: RuntimeConfig | None = None,
        fresh: bool = False,
        time_limit: float = TIME_LIMIT,
    ) -> Activation:
        """Activate plugins and return what became of them.

        A plugin that isn't installed, doesn't fit the host or the platform, or can't be
        understood is reported as `not-run`, and nothing runs.

        Args:
            plugins: ids of installed plugins; they are activated in the order of a start.
            entry_point: `module:attribute`, instead of ids. Its distribution need not be
                installed, if the module can be imported.
            group: the entry point's group.
            name: the entry point's own name, which is the plugin's where the attribute is
                an `activate(config)` function; by default the attribute's.
            config: what each plugin is handed; by default a `RuntimeConfig()`.
            fresh: whether it happens in a fresh interpreter, with this one's `sys.path`
                and environment variables.
            time_limit: the seconds that a fresh interpreter may take.

        Raises:
            ValueError: the arguments can't be right.
            CycleError: the `after` of some plugins can't be met.
        """
        config = RuntimeConfig() if config is None else config
        if entry_point is None:
            if not plugins:
                raise ValueError("name plugins by their ids, or an `entry_point`")
            candidates = installed_candidates(plugins, config)
        elif plugins:
            raise ValueError("name plugins by their ids or an `entry_point`, not both")
        else:
            candidates = entry_point_candidates(_entry_point(entry_point, group, name), config)
        if has_errors(candidates.plan.findings):
            return _refused(candidates)
        if fresh:
            return activate_freshly(candidates.plan, time_limit)
        self._state.note_modules(plugin.entry_point for plugin in candidates.plan.plugins)
        return Activation(report=activate(candidates.plan))


def _entry_point(value: str, group: str, name: str | None) -> EntryPoint:
    if group not in GROUPS:
        raise ValueError(f"the group is one of {', '.join(GROUPS)}, not `{group}`")
    if not is_object_reference(value):
        raise ValueError(f"an entry point is written `module:attribute`, not `{value}`")
    return EntryPoint(group=group, name=name or value.rpartition(":")[2], value=value)


def _refused(candidates: Candidates) -> Activation:
    errors = [finding for finding in candidates.plan.findings if finding.severity == ERROR]

    def outcome(identifier: str) -> PluginOutcome:
        own = [finding for finding in errors if finding.subject == identifier]
        provider = candidates.providers.get(identifier)
        return PluginOutcome(
            id=identifier,
            status=NOT_RUN,
            distribution=provider.name if provider else "",
            version=provider.version if provider else "",
            reason="; ".join(finding.summary for finding in own or errors),
        )

    report = candidates.plan.refused("The plugins can't be started: nothing was activated")
    report = report.replace(plugins=tuple(map(outcome, candidates.identifiers)))
    return Activation(report=report, stdout=canonical_json.write(report.to_dict()))
