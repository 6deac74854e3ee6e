"""The gate between a program and the runtime: entry points are the lock's, and so is the host.

Once it is open, anyone who asks for the runtime's entry points gets the verified ones, and the
host starts under descriptor and lock when it is first imported.
"""

from __future__ import annotations

import os
import sys

from coral_lock.errors import describe_exception
from coral_lock.finding import Finding, has_errors
from coral_lock.import_guard import lower_import_guard
from coral_lock.imports.finder import installed_imports
from coral_lock.installed.import_lookup import import_chain
from coral_lock.names import HOST_MODULE, plugin_id
from coral_lock.plugin.config import SILENT_HOST
from coral_lock.start.activation import Activator, failures
from coral_lock.start.entry_points import GateHooks, plugin_modules
from coral_lock.start.report import (
    ACTIVATED,
    FAILED,
    NOT_RUN,
    STARTED,
    VERIFIED,
    ActivationReport,
    PluginOutcome,
    RuntimeState,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType
    from typing import Any

    from coral_lock.plugin.config import RuntimeConfig
    from coral_lock.start.report import StartPlan

_PLUGIN_MODULE = f"{HOST_MODULE}.runtime.plugins"
_CONTEXT_MODULE = f"{HOST_MODULE}.runtime"

_OWN_BACKENDS = frozenset({"onnx", "rknn"})
"""The backends that the host registers by itself."""

_DEPTH = "CORAL_LOCK_DEPTH"
"""Set while the host starts: the number of processes, each a child of the last, that do so."""

_MAX_DEPTH = "4"


class Gate:
    """A start that is verified, and under way as soon as the gate is open.

    `plugins` are in the order of activation; `load` returns what the host gets for one.

    Args:
        plan: what to start.
        done: gets the report once a host has started or failed, before its import ends. What
            it raises, the import raises.
        about_to_start: is called before the host is imported; what it raises, the import
            raises.
    """

    def __init__(
        self,
        plan: StartPlan,
        done: Callable[[ActivationReport], None] = lambda report: None,
        about_to_start: Callable[[], None] = lambda: None,
    ) -> None:
        self._plan = plan
        self._done = done
        self._about_to_start = about_to_start
        self._activator = Activator(plan)
        self._report: ActivationReport | None = None
        self.plugins = plan.plugins
        self.load = self._activator.load_for_host

    def open(self, is_eager: bool) -> ActivationReport:
        """Start: at once, or at the first import of the host.

        Without a host, the plugins are activated here, at once.

        Returns:
            The report, whose outcome is `verified` if the host hasn't been imported yet.

        Raises:
            KeyboardInterrupt: the user interrupted a plugin.
        """
        if is_host_imported():
            running = Finding(
                code="host-running",
                subject=HOST_MODULE,
                summary="the host was imported before the lock could be applied to it",
                where=HOST_MODULE,
                hint="call `coral_lock.init` before anything imports `coral_inference`",
            )
            return self._plan.refused("The host is already running: nothing was activated", running)
        lower_import_guard()
        has_host = is_host_installed()
        GateHooks(lambda: self, plugin_modules(self._plan.plugins), has_host).install()
        if not has_host:
            return self.activate()
        if not is_eager:
            messages = ("The host starts at its first import",)
            return self._plan.report(VERIFIED, self._plan.not_run(), messages=messages)
        try:
            __import__(HOST_MODULE)
        except KeyboardInterrupt:
            raise
        except BaseException:
            if self._report is None:
                raise
        assert self._report is not None
        return self._report

    def activate(self) -> ActivationReport:
        """Activate the plugins here, without a host."""
        self._activator.activate_all()
        return self._finish()

    def execute_host(self, module: ModuleType, execute: Callable[[], None]) -> None:
        """Let the host start while its module is executed, and compare the state it reports."""
        self._about_to_start()
        os.environ.update(self._plan.config.host_environment())
        self._activator.is_host_starting = True
        depth = os.environ.get(_DEPTH, "0")
        try:
            if depth >= _MAX_DEPTH:
                raise RecursionError(
                    "plugins start processes in which the same plugins are activated again"
                )
            os.environ[_DEPTH] = str(int(depth) + 1)
            execute()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # Outside of the lock, files that were refused under it would be run.
            refused = (each.hint for imports in installed_imports() for each in imports.findings)
            traceback_hint = f"run `python -c 'import {HOST_MODULE}'` to see the whole traceback"
            failed = Finding(
                code="host-failed",
                subject=HOST_MODULE,
                summary=f"the host couldn't be imported: {describe_exception(error)}",
                where=HOST_MODULE,
                hint=next(refused, traceback_hint),
            )
            self._done(self._finish((failed,)))
            raise
        finally:
            os.environ.pop(_DEPTH, None)
        get_context = getattr(sys.modules.get(_CONTEXT_MODULE), "get_current_context", None)
        context = get_context() if callable(get_context) else None
        self._activator.hand_over_services(getattr(context, "config", None))
        self._activator.is_host_starting = False
        state = _state_of(context)
        messages = getattr(context, "log_messages", None)
        self._done(
            self._finish(
                _state_findings(state, self._plan.config, self._activator),
                map(str, messages) if isinstance(messages, list) else (),
                state,
            )
        )

    def _finish(
        self,
        findings: Iterable[Finding] = (),
        messages: Iterable[str] = (),
        state: RuntimeState | None = None,
    ) -> ActivationReport:
        outcomes = self._activator.outcomes()
        refused = (each for imports in installed_imports() for each in imports.findings)
        findings = (*findings, *failures(self._plan, outcomes), *refused)
        self._report = self._plan.report(
            FAILED if has_errors(findings) else STARTED,
            outcomes,
            findings,
            (*messages, *map(_message, outcomes)),
            state,
        )
        return self._report


def activate(plan: StartPlan) -> ActivationReport:
    """Activate the plugins of a plan in this process, without the host, and report on each."""
    lower_import_guard()
    # The host would load plugins and backends by itself, and start.
    os.environ.update(SILENT_HOST)
    for name in ("CORAL_BACKEND_MODULES", "CORAL_EXTRA_PATCHES"):
        os.environ.pop(name, None)
    return Gate(plan).activate()


def _message(outcome: PluginOutcome) -> str:
    """Return the log's line about a plugin."""
    reason = "" if outcome.status == ACTIVATED else f": {outcome.reason}"
    return f"Plugin {outcome.id} {outcome.status}{reason}"


def is_host_installed() -> bool:
    """Whether a host that loads plugins would be imported; nothing of it is run.

    A core without `coral_inference.runtime.plugins` loads none, and our own stand-in for a
    missing one is no host.
    """
    if HOST_MODULE in sys.modules and not is_host_imported():
        return False
    for imports in installed_imports():
        if HOST_MODULE in imports.index.names:
            # It is imported from the locked files, not from the path.
            return any(
                files.module(f"{HOST_MODULE}/runtime", "plugins") is not None
                for files in imports.files().roots.values()
            )
    chain = import_chain(_PLUGIN_MODULE)
    return bool(chain) and chain[-1].name == _PLUGIN_MODULE


def is_host_imported() -> bool:
    """Whether the host is already running."""
    module = sys.modules.get(HOST_MODULE)
    loader = getattr(getattr(module, "__spec__", None), "loader", None)
    return module is not None and not getattr(loader, "is_coral_lock", False)


def _state_of(context: object) -> RuntimeState | None:
    """Return the state in the host's context, None if its form is unknown."""
    state = getattr(context, "state", None)
    fields: dict[str, Any] = {name: getattr(state, name, None) for name in RuntimeState._fields}
    kinds: tuple[Any, ...] = (str, dict, dict, (list, tuple))
    if not all(isinstance(each, kind) for each, kind in zip(fields.values(), kinds)):
        return None
    for name in ("patches_enabled", "plugins_loaded"):
        switches = fields[name].items()
        fields[name] = {str(key): value is True for key, value in sorted(switches)}
    fields["backends_enabled"] = tuple(map(str, fields["backends_enabled"]))
    return RuntimeState(**fields)


def _state_findings(
    state: RuntimeState | None, config: RuntimeConfig, activator: Activator
) -> Iterator[Finding]:
    """Yield where the host's state differs from descriptor and lock.

    Args:
        state: what the host reports; None if that can't be understood.
        config: what was requested.
        activator: knows what became of each plugin; the host never loaded one that is `not-run`.
    """
    if state is None:
        yield _difference("its context", "a context with its state", "none")
        return
    if state.platform != config.platform:
        yield _difference("its platform", config.platform, state.platform)
    for name, is_on in config.effective_patches().items():
        if state.patches_enabled.get(name) and not is_on:
            yield _difference(f"the patch `{name}`", "off", "on")
    says: dict[str, bool] = dict(state.plugins_loaded)
    says.update((plugin_id("backends", name), True) for name in state.backends_enabled)
    for outcome in sorted(activator.outcomes(), key=lambda outcome: outcome.id):
        is_active, found = outcome.status == ACTIVATED, says.pop(outcome.id, False)
        expected, actual = ("active" if each else "not active" for each in (is_active, found))
        if outcome.status == NOT_RUN:
            expected = "loaded from its locked entry point"
            actual = "loaded otherwise" if found else "not loaded"
        if expected != actual:
            yield _difference(f"`{outcome.id}`", expected, actual)
    for identifier in sorted(says):
        group, _, name = identifier.partition(":")
        if group != "backends" or not (name in _OWN_BACKENDS or config.backend_entry_modules):
            yield _difference(f"`{identifier}`", "not loaded", "loaded")


def _difference(what: str, expected: str, found: str) -> Finding:
    return Finding(
        code="host-state",
        subject=HOST_MODULE,
        summary=f"the host's state isn't the requested one: {what}",
        expected=expected,
        found=found,
        where=_CONTEXT_MODULE,
        hint="this version of the host may load plugins in another way: report it to coral-lock",
    )
