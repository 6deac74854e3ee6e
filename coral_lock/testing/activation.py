"""Activating plugins in a test as a start does, in this process or in a fresh one."""

from __future__ import annotations

import io
import os
import pickle
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coral_lock import canonical_json
from coral_lock.child_process import ANSWER, ANSWERED, PRINTED, TOOK_LONGER, run_child
from coral_lock.descriptor.model import DISCOVER_LISTED, Descriptor, PluginRequest
from coral_lock.finding import ERROR, Finding, has_errors
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.installed.import_lookup import module_origin
from coral_lock.inventory import Distribution, EntryPoint, FoundDistribution
from coral_lock.locking.discovery import Evidence, discover
from coral_lock.locking.resolution import Survey, survey
from coral_lock.names import GROUPS, is_object_reference, split_plugin_id
from coral_lock.plugin.config import BUILT_IN_PATCHES, RuntimeConfig
from coral_lock.plugin.spec import RuntimeShim
from coral_lock.probe.run import interpreter_probe
from coral_lock.start.activation import failures
from coral_lock.start.gate import activate
from coral_lock.start.live import live_plan
from coral_lock.start.report import (
    ACTIVATED,
    FAILED,
    NOT_RUN,
    REFUSED,
    ActivationReport,
    PluginOutcome,
    RuntimeState,
    StartPlan,
    VerifiedLock,
)

_AUTHORS_HINTS = {
    "activation-failed": None,
    "spec-drift": "if a manifest is stale, run `coral-runtime manifest compile`",
}
"""What helps the author of a plugin, where a finding's own hint is for an operator."""


TIME_LIMIT = 60.0
_MAX_OUTPUT = 1 << 26
_PROGRAM = """\
import os, pickle, sys
answer = int(sys.argv.pop())
os.set_inheritable(answer, False)
sys.path[:] = pickle.load(sys.stdin.buffer)
from coral_lock import canonical_json
from coral_lock.start.gate import activate
from coral_lock.start.process import StdoutGuard
guard = StdoutGuard()
report = activate(pickle.load(sys.stdin.buffer))
document = canonical_json.write(report.to_dict())
os.write(answer, document.encode("utf-8", "surrogatepass"))
guard.write_document(document)
sys.exit(report.exit_code)
"""
"""What a fresh interpreter runs: standard input holds its `sys.path`, and the plan of the start."""


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


UNDER_TEST = "under-test"
"""How the distribution is called, of which nothing is known."""


class SourceInventory(EnvironmentInventory):
    """This environment, whose only plugins are those of one entry point, installed or not.

    Args:
        entry_point: what a distribution would declare.
    """

    def __init__(self, entry_point: EntryPoint) -> None:
        super().__init__()
        self._found[UNDER_TEST] = Distribution(
            name=UNDER_TEST,
            version="0",
            requires=(),
            entry_points=(entry_point,),
            location=module_origin(entry_point.value.partition(":")[0]) or entry_point.value,
            editable=True,
        )

    def plugin_distributions(self) -> tuple[FoundDistribution, ...]:
        return (self._found[UNDER_TEST],)

    def find(self, name: str) -> FoundDistribution | None:
        return self._found[name] if name == UNDER_TEST else super().find(name)


_PLACE = "this test"


def _survey(
    identifiers: Sequence[str], entry_point: EntryPoint | None, config: RuntimeConfig
) -> tuple[tuple[str, ...], Survey]:
    """Return the ids of the plugins of a test, and what is decided about them.

    They are those of the ids, or all that an entry point yields.
    """
    evidence = Evidence(interpreter_probe(sys.path))
    inventory = EnvironmentInventory() if entry_point is None else SourceInventory(entry_point)
    if entry_point is not None:
        identifiers = [plugin.id for plugin in discover(inventory, evidence).plugins]
    identifiers = tuple(dict.fromkeys(identifiers))
    descriptor = Descriptor(
        platform=config.platform,
        discover=DISCOVER_LISTED,
        built_in_patches=config.built_in_patches(),
        requests=tuple(map(_request, identifiers)),
        services=config.services,
        origins={f"patches.{name}": _PLACE for name in config.patches},
    )
    return identifiers, survey(inventory, descriptor, evidence=evidence)


def _request(identifier: str) -> PluginRequest:
    try:
        group, name = split_plugin_id(identifier)
    except ValueError:
        raise ValueError(f"a plugin id is written `<group>:<name>`, not `{identifier}`") from None
    return PluginRequest(group=group, name=name, enabled=True, where=_PLACE)


def _plan(identifiers: Sequence[str], surveyed: Survey, config: RuntimeConfig) -> StartPlan:
    """Return the start of the plugins; if one of its findings is an error, nothing may run.

    The configuration takes in what the plugins bring along where it says nothing. The findings
    are those about these plugins and the host, with hints for the author of a test.
    """
    plan, providers = live_plan(surveyed), _providers(surveyed)
    config.services = plan.config.services
    for attribute in BUILT_IN_PATCHES.values():
        setattr(config, attribute, getattr(plan.config, attribute))
    subjects = {
        *identifiers,
        *(package.distribution for package in surveyed.host.packages()),
        *(providers[identifier].name for identifier in identifiers if identifier in providers),
    }
    findings = []
    for finding in plan.findings:
        hint, summary = finding.hint, finding.summary
        if finding.code == "host-unknown":
            hint = "tell it with the fixture `coral_host`"
        if finding.code == "unknown-plugin" and finding.subject not in providers:
            summary = f"no distribution that is installed offers `{finding.subject}`"
            if not (hint and hint.startswith("did you mean")):
                hint = "install the project, e.g. with `pip install --editable .`"
        if finding.subject in subjects:
            findings.append(finding.replace(hint=hint, summary=summary))
    return plan.replace(config=config, findings=tuple(findings))


def _providers(surveyed: Survey) -> dict[str, Distribution]:
    """Return the distribution that offers each plugin, by the plugin's id."""
    return {each.plugin.id: each.plugin.distribution for each in surveyed.decisions}


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
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    pickle.dump([*map(os.path.abspath, sys.path), package], content)
    try:
        pickle.dump(plan, content)
    except Exception as error:
        raise ValueError(
            f"a fresh interpreter can't be handed this configuration: {error}"
        ) from None
    end = run_child(
        (sys.executable, "-I", "-c", _PROGRAM, ANSWER),
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
    is_whole = not ending.startswith((TOOK_LONGER, PRINTED, ANSWERED))
    report = _read_report(end.answer) if is_whole else None
    if report is None:
        report = _without_report(plan, f"the interpreter {ending} before it could report")
    return Activation(report=report, stdout=stdout, stderr=stderr)


def _read_report(content: bytes) -> ActivationReport | None:
    """Return the report in an answer, or None; plugins ran in the process that gave it."""
    try:
        document: Any = canonical_json.parse(content.decode("utf-8", "surrogatepass"))
        return ActivationReport(
            outcome=document["outcome"],
            lock=VerifiedLock(**document["lock"]) if document["lock"] else None,
            state=RuntimeState(**document["state"]),
            plugins=tuple(PluginOutcome(**each) for each in document["plugins"]),
            findings=tuple(Finding(**each) for each in document["findings"]),
            log_messages=tuple(document["log_messages"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _without_report(plan: StartPlan, reason: str) -> ActivationReport:
    outcomes = tuple(each.replace(status=FAILED, reason=reason) for each in plan.not_run())
    return plan.report(FAILED, outcomes, failures(plan, outcomes))


class ActivationHarness:
    """Activates plugins as `coral-runtime init --locked` does; the fixture `coral_activation`.

    What a plugin is, is learned without running it, as `coral-runtime lock` does: from its
    manifest, its source, or a probe. Then its live spec must equal that, and `activate` is
    called. The host's own discovery is off. Nothing is verified by digests, so an editable
    install can be tested.

    In process, these are put back at the end of the test: environment variables,
    `sys.path`, `sys.meta_path`, and `sys.modules` without the plugins' own modules that
    were imported since. Other modules stay imported, and what plugins change in them stays
    changed, as many extension modules can't be imported twice: where that matters, use a fresh
    interpreter.
    """

    def __init__(self) -> None:
        self._environment = dict(os.environ)
        self._path = list(sys.path)
        self._meta_path = list(sys.meta_path)
        self._modules = frozenset(sys.modules)
        self._packages: set[str] = set()

    def restore(self) -> None:
        """Put back what was there at construction."""
        # One that stays is never missing: that of a lock would be said to be gone.
        for name in os.environ.keys() - self._environment.keys():
            del os.environ[name]
        os.environ.update(self._environment)
        sys.path[:] = self._path
        sys.meta_path[:] = self._meta_path
        for name in [name for name in sys.modules if name not in self._modules]:
            if name.partition(".")[0] in self._packages or _is_stand_in(name):
                _forget(name)

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
        """
        config = RuntimeConfig() if config is None else config
        if bool(plugins) == (entry_point is not None):
            raise ValueError("name plugins by their ids, or an `entry_point`, and not both")
        declared = None if entry_point is None else _entry_point(entry_point, group, name)
        identifiers, surveyed = _survey(plugins, declared, config)
        plan = _plan(identifiers, surveyed, config)
        if has_errors(plan.findings):
            return _refused(plan, identifiers, _providers(surveyed))
        if fresh:
            return activate_freshly(plan, time_limit)
        for plugin in plan.plugins:
            self._packages.add(plugin.entry_point.partition(":")[0].partition(".")[0])
        return Activation(report=activate(plan))


def _is_stand_in(name: str) -> bool:
    """Whether a module is one that coral-lock served in place of the host's."""
    return isinstance(getattr(sys.modules[name], "__loader__", None), RuntimeShim)


def _forget(name: str) -> None:
    """Remove a module, also from its package, where `from package import` would find it."""
    module = sys.modules.pop(name)
    parent, _, child = name.rpartition(".")
    if getattr(sys.modules.get(parent), child, None) is module:
        delattr(sys.modules[parent], child)


def _entry_point(value: str, group: str, name: str | None) -> EntryPoint:
    if group not in GROUPS:
        raise ValueError(f"the group is one of {', '.join(GROUPS)}, not `{group}`")
    if not is_object_reference(value):
        raise ValueError(f"an entry point is written `module:attribute`, not `{value}`")
    return EntryPoint(group=group, name=name or value.rpartition(":")[2], value=value)


def _refused(
    plan: StartPlan, identifiers: Sequence[str], providers: Mapping[str, Distribution]
) -> Activation:
    errors = [finding for finding in plan.findings if finding.severity == ERROR]

    def outcome(identifier: str) -> PluginOutcome:
        own = [finding for finding in errors if finding.subject == identifier]
        provider = providers.get(identifier)
        return PluginOutcome(
            id=identifier,
            status=NOT_RUN,
            distribution=provider.name if provider else "",
            version=provider.version if provider else "",
            reason="; ".join(finding.summary for finding in own or errors),
        )

    report = plan.refused("The plugins can't be started: nothing was activated")
    report = report.replace(plugins=tuple(map(outcome, identifiers)))
    return Activation(report=report, stdout=canonical_json.write(report.to_dict()))
